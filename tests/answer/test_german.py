"""A German project, from its spec to checked answers: retrieval, evidence, checker and abstention in one language.

The packaged embedder reads English; with `dense_share: 0.2` BM25 with German stems carries the search.
"""

import json
from pathlib import Path

import pytest

from raftops.answer.answering import Answerer
from raftops.answer.evidence import select_units
from raftops.answer.router import Router
from raftops.data.records import Generation
from raftops.files import sha256_file, write_jsonl
from raftops.retrieval.hybrid import open_index
from raftops.spec.load import load_spec
from raftops.spec.model.serving import Router as RouterSpec
from raftops.steps.index import index
from raftops.steps.ingest import ingest

PROJECT = Path(__file__).parent / "german"
ALL = frozenset({"offen"})
pytestmark = pytest.mark.model
ROWS = [json.loads(line) for line in (PROJECT / "examples.jsonl").read_text(encoding="utf-8").splitlines()]
KNOWN = [row for row in ROWS if not row.get("unanswerable")]


class Says:
    def __init__(self, text):
        self.text = text

    def generate(self, messages, max_new_tokens):
        return Generation(self.text, 10, 5)


@pytest.fixture(scope="module")
def spec():
    return load_spec(PROJECT / "raftops.yaml").assistant.spec


@pytest.fixture(scope="module")
def library(spec, tmp_path_factory):
    root, rows = tmp_path_factory.mktemp("german"), []
    for path in sorted((PROJECT / "documents").iterdir()):
        rows.append({
            "doc_id": path.name, "version": sha256_file(path), "media_type": "text/markdown", "policy_id": "offen",
            "uri": "", "path": str(path), "size": path.stat().st_size,
        })  # fmt: skip
    write_jsonl(root / "accepted/documents.jsonl", rows)
    embedder, milvus = spec.models.embedder, spec.platform.milvus
    ingest(spec.ingest, embedder, root / "accepted", root / "passages", root / "cache")
    index(spec.index, embedder, milvus, "deutsch", root / "passages", root / "built", root / "cache")
    with open_index(root / "built", spec.prompt.dense_share) as found:
        yield found


def answer(library, spec, said, question):
    prompt = spec.prompt.model_copy(update={"least_score": 0, "least_confidence": 0, "answer": "short"})
    router = Router(RouterSpec(), library.embedder)
    return Answerer(library, Says(said), prompt, router, "das Betriebshandbuch").answer(question, ALL)


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row["id"])
def test_the_sentence_that_proves_it_is_shown_first_and_carries_the_answer(library, spec, row):
    given = answer(library, spec, row["answer"], row["question"])
    (proof,) = row["evidence"]
    assert given.grounded and [" ".join(c.quote.split()) for c in given.citations] == [" ".join(proof["quote"].split())]
    assert given.units[0].text == given.citations[0].quote


def test_stems_and_stop_words_of_the_language_choose_the_evidence(library, spec):
    question = "Wie ist das mit den Anträgen?"
    hits = library.search(question, ALL, 3)
    first, *_ = select_units(question, hits, library.embedder, spec.prompt, lambda text: len(text.split()))
    assert "Der Antrag" in first.text  # Anträge and Antrag are one stem; ist, das, mit and den count for nothing


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("28 Arbeitstage Urlaub.", "Wie viele Urlaubstage haben Beschäftigte in Deutschland?"),
        ("30 Arbeitstage.", "Wie viele Urlaubstage haben Beschäftigte in Spanien?"),
        ("Der Zuschuss beträgt 1,5 Euro.", "Wie hoch ist der Zuschuss für die Bahncard?"),
        ("Dienstwagen dürfen ins Ausland mitgenommen werden.", "Dürfen Dienstwagen ins Ausland?"),
        ("Ja, das ist erlaubt.", "Dürfen Dienstwagen ins Ausland mitgenommen werden?"),
        ("Die Tagespauschale beträgt in Spanien 50 Euro.", "Wie hoch ist die Tagespauschale in Spanien?"),
        ("Um 17 Uhr.", "Wann schließt das Büro am Freitag?"),
        ("Höchstens zwei Ersthelfer sind anwesend.", "Wie viele Ersthelfer sind anwesend?"),
        ("Die Personalabteilung genehmigt jede Dienstreise vorab.", "Wer genehmigt eine Dienstreise?"),
    ],
)
def test_what_contradicts_the_evidence_is_declined_in_german(library, spec, said, question):
    given = answer(library, spec, said, question)
    assert (given.abstained, given.reason, given.text) == (
        True,
        "not supported",
        "Das finde ich in den Unterlagen nicht.",
    )


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("1500 Euro im Jahr.", "Wie hoch ist der Zuschuss für die Bahncard?"),
        ("Nein, Dienstwagen dürfen nicht ins Ausland.", "Dürfen Dienstwagen ins Ausland mitgenommen werden?"),
        ("Zwei Ersthelfer, mindestens.", "Wie viele Ersthelfer sind anwesend?"),
        ("Gäste melden sich am Empfang.", "Wo melden sich Gäste an?"),
    ],
)
def test_another_form_of_the_same_is_carried_in_german(library, spec, said, question):
    assert answer(library, spec, said, question).grounded


def test_the_abstain_sentence_of_the_spec_is_an_abstention(library, spec):
    given = answer(library, spec, "Das finde ich in den Unterlagen nicht", ROWS[-1]["question"])
    assert (given.abstained, given.reason) == (True, "model")
