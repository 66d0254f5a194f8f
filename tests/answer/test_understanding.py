from raftops.answer.asker import asker_of
from raftops.answer.router import Router
from raftops.answer.understanding import Turn, understood
from raftops.data.records import Message
from raftops.spec.model.serving import Identity
from raftops.spec.model.serving import Router as RouterSpec
from tests.answer.test_asker import LIBRARY, OPEN
from tests.retrieval.tiny import HashEmbedder

ROUTER = Router(RouterSpec(), HashEmbedder())
ASKED = Message(role="user", content="How long is parental leave in Germany?")
IRISH = asker_of({"country": "IE"}, Identity().boost_claims)


def understand(question, *history, asker=IRISH):
    return understood(Turn(question, OPEN, history, asker), ROUTER, LIBRARY, "the handbook")


def test_a_follow_up_is_sought_as_it_stands_alone_and_its_own_place_wins_over_the_askers():
    meant = understand("And in Portugal?", ASKED)
    assert meant.sought == meant.question == "How long is parental leave in Portugal?" and not meant.assumed


def test_an_open_question_is_sought_for_the_asker():
    meant = understand("How long is parental leave?")
    assert meant.assumed == {"country": "Ireland"} and meant.sought == "How long is parental leave (Ireland)?"


def test_a_wanted_form_is_left_out_of_what_is_sought_and_kept_in_what_the_model_is_asked():
    asked = "Draft a short notice about parental leave in Germany."
    meant = understand(asked)
    assert (meant.route.name, meant.question, meant.sought) == ("both", asked, "parental leave in Germany")


def test_a_form_for_what_was_just_asked_is_a_request_for_both():
    meant = understand("Put that in a table.", ASKED)
    assert meant.route.name == "both" and "parental leave in Germany" in meant.sought


def test_a_request_of_form_is_put_to_the_model_in_the_callers_words():
    asked = "Rewrite this more politely: send me the form now."
    meant = understand(asked, ASKED)
    assert (meant.route.name, meant.question, meant.assumed) == ("behaviour", asked, {})


def test_small_talk_is_answered_at_once():
    assert understand("Thank you!", ASKED).civil and not understand("Thank you! And in Portugal?", ASKED).civil
