"""The sample's questions are what the bars of `benchmarks/answers.py` need: enough that nothing answers, of both kinds,
each asked once and in one split only, and every proof word for word in its document."""

from collections import Counter
from pathlib import Path

import pytest

from raftops.answer.quotes import find_quote
from raftops.data.records import Example
from raftops.evaluation.metrics import accepts
from raftops.files import read_jsonl
from raftops.parsing.parse import parse_document
from raftops.spec.load import load_spec
from raftops.validation.splits import draw_splits, normalised

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "data/documents"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MEDIA = {".md": "text/markdown", ".html": "text/html", ".pdf": "application/pdf", ".docx": DOCX}
LEAST_OF_A_KIND, LEAST_ANSWERABLE = 30, 117


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    files = sorted((ROOT / "data/examples").glob("*.jsonl"))
    rows = [Example.model_validate(row) for path in files for _, row in read_jsonl(path)]
    assert len(rows) > 1000
    drawn = draw_splits(rows, load_spec(ROOT / "specs/handbook.yaml").assistant.spec.data.splits)
    return [row.model_copy(update={"split": drawn[row.id]}) for row in rows]


def test_enough_test_questions_have_no_answer_and_both_kinds_are_there(examples: list[Example]) -> None:
    test = Counter(e.near_miss for e in examples if e.unanswerable and e.split == "test")
    assert test[True] >= LEAST_OF_A_KIND and test[False] >= LEAST_OF_A_KIND
    assert sum(e.split == "test" and bool(e.evidence) for e in examples) >= LEAST_ANSWERABLE


def test_each_split_has_unanswerable_questions_of_both_kinds_to_learn_and_to_choose_by(examples: list[Example]) -> None:
    kinds = Counter((e.split, e.near_miss) for e in examples if e.unanswerable)
    assert min(kinds["train", True], kinds["train", False]) >= 100
    assert min(kinds["dev", True], kinds["dev", False]) >= 15


def test_ids_and_questions_stand_once_over_all_splits(examples: list[Example]) -> None:
    assert [i for i, n in Counter(e.id for e in examples).items() if n > 1] == []
    asked = Counter(normalised(e.asked) for e in examples)
    assert [question for question, n in asked.items() if n > 1] == []


def test_no_test_question_is_a_trained_one_but_for_a_word_of_greeting(examples: list[Example]) -> None:
    def bare(example: Example) -> frozenset[str]:
        return frozenset(normalised(example.asked).split()) - {
            "hi",
            "please",
            "thanks",
            "the",
            "a",
            "quick",
            "question",
        }

    seen = {bare(e): e.id for e in examples if e.split != "test"}
    assert [(e.id, seen[bare(e)]) for e in examples if e.split == "test" and bare(e) in seen] == []


@pytest.mark.slow
def test_every_proof_stands_word_for_word_in_its_document(examples: list[Example]) -> None:
    texts = {e.doc_id: "" for example in examples for e in example.evidence}
    for doc_id in texts:
        path = DOCUMENTS / doc_id
        texts[doc_id] = parse_document(path, MEDIA[path.suffix]).text
    assert len(texts) == 77
    missing = [e.id for e in examples for proof in e.evidence if find_quote(proof.quote, texts[proof.doc_id]) is None]
    assert missing == []


def test_what_is_accepted_is_accepted_and_no_answer_of_another_split_was_touched(examples: list[Example]) -> None:
    judged = [e for e in examples if e.accepted or e.must]
    assert len(judged) > 100 and {e.split for e in judged} == {"dev", "test"}
    for example in judged:
        assert accepts(example, example.answer), example.id
        assert all(accepts(example, other) for other in example.accepted), example.id
        assert not accepts(example, "I cannot find this in the documents."), example.id
