"""Imported rows over a small project with the real cutter: a proof is found, or the row says why it is no example."""

import pytest

from raftops.examples.corpus import Corpus, open_corpus
from raftops.examples.foreign import Foreign
from raftops.examples.placing import Placed, Placer
from raftops.spec.load import load_spec
from raftops.spec.template import write_project

pytestmark = pytest.mark.model
DAYS = "Employees of Fernhill Books receive 26 days of annual leave per calendar year."


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("project")
    write_project(root, "books")
    return open_corpus(load_spec(root / "raftops.yaml"))


def placed(corpus: Corpus, *rows: Foreign) -> list[Placed]:
    return list(Placer(corpus).place(rows, "mine", "knowledge"))


def test_a_quote_is_found_in_the_document_that_is_named_in_any_way(corpus: Corpus) -> None:
    for name in ("people/annual-leave.md", "annual-leave.md", "Annual-Leave", "", "no-such.md"):
        (one,) = placed(corpus, Foreign("f:1", "", "How many days?", "26 days", (DAYS,), name))
        assert one.example and one.example.evidence[0].doc_id == "people/annual-leave.md", name
        assert one.example.id.startswith("mine-")


def test_a_quote_that_stands_nowhere_is_said_with_what_is_near(corpus: Corpus) -> None:
    (one,) = placed(corpus, Foreign("f:1", "", "How many?", "25", (DAYS.replace("26", "25"),), "annual-leave"))
    assert one.example is None and one.where == "f:1"
    assert "stands in no document" in one.problem and 'there "26", in the quote "25"' in one.problem


def test_without_a_quote_the_sentence_is_taken_that_carries_the_answer(corpus: Corpus) -> None:
    rows = (
        Foreign("f:1", "", "When can suppliers deliver?", "Between 06:30 and 09:00"),
        Foreign("f:2", "", "Who?", "Queen Anne"),
    )
    one, other = placed(corpus, *rows)
    assert one.example and one.example.evidence[0].quote.startswith("Deliveries are accepted between 06:30")
    assert other.problem.startswith("no sentence of the documents carries the answer")


def test_a_question_is_imported_once_and_ids_are_new(corpus: Corpus) -> None:
    asked = Foreign("f:1", "a", "How many days?", "26 days", (DAYS,))
    again, named = (
        Foreign("f:2", "b", "how many DAYS", "26", (DAYS,)),
        Foreign("f:3", "a", "How much leave?", "26 days", (DAYS,)),
    )
    one, two, three = placed(corpus, asked, again, named)
    assert one.example and two.problem == "asks the same as f:1" and three.example and three.example.id != "a"


def test_what_nothing_answers_needs_no_proof_and_behaviour_none_either(corpus: Corpus) -> None:
    (one,) = placed(corpus, Foreign("f:1", "", "Is there a gym?", unanswerable=True, near_miss=True))
    assert one.example and one.example.near_miss and not one.example.evidence
    (form,) = Placer(corpus).place([Foreign("f:1", "", "Shorten: do close it.", "Close it.")], "mine", "behaviour")
    assert form.example and form.example.kind == "behaviour"


def test_half_a_character_is_named_before_a_file_is_written(corpus: Corpus) -> None:
    (one,) = placed(corpus, Foreign("f:1", "", "How many \ud83d?", "26 days", (DAYS,)))
    assert one.example is None and "half a character" in one.problem
