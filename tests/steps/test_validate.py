"""The validate step: what is let through, what is put aside and why, and that nothing is lost on the way."""

import json
import os
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftops.access import AccessPolicies
from raftops.data.records import Document, Example
from raftops.errors import DataRejected
from raftops.files import sha256_file
from raftops.spec.model.knowledge import Data, Validate
from raftops.steps.validate import validate

pytestmark = pytest.mark.slow

TOPICS = ("leave", "travel", "expenses", "security", "benefits", "equipment")
ACCESS = """
groups: {employees: Everyone, finance: Finance}
policies: {all-staff: {groups: [employees]}, finance-only: {groups: [finance]}}
documents:
  - {match: "finance/**", policy: finance-only}
  - {match: "company/**", policy: all-staff}
"""


def fact(topic: str, number: int = 0) -> str:
    return f"Rule {number} of {topic} gives every employee {number + 2} days in the year."


def page(topic: str) -> str:
    return f"# About {topic}\n\n" + "\n\n".join(fact(topic, n) for n in range(4)) + "\n"


def example(topic: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    evidence = [{"doc_id": f"company/{topic}.md", "quote": fact(topic, number)}]
    row = {"id": f"k-{topic}-{number}", "kind": "knowledge", "question": f"What does rule {number} of {topic} give?"}
    return {**row, "answer": f"{number + 2} days", "evidence": evidence, **changes}


def reply(answer: str, **checks: Any) -> dict[str, Any]:
    return {
        "id": f"b {answer} {checks}",
        "kind": "behaviour",
        "question": f"{answer} {checks}?",
        "answer": answer,
        "checks": checks,
    }


class World:
    """A project folder with good data in it, to be spoilt by a test; the step runs inside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines = [json.dumps(example(t, n)) for t in TOPICS for n in range(2)]
        self.write("access.yaml", ACCESS)
        for topic in TOPICS:
            self.write(f"documents/company/{topic}.md", page(topic))

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def add(self, *rows: dict[str, Any]) -> None:
        self.lines += [json.dumps(row) for row in rows]

    def run(self, data: dict[str, Any] | None = None, **config: Any) -> dict[str, float]:
        self.write("examples.jsonl", "\n".join(self.lines) + "\n")
        whole = {"documents": {"path": "documents"}, "access": "access.yaml", "examples": ["*.jsonl"], **(data or {})}
        before = Path.cwd()
        os.chdir(self.root)
        try:
            return validate(Validate(**config), Data(**whole), Path("accepted"), Path("report"))
        finally:
            os.chdir(before)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "accepted" / name).read_text().splitlines()]

    def reasons(self) -> dict[str, str]:
        return {row["where"]: row["reason"] for row in self.rows("quarantine.jsonl")}

    def report(self) -> dict[str, Any]:
        return json.loads((self.root / "report/report.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_good_data_is_let_through_whole(world: World) -> None:
    metrics = world.run(data={"documents": {"path": "documents", "uri": "https://docs.example/"}})
    documents = [Document(**row) for row in world.rows("documents.jsonl")]
    assert [d.doc_id for d in documents] == sorted(f"company/{t}.md" for t in TOPICS)
    first = documents[0]
    path = world.root / first.path
    assert (first.version, first.size) == (sha256_file(path), path.stat().st_size)
    assert (first.media_type, first.policy_id) == ("text/markdown", "all-staff")
    assert first.uri == "https://docs.example/company/benefits.md"
    examples = [Example.model_validate(row) for row in world.rows("examples.jsonl")]
    assert [e.id for e in examples] == sorted(e.id for e in examples)
    assert {e.split for e in examples} == {"train", "dev", "test"}
    access = AccessPolicies.model_validate_json((world.root / "accepted/access.json").read_text())
    assert access.policy_of("finance/x.md") == "finance-only"
    assert world.rows("quarantine.jsonl") == []
    assert (metrics["documents_accepted"], metrics["examples_accepted"], metrics["examples_quarantined"]) == (6, 12, 0)
    assert world.report()["success"] is True


def test_two_runs_write_the_same_bytes(world: World) -> None:
    world.add(example("leave", 3, id="bad", answer=""))
    outputs = []
    for _ in range(2):
        world.run()
        files = [*sorted((world.root / "accepted").iterdir()), world.root / "report/report.json"]
        outputs.append([(p.name, p.read_bytes()) for p in files])
    assert outputs[0] == outputs[1]


def test_the_page_and_the_report_name_every_expectation_and_every_bad_row(world: World) -> None:
    world.add(example("leave", 3, id="bad", evidence=[{"doc_id": "company/leave.md", "quote": "Rule 3 gives a car."}]))
    world.run()
    report = world.report()
    assert {t["name"] for t in report["tables"]} == {"access", "documents", "examples"}
    failed = [
        e for t in report["tables"] for e in t["expectations"] if not e["success"] and e["severity"] == "critical"
    ]
    assert [(e["column"], e["where"]) for e in failed] == [("quote_is_verbatim", ["examples.jsonl:13"])]
    assert [r["where"] for r in report["rows"]] == ["examples.jsonl:13"]
    page = unescape((world.root / "report/index.html").read_text(encoding="utf-8"))
    assert all(check["says"] in page for table in report["tables"] for check in table["expectations"])
    [idle] = report["idle_rules"]
    assert (idle["where"], idle["match"], idle["policy"]) == ("access.yaml:5:13", "finance/**", "finance-only")
    assert "it matches no document in documents" in idle["why"] and "allow_empty: true" in idle["why"]
    assert "finance/**" in page


DOCUMENT_FAULTS: dict[str, tuple[Callable[[World], Any], str, str]] = {
    "no policy": (
        lambda w: w.write("documents/other/a.md", "# A\n\ntext"),
        "other/a.md",
        "has no policy: nobody may read",
    ),
    "empty": (lambda w: w.write("documents/company/empty.md", ""), "company/empty.md", "is empty"),
    "no text": (
        lambda w: w.write("documents/company/blank.md", "\n \n"),
        "company/blank.md",
        "cannot be read: is empty",
    ),
    "broken": (
        lambda w: w.write("documents/company/broken.pdf", b"%PDF-1.7 nothing"),
        "company/broken.pdf",
        "cannot be read: ",
    ),
    "too large": (
        lambda w: w.write("documents/company/large.md", "word " * 60_000),
        "company/large.md",
        "has 0.3 MiB; at most 0.2 are allowed",
    ),
    "foreign": (
        lambda w: w.write(
            "documents/company/foreign.md",
            "Der Urlaub wird von der Leitung im System genehmigt und ist zu buchen. " * 5,
        ),
        "company/foreign.md",
        "is in another language (de) than en",
    ),
    "personal": (
        lambda w: w.write("documents/company/personal.md", "Pay to DE89 3704 0044 0532 0130 00 now."),
        "company/personal.md",
        "text holds a bank account of DE at character 7: DE\u2026 (27 characters)",
    ),
    "unknown type": (
        lambda w: w.write("documents/company/odd.xyz", "text"),
        "company/odd.xyz",
        "files of type .xyz cannot",
    ),
    "control characters": (
        lambda w: w.write("documents/company/a\nb.md", "text"),
        "company/a\\nb.md",
        "control characters",
    ),
    "not UTF-8": (
        lambda w: (w.root / os.fsdecode(b"documents/company/a\xff.md")).write_text("text"),
        "company/a\\udcff.md",
        "not UTF-8",
    ),
    "link out": (
        lambda w: (w.root / "documents/company/out.md").symlink_to(w.write("secret.md", "# Secret\n\nword")),
        "company/out.md",
        "is a link that leaves the documents folder",
    ),
    "dead link": (
        lambda w: (w.root / "documents/company/dead.md").symlink_to("gone.md"),
        "company/dead.md",
        "cannot be read",
    ),
    "circle": (
        lambda w: (w.root / "documents/company/circle.md").symlink_to("circle.md"),
        "company/circle.md",
        "is a link that leaves",
    ),
    "folder link": (
        lambda w: (w.root / "documents/more").symlink_to(w.root),
        "more",
        "links to folders are not followed",
    ),
}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every fault at once, judged once."""
    world = World(tmp_path_factory.mktemp("spoilt"))
    for spoil, _, _ in DOCUMENT_FAULTS.values():
        spoil(world)
    world.lines += [row if isinstance(row, str) else json.dumps(row) for row, _ in EXAMPLE_FAULTS.values()]
    world.run(data={"documents": {"path": "documents", "include": ["**/*.*"]}}, document_mib_max=0.2)
    return world


@pytest.mark.parametrize("fault", DOCUMENT_FAULTS)
def test_a_bad_document_is_put_aside_with_its_place_and_reason(spoilt: World, fault: str) -> None:
    _, doc_id, reason = DOCUMENT_FAULTS[fault]
    (row,) = [r for r in spoilt.rows("quarantine.jsonl") if r["id"] == doc_id]
    assert (row["where"], row["severity"]) == (f"documents/{doc_id}", "critical")
    assert reason in row["reason"]


def test_the_good_documents_beside_bad_ones_are_let_through(spoilt: World) -> None:
    assert len(spoilt.rows("documents.jsonl")) == len(TOPICS)


def test_a_link_inside_the_folder_is_a_document(world: World) -> None:
    (world.root / "documents/company/copy.md").symlink_to("leave.md")
    world.run()
    assert "company/copy.md" in {row["doc_id"] for row in world.rows("documents.jsonl")}
    copies = next(e for e in world.report()["tables"][1]["expectations"] if "copies" in e["says"])
    assert copies["where"] == ["documents/company/copy.md", "documents/company/leave.md"]


def test_a_copy_that_others_may_read_is_put_aside_and_the_restricted_one_stays(world: World) -> None:
    secret = "# Budget\n\nThe budget of next year is decided in March by finance alone.\n"
    world.write("access.yaml", ACCESS.replace("{groups: [employees]}", "{groups: [employees, finance]}"))
    world.write("documents/finance/budget.md", secret)
    world.write("documents/company/budget.md", secret)
    world.run()
    assert "fewer may read what has the policy finance-only" in world.reasons()["documents/company/budget.md"]
    policies = {row["doc_id"]: row["policy_id"] for row in world.rows("documents.jsonl")}
    assert policies["finance/budget.md"] == "finance-only" and "company/budget.md" not in policies


def test_rules_that_cannot_be_meant_are_put_aside_and_what_they_miss_with_them(world: World) -> None:
    world.write("documents/finance/a.md", "# A\n\nThe budget text of finance, for finance alone.")
    rules = ACCESS.replace("finance/**", "Finance/**") + '  - {match: "**", policy: all-staff}\n'
    world.write("access.yaml", rules + '  - {match: "company/leave.md", policy: finance-only}\n')
    world.run()
    reasons = world.reasons()
    assert (
        "misses finance/a.md by case" in reasons["access.yaml:5:13"] and "never reached" in reasons["access.yaml:8:13"]
    )
    assert "was probably meant by the rule 'Finance/**'" in reasons["documents/finance/a.md"]


def test_names_of_documents_and_of_their_evidence_meet_in_one_unicode_form(world: World) -> None:
    world.write("documents/company/bu\u0308ro.md", page("travel").replace("travel", "offices"))
    world.add(example("offices", 3, evidence=[{"doc_id": "company/b\u00fcro.md", "quote": fact("offices", 3)}]))
    world.add(example("offices", 2, evidence=[{"doc_id": "company/bu\u0308ro.md", "quote": fact("offices", 2)}]))
    world.run()
    assert world.reasons() == {} and "company/b\u00fcro.md" in {row["doc_id"] for row in world.rows("documents.jsonl")}


def test_files_that_no_glob_takes_are_counted_and_named_with_their_reason(world: World) -> None:
    world.write("documents/company/a.png", b"x")
    world.write("documents/company/.hidden.md", "x")
    world.write("documents/company/draft-b.md", "x")
    metrics = world.run(data={"documents": {"path": "documents", "exclude": ["**/draft-*"]}})
    assert metrics["files_left_out"] == 3
    assert {(row["file"], row["why"]) for row in world.report()["files_left_out"]} == {
        ("company/.hidden.md", "its name begins with a dot"),
        ("company/a.png", "data.documents.include has no pattern for it, and files of type .png cannot be parsed"),
        ("company/draft-b.md", "data.documents.exclude has **/draft-*"),
    }
    page = (world.root / "report/index.html").read_text(encoding="utf-8")
    assert "3 files were left out" in page and "company/a.png" in page and "**/draft-*" in page


def test_a_changed_document_makes_no_liar_of_whoever_quoted_it(world: World) -> None:
    world.write("documents/company/leave.md", "# Leave\n\nThe rules of leave have changed: ask the people team.\n")
    world.run()
    reasons = [reason for reason in world.reasons().values() if "company/leave.md" in reason]
    assert reasons and all("no longer stands" in reason and "fabricated" not in reason for reason in reasons)


EXAMPLE_FAULTS: dict[str, tuple[dict[str, Any] | str, str]] = {
    "no JSON": ("{broken", "is not valid JSON"),
    "no object": ("[1]", "a row must be a JSON object"),
    "twice a key": ('{"id": "a", "id": "b"}', "the key 'id' stands twice"),
    "deep": ("[" * 100_000, "is nested too deep"),
    "surrogate": (
        '{"id": "\\ud800", "kind": "knowledge", "question": "q q", "unanswerable": true}',
        "half a character",
    ),
    "unknown key": (example("leave", 3, anwser="x"), "anwser: unknown key, did you mean answer?"),
    "kind": (example("leave", 3, kind="fact"), "kind must be 'knowledge' or 'behaviour'"),
    "no id": ({k: v for k, v in example("leave", 3).items() if k != "id"}, "id is missing"),
    "no quote": (example("leave", 3, evidence=[{"doc_id": "company/leave.md"}]), "evidence.0.quote is missing"),
    "no evidence": (example("leave", 3, evidence=[]), "a knowledge example needs evidence"),
    "no answer": (example("leave", 3, answer=" "), "needs an answer, or unanswerable: true"),
    "no question": (example("leave", 3, question=""), "needs a question"),
    "split": (example("leave", 3, split="test"), "sets its split by hand"),
    "id": (example("leave", 3, id="k-leave-0"), "has the same id as examples.jsonl:1"),
    "question": (
        example("leave", 3, question="what does RULE 0 of leave give"),
        "asks the same question as examples.jsonl:1",
    ),
    "long question": (example("leave", 3, question="why " * 300), "the question has 1200 characters; at most 600"),
    "long answer": (example("leave", 3, answer="yes " * 600), "the answer has 2400 characters; at most 2000"),
    "document": (
        example("leave", 3, evidence=[{"doc_id": "gone.md", "quote": "a"}]),
        "evidence 1: there is no document gone.md",
    ),
    "misattributed": (
        example("leave", 3, evidence=[{"doc_id": "company/leave.md", "quote": fact("travel")}]),
        "evidence 1: the quote is misattributed: it does not stand in company/leave.md but in company/travel.md, "
        "characters 14 to 71",
    ),
    "stitched": (
        example(
            "leave", 3, evidence=[{"doc_id": "company/leave.md", "quote": "Rule 0 of leave ... days in the year."}]
        ),
        "the quote is stitched: its parts stand in company/leave.md",
    ),
    "fabricated": (
        example("leave", 3, evidence=[{"doc_id": "company/leave.md", "quote": "Rule 3 gives everyone a car."}]),
        "the quote does not stand (or no longer stands) in company/leave.md or another accepted document",
    ),
    "personal": (
        example("leave", 3, answer="Pay 4111 1111 1111 1111"),
        "answer holds a payment card at character 4: 41\u2026 (19 characters)",
    ),
    "schema": (reply("{}", json_schema={"type": "objekt"}), "checks.json_schema: not a JSON Schema: type: 'objekt'"),
    "pattern": (reply("a", matches="("), "checks.matches: not a regular expression"),
    "check": (reply("a", max_word=3), "checks.max_word: unknown key"),
    "own words": (reply("a b c", max_words=2), "does not pass its own checks: 3 words, at most 2 wanted"),
    "own query": (
        reply("SELECT b FROM a", sql={"setup": "CREATE TABLE a (c)"}),
        "SQL: does not run: no such column",
    ),
    "own setup": (reply("SELECT c FROM a", sql={"setup": "CREATE a"}), "SQL: the setup does not run"),
}


@pytest.mark.parametrize("fault", EXAMPLE_FAULTS)
def test_a_bad_example_is_put_aside_with_file_line_and_reason(spoilt: World, fault: str) -> None:
    where = f"examples.jsonl:{13 + list(EXAMPLE_FAULTS).index(fault)}"
    assert EXAMPLE_FAULTS[fault][1] in spoilt.reasons()[where]


def test_the_good_examples_beside_bad_ones_are_let_through(spoilt: World) -> None:
    assert len(spoilt.rows("examples.jsonl")) == 12


def test_the_second_evidence_is_checked_too(world: World) -> None:
    evidence = [*example("leave", 3)["evidence"], {"doc_id": "company/travel.md", "quote": "There is a car."}]
    world.add(example("leave", 3, evidence=evidence))
    world.run()
    assert "evidence 2: the quote does not stand" in world.reasons()["examples.jsonl:13"]


def test_ids_and_questions_are_unique_over_all_files(world: World) -> None:
    world.write("more.jsonl", json.dumps(example("leave", 3, id="k-leave-0")) + "\n")
    world.run()
    assert world.reasons() == {"more.jsonl:1": "has the same id as examples.jsonl:1"}


def test_a_bad_example_does_not_keep_a_good_one_of_the_same_question_out(world: World) -> None:
    world.lines.insert(0, json.dumps(example("leave", 0, answer="")))
    world.run()
    assert list(world.reasons()) == ["examples.jsonl:1"]


def test_examples_that_lean_on_a_bad_document_are_put_aside_with_it(world: World) -> None:
    path = world.root / "documents/company/leave.md"
    path.write_text(path.read_text() + "\nWrite to 123-45-6789.")
    world.run()
    reasons = world.reasons()
    assert len(reasons) == 3
    assert reasons["examples.jsonl:1"] == "evidence 1: the document company/leave.md was not accepted"
    assert all(row["evidence"][0]["doc_id"] != "company/leave.md" for row in world.rows("examples.jsonl"))


def test_a_policy_with_an_unknown_group_is_put_aside_and_nothing_behind_it_opens(world: World) -> None:
    world.write("documents/finance/a.md", "# A\n\nBudget text.")
    world.write(
        "access.yaml", ACCESS.replace("[finance]", "[finance, fnance]") + '  - {match: "**", policy: all-staff}\n'
    )
    world.run()
    reasons = world.reasons()
    assert (
        "policy finance-only lists the group 'fnance'"
        in reasons[f"access.yaml:3:{ACCESS.splitlines()[2].index('finance-only') + 1}"]
    )
    assert reasons["documents/finance/a.md"] == "has no policy: nobody may read it"
    access = AccessPolicies.model_validate_json((world.root / "accepted/access.json").read_text())
    assert access.policy_of("finance/a.md") is None, "the wider rule must not take over"


def test_a_rule_of_an_unknown_policy_is_named(world: World) -> None:
    world.write("access.yaml", ACCESS + '  - {match: "it/**", policy: it-staff}\n')
    world.run()
    assert world.reasons() == {"access.yaml:7:13": "rule 'it/**' names the policy 'it-staff', which does not exist"}


def test_severity_comes_from_the_spec(world: World) -> None:
    world.write("documents/company/a.md", "Write to jane@example.com or +353 21 555 0123.")
    world.run(personal_data={"email": "critical", "phone": "off"})
    assert list(world.reasons()) == ["documents/company/a.md"]
    assert world.report()["personal_data"]["by_kind"] == {"email": 1}
    world.run(personal_data={"email": "warning"})
    assert world.reasons() == {}
    finding = world.report()["personal_data"]["findings"][0]
    assert (finding["id"], finding["kind"], finding["start"], finding["severity"]) == (
        "company/a.md",
        "email",
        9,
        "warning",
    )


def test_no_output_shows_a_personal_value(world: World) -> None:
    values = [
        "jane.doe@example.com",
        "DE89 3704 0044 0532 0130 00",
        "4111 1111 1111 1111",
        "123-45-6789",
        "+353 21 555 0123",
    ]
    world.write("documents/company/a.md", "\n\n".join(values))
    world.add(
        example("leave", 3, question=f"Is {values[1]} mine?"),
        example("leave", 3, id="b", question=f"is {values[1]} MINE"),
    )
    with pytest.raises(DataRejected) as refused:
        world.run(on_bad_row="fail")
    written = str(refused.value) + "".join(
        path.read_text(errors="replace")
        for folder in ("report", "accepted")
        for path in (world.root / folder).rglob("*")
        if path.suffix in {".html", ".json", ".jsonl"}
    )
    assert "bank account of DE" in written
    assert not [v for v in values if v in written or v.replace(" ", "") in written]


def test_fail_stops_the_run_and_lists_the_bad_rows(world: World) -> None:
    world.add(*(example("leave", 3, id=f"bad-{n}", answer="") for n in range(25)))
    with pytest.raises(DataRejected) as refused:
        world.run(on_bad_row="fail")
    message = str(refused.value).splitlines()
    assert message[0] == "25 bad rows, and validate.on_bad_row is fail"
    assert message[1] == "  examples.jsonl:13: needs an answer, or unanswerable: true"
    assert message[-1] == "  and 5 more"
    assert "report/index.html" in refused.value.next_step
    assert not (world.root / "accepted/documents.jsonl").exists()
    assert len(world.rows("quarantine.jsonl")) == 25


def test_fail_lets_warnings_pass(world: World) -> None:
    world.write("documents/company/a.md", "Write to jane@example.com.")
    world.run(on_bad_row="fail", personal_data={"email": "warning"})


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda w: w.write("access.yaml", "groups: {}"), "no access policies and no documents and no examples left"),
        (lambda w: w.write("access.yaml", ACCESS.replace("company/**", "x/**")), "no documents and no examples left"),
        (lambda w: setattr(w, "lines", ["{}"]), "no examples left"),
    ],
)
def test_a_run_with_nothing_left_stops(world: World, spoil: Callable[[World], Any], left: str) -> None:
    spoil(world)
    with pytest.raises(DataRejected, match=left):
        world.run()


def test_examples_may_be_absent(world: World) -> None:
    world.lines = []
    assert world.run(data={"examples": []})["examples_in"] == 0
    assert world.rows("examples.jsonl") == []


faults = st.sampled_from(sorted(EXAMPLE_FAULTS.keys() - {"deep", "surrogate"}))
spoils = st.sampled_from(sorted(DOCUMENT_FAULTS.keys() - {"too large"}))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bad=st.lists(faults, max_size=8), spoilt=st.lists(spoils, max_size=1), order=st.randoms())
def test_what_goes_in_is_what_comes_out_and_what_is_put_aside(
    tmp_path_factory: pytest.TempPathFactory, bad: list[str], spoilt: list[str], order: Any
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    for fault in spoilt:
        DOCUMENT_FAULTS[fault][0](world)
    rows = [EXAMPLE_FAULTS[fault][0] for fault in bad]
    world.lines += [row if isinstance(row, str) else json.dumps(row) for row in rows]
    order.shuffle(world.lines)
    metrics = world.run(data={"documents": {"path": "documents", "include": ["**/*.*"]}})
    assert metrics["documents_in"] == len(TOPICS) + len(spoilt)
    assert metrics["examples_in"] == len(world.lines)
    for table, file in (("documents", "documents.jsonl"), ("examples", "examples.jsonl")):
        assert metrics[f"{table}_in"] == metrics[f"{table}_accepted"] + metrics[f"{table}_quarantined"]
        assert metrics[f"{table}_accepted"] == len(world.rows(file))
    aside = [row["where"] for row in world.rows("quarantine.jsonl")]
    assert (
        len(aside) == len(set(aside)) == sum(metrics[f"{t}_quarantined"] for t in ("access", "documents", "examples"))
    )
