"""Drafts over a small project with the packaged encoder; the teacher is asked over real HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raftops.data.records import Example
from raftops.errors import ModelError
from raftops.examples.corpus import Corpus, open_corpus
from raftops.examples.drafting import Drafter
from raftops.examples.filters import REASONS, Filters
from raftops.examples.rules import Proposal
from raftops.examples.teacher import Budget, Endpoint, Taught
from raftops.spec.load import load_spec
from raftops.spec.model.base import SecretRef
from raftops.spec.model.knowledge import Teacher as TeacherSpec
from raftops.spec.template import write_project
from raftops.validation.lint import lint

pytestmark = pytest.mark.model
KEY = "s3cret"


class Teaching(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that asks for the first sentence with a number; wrong keys are refused."""

    asked: list[dict[str, Any]] = []
    broken = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append(body)
        status, said = 200, _said(body["messages"][-1]["content"])
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            status, said = 401, "no such key"
        usage = {"prompt_tokens": 400, "completion_tokens": 50}
        answer = {"choices": [{"message": {"role": "assistant", "content": said}}], "usage": usage}
        text = self.broken or json.dumps(answer if status == 200 else {"error": said})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _said(prompt: str) -> str:
    passage = prompt.split("\n\n", 1)[1].split("\n\nWrite one question")[0]
    lines = [line for line in passage.replace(". ", ".\n").splitlines() if any(c.isdigit() for c in line)]
    if not lines:
        return "I cannot think of any."
    topic = " ".join(lines[0].rstrip(".").split()[:6])
    return f"Q: What is said about {topic}?\nA: {lines[0]}\nE: {lines[0]}"


@pytest.fixture
def endpoint() -> Iterator[str]:
    Teaching.asked, Teaching.broken = [], ""
    with ThreadingHTTPServer(("127.0.0.1", 0), Teaching) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    write_project(root, "books", examples=False)
    return root


@pytest.fixture(scope="module")
def corpus(project: Path) -> Corpus:
    return open_corpus(load_spec(project / "raftops.yaml"))


def drafter(corpus: Corpus, folder: Path, **more: Any) -> Drafter:
    filters = Filters.general(corpus, ["staff"])
    return Drafter(corpus, filters, folder / "drafts.jsonl", folder / "state.json", **more)


def rows(folder: Path) -> list[Example]:
    return [Example.model_validate_json(line) for line in (folder / "drafts.jsonl").read_text().splitlines()]


def test_rules_make_drafts_that_are_examples_without_a_mistake(corpus: Corpus, project: Path, tmp_path: Path) -> None:
    made = drafter(corpus, tmp_path)
    made.run(100)
    drafts = rows(tmp_path)
    assert len(drafts) >= 6 and not made.stopped
    loaded = load_spec(project / "raftops.yaml")
    found = lint(loaded.assistant.spec, project, [tmp_path / "drafts.jsonl"])
    assert [bad.reason for bad in found.mistakes] == [] and found.rows == len(drafts)
    tally = made.tally
    assert tally.proposed.total() == tally.kept.total() + tally.dropped.total(), "each is kept or dropped for a reason"
    assert tally.kept.total() == len(drafts) and set(tally.dropped) <= set(REASONS)


def test_nothing_is_drafted_of_what_not_all_of_the_audience_may_read(corpus: Corpus, tmp_path: Path) -> None:
    made = drafter(corpus, tmp_path)
    made.run(100)
    assert not any(proof.doc_id.startswith("managers/") for draft in rows(tmp_path) for proof in draft.evidence)


def test_the_same_seed_gives_the_same_drafts_and_a_stopped_one_goes_on(corpus: Corpus, tmp_path: Path) -> None:
    for name in ("one", "two"):
        drafter(corpus, tmp_path / name).run(100)
    whole = (tmp_path / "one/drafts.jsonl").read_bytes()
    assert (tmp_path / "two/drafts.jsonl").read_bytes() == whole
    first = drafter(corpus, tmp_path / "three")
    first.run(3)
    assert first.stopped == "3 drafts are there" and len(rows(tmp_path / "three")) == 3
    again = drafter(corpus, tmp_path / "three")
    again.run(100)
    assert again.tally.passages == drafter_passages(corpus) and len({d.id for d in rows(tmp_path / "three")}) >= 6


def drafter_passages(corpus: Corpus) -> int:
    readable = corpus.access.readable_by_all(["staff"])
    return sum(p.policy_id in readable for p in corpus.passages)


def test_what_is_asked_already_is_not_drafted_again(corpus: Corpus, tmp_path: Path) -> None:
    drafter(corpus, tmp_path / "one").run(100)
    again = drafter(corpus, tmp_path / "two")
    again.run(100, [draft.asked for draft in rows(tmp_path / "one")])
    assert again.tally.dropped["duplicate"] >= 6


def test_each_filter_drops_for_its_reason(corpus: Corpus) -> None:
    filters = Filters.general(corpus, ["staff"])
    unit = next(u for u in corpus.units if "26 days" in u.text)
    asked = "How many days of annual leave do employees receive per calendar year?"
    dropped = {
        "form": Proposal("fact", "Days?", "26 days.", (unit,)),
        "vague": Proposal("fact", "How many days does the passage give to employees?", "26 days.", (unit,)),
        "support": Proposal("fact", asked, "25 days.", (unit,)),
        "given away": Proposal("fact", "Do employees receive 26 days of annual leave?", "26 days.", (unit,)),
        "not found": Proposal("fact", "When are deliveries accepted at the back door?", "26 days.", (unit,)),
    }
    assert {name: filters.verdict(one) for name, one in dropped.items()} == {name: name for name in dropped}
    kept = Proposal("fact", asked, "26 days.", (unit,))
    assert filters.verdict(kept) == ""
    filters.remember(asked)
    assert filters.verdict(kept) == "duplicate"


def test_a_teacher_is_asked_over_http_and_what_it_says_is_judged(corpus: Corpus, tmp_path: Path, endpoint: str) -> None:
    teacher, budget = Endpoint(endpoint, "big-model", KEY), Budget(price_in=2.0, price_out=8.0)
    made = drafter(corpus, tmp_path, rules=False, teacher=teacher, budget=budget)
    made.run(100)
    assert made.tally.proposed.total() == len(Teaching.asked) == 2 * drafter_passages(corpus)
    assert Teaching.asked[0]["model"] == "big-model" and Teaching.asked[0]["temperature"] == 0
    assert (budget.tokens_in, budget.tokens_out) == (400 * len(Teaching.asked), 50 * len(Teaching.asked))
    assert budget.money == pytest.approx(len(Teaching.asked) * (400 * 2 + 50 * 8) / 1e6)
    assert made.tally.proposed.total() == made.tally.kept.total() + made.tally.dropped.total()
    assert made.tally.kept.total() == len(rows(tmp_path)) > 0 and set(made.tally.dropped) <= set(REASONS)
    assert KEY not in (tmp_path / "state.json").read_text() and KEY not in repr(teacher)


def test_a_budget_stops_the_teacher_before_it_is_passed(corpus: Corpus, tmp_path: Path, endpoint: str) -> None:
    budget = Budget(most_tokens=2000)
    made = drafter(corpus, tmp_path, rules=False, teacher=Endpoint(endpoint, "m", KEY), budget=budget)
    made.run(100)
    assert made.stopped.startswith("the budget of 2000 tokens is spent")
    assert 0 < budget.tokens_in + budget.tokens_out <= 2000
    asked = len(Teaching.asked)
    again = drafter(
        corpus, tmp_path, rules=False, teacher=Endpoint(endpoint, "m", KEY), budget=Budget(most_tokens=2000)
    )
    again.run(100)
    assert len(Teaching.asked) <= asked + 1 and again.stopped, "what was spent is remembered"
    assert "budget of 0.001" in Budget(most_money=0.001, price_in=5.0).exceeded(400)


def test_an_endpoint_that_refuses_or_is_none_is_said(corpus: Corpus, endpoint: str) -> None:
    passage = corpus.passages[0]
    with pytest.raises(ModelError, match="401"):
        Endpoint(endpoint, "m", "wrong").ask(passage, "fact")
    Teaching.broken = "<html>"
    with pytest.raises(ModelError, match="no chat completion"):
        Endpoint(endpoint, "m", KEY).ask(passage, "fact")
    with pytest.raises(ModelError, match="no chat completion"):
        Endpoint("http://127.0.0.1:9/v1", "m", KEY).ask(passage, "fact")


def test_the_key_of_an_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = SecretRef(secret="teacher", key="key", env="TEACHER_KEY")
    spec = TeacherSpec(url="https://models.example/v1/", model="m", key=secret)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    assert (Endpoint.of(spec, 7).url, Endpoint.of(spec, 7).key) == ("https://models.example/v1", KEY)
    monkeypatch.delenv("TEACHER_KEY")
    with pytest.raises(Exception, match="TEACHER_KEY is not set"):
        Endpoint.of(spec, 7)


def test_what_a_teacher_says_is_read_leniently_and_quotes_are_not_made_up(corpus: Corpus) -> None:
    units = corpus.by_document("people/annual-leave.md")
    quote = next(u.text for u in units if "26 days" in u.text)
    said = f'Sure!\n**Q:** How many days are there?\n**A:** 26 days\n**E:** "{quote}"'
    made = Taught(said, 1, 1).proposal(units, "fact")
    assert made and made.question == "How many days are there?" and made.units[0].text == quote
    assert Taught(said.replace("26 days of", "27 days of"), 1, 1).proposal(units, "fact") is None
    assert Taught("nothing", 1, 1).proposal(units, "fact") is None
