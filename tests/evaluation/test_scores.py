from dataclasses import replace

import pytest

from raftops.answer.answering import Answerer
from raftops.answer.router import Router
from raftops.evaluation.arms import Reply, extract_reply, served_reply
from raftops.evaluation.generations import Model, Models
from raftops.evaluation.questions import held_out
from raftops.evaluation.ranking import Given, given
from raftops.evaluation.scores import Judge
from raftops.spec.model.learning import Evaluate
from raftops.spec.model.serving import Router as RouterSpec
from tests.evaluation.doubles import ACCESS, EXAMPLES, PROMPT, SOURCES, Says, Shelf, Words

JUDGE = Judge(ACCESS, SOURCES)
QUESTIONS = {q.example.id: q for q in held_out(Evaluate(), EXAMPLES, ACCESS, SOURCES).questions}


def served(tmp_path, id_, said):
    model = Models({"raft": Model("raft", lambda: Says(lambda asked: said))}, tmp_path)["raft"]
    answerer = Answerer(Shelf(), model, PROMPT, Router(RouterSpec(), Words()), "a handbook")
    shown = given(answerer, QUESTIONS[id_])
    return served_reply(shown, answerer, model), shown


def test_a_short_answer_and_its_sentence_are_scored_apart(tmp_path):
    reply, shown = served(tmp_path, "k-ie", "Employees receive annual leave. [1]")
    assert reply.mode == "both" and reply.own == "Employees receive annual leave."
    scores = JUDGE.scores(reply, shown, cites=True)
    assert (scores["right"], scores["answer_contained"]) == (1, 0), "the sentence beside it says 25 days"
    assert scores["right_strict"] == 1, "the short text names no other number"
    # 2 of 4 words of "Employees receive annual leave" are none of "25 days": no word is shared
    assert scores["f1"] == 0


def test_an_answer_that_is_a_quote_is_judged_by_the_quote_alone(tmp_path):
    reply, shown = served(tmp_path, "k-ie", PROMPT.abstain)
    assert (reply.mode, reply.own) == ("quote", "Employees in Ireland receive 25 days of annual leave.")
    scores = JUDGE.scores(reply, shown, cites=True)
    assert scores["right"] == scores["answer_contained"] == scores["right_strict"] == 1
    assert scores["f1"] == pytest.approx(2 * (2 / 9) * 1 / (2 / 9 + 1)), "2 of its 9 words, both of the reference's"


def test_a_quote_says_no_yes(tmp_path):
    question = QUESTIONS["k-ie"]
    asked = question.example.model_copy(update={"answer": "Yes, 25 days."})
    reply, shown = served(tmp_path, "k-ie", PROMPT.abstain)
    scores = JUDGE.scores(reply, replace(shown, question=replace(question, example=asked)), cites=True)
    assert (scores["right"], scores["right_strict"]) == (1, 0)


def test_another_number_beside_a_right_quote_is_not_strictly_right():
    shown = Given(QUESTIONS["k-ie"], ())
    reply = Reply("k-ie", "30 days — “25 days of annual leave” [1]", (), False, 1, 1, 0.0, own="30 days", mode="both")
    scores = JUDGE.scores(reply, shown, cites=False)
    assert (scores["right"], scores["right_strict"], scores["answer_contained"]) == (1, 0, 0)


@pytest.mark.parametrize(("id_", "net"), [("k-ie", 1.0), ("u-1", -1.0)])
def test_net_counts_right_ones_up_and_wrong_ones_down(tmp_path, id_, net):
    _, shown = served(tmp_path, id_, "anything")
    assert JUDGE.scores(extract_reply(shown), shown, cites=True)["net"] == net
    declined = replace(extract_reply(shown), abstained=True)
    assert JUDGE.scores(declined, shown, cites=True)["net"] == 0


def test_the_first_unit_always_cites_1_and_declines_only_where_there_is_none(tmp_path):
    _, shown = served(tmp_path, "k-ie", "anything")
    reply = extract_reply(shown)
    assert reply.text.endswith("” [1]") and [quote.number for quote in reply.quotes] == [1]
    assert not reply.abstained and extract_reply(replace(shown, units=())).abstained
