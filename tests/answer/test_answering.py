from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.answer.answering import Answerer, supporting_units
from raftops.answer.router import Router
from raftops.data.records import Generation, Hit, Locator, Message, Passage, Span, Unit
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Router as RouterSpec

PROMPT = Prompt()
SHORT = PROMPT.model_copy(update={"answer": "short"})
QUOTE = PROMPT.model_copy(update={"answer": "quote"})
TEXTS = {
    "germany.md": "Employees in Germany receive 30 working days of annual leave.",
    "ireland.md": "Employees in Ireland receive 25 working days of annual leave.",
    "pay.md": "The merit budget is 3.2 % of the base salaries.",
}
POLICY = {"germany.md": "staff", "ireland.md": "staff", "pay.md": "managers"}


class OneVector:
    name = "one"

    def embed(self, texts):
        return np.ones((len(texts), 1), dtype=np.float32)

    def tokens(self, text):
        return len(text.split())


class Library:
    embedder = OneVector()
    tokens = OneVector.tokens

    def __init__(self, texts=TEXTS):
        self.texts = texts

    def search(self, question, policies, top_k):
        return [Hit(passage(d, t), 1.0) for d, t in TEXTS.items() if POLICY[d] in policies][:top_k]

    def document_text(self, doc_id, version):
        return self.texts.get(doc_id)


class Says:
    def __init__(self, text, confidence=None):
        self.text, self.confidence = text, confidence

    def generate(self, messages, max_new_tokens):
        self.messages = messages
        return Generation(self.text, 10, 5, confidence=self.confidence)


def passage(doc_id, text):
    place = Locator(headings=("Leave",))
    span = (Span(0, len(text), place),)
    return Passage(doc_id, doc_id, "v", doc_id, text, 0, len(text), place, POLICY[doc_id], "", 9, span)


def answerer(said, library=None, prompt=PROMPT):
    router = Router(RouterSpec(), OneVector())
    return Answerer(library or Library(), Says(said), prompt, router, "the handbook")


LEAVE = "How much annual leave in Germany?"


def ask(said, question=LEAVE, policies=frozenset({"staff"}), library=None, prompt=PROMPT):
    return answerer(said, library, prompt).answer(question, policies)


class Thinks:
    """A judgement that always thinks the same."""

    def __init__(self, probability, threshold=0.5):
        self.p, self.threshold = probability, threshold

    def probability(self, question, units):
        return self.p

    def answerable(self, question, units):
        return self.p >= self.threshold


def test_a_cited_number_becomes_a_verbatim_quote_with_its_place():
    answer = ask("30 working days. [1]")
    assert answer.grounded and not answer.abstained
    (citation,) = answer.citations
    assert TEXTS[citation.doc_id][citation.start : citation.end] == citation.quote


def test_a_wrong_number_is_pointed_to_the_unit_that_carries_the_answer():
    answer = ask("30 working days in Germany. [2]")
    assert [c.doc_id for c in answer.citations] == ["germany.md"]


def test_the_models_words_come_with_the_sentence_that_proves_them():
    answer = ask("30 working days. [1]")
    assert answer.mode == "both"
    assert answer.text == f"30 working days. — germany.md > Leave: \u201c{TEXTS['germany.md']}\u201d [1]"


def test_the_spec_can_have_the_models_words_alone():
    answer = ask("30 working days. [1]", prompt=SHORT)
    assert (answer.mode, answer.text) == ("short", "30 working days. [1]")


def test_a_model_that_says_the_sentence_itself_is_not_repeated():
    answer = ask(f"{TEXTS['germany.md']} [1]")
    assert answer.mode == "quote" and answer.text.count("30 working days") == 1


@pytest.mark.parametrize("said", ["28 working days. [1]", "I cannot find this in the documents.", ""])
def test_where_the_model_gives_no_answer_that_is_carried_the_best_sentence_is_the_answer(said):
    answer = ask(said)
    assert (answer.mode, answer.grounded, answer.abstained) == ("quote", True, False)
    assert answer.reason in ("not supported", "model") and "28" not in answer.text
    assert TEXTS["germany.md"] in answer.text and answer.text.endswith("[1]")
    assert [c.quote for c in answer.citations] == [TEXTS["germany.md"]]


def test_a_spec_of_quotes_asks_no_model():
    one = answerer("30 working days. [1]", prompt=QUOTE)
    answer = one.answer(LEAVE, frozenset({"staff"}))
    assert (answer.mode, answer.reason) == ("quote", "") and TEXTS["germany.md"] in answer.text
    assert not hasattr(one.generator, "messages")


@pytest.mark.parametrize(("probability", "mode"), [(0.2, "declined"), (0.6, "declined"), (0.8, "quote")])
def test_a_quote_alone_needs_evidence_that_is_likely_to_answer(probability, mode):
    prompt = PROMPT.model_copy(update={"least_quote": 0.7})
    one = replace(answerer("28 working days. [1]", prompt=prompt), judgement=Thinks(probability))
    assert one.answer(LEAVE, frozenset({"staff"})).mode == mode


def test_a_judgement_stands_in_the_place_of_the_least_score():
    strict = PROMPT.model_copy(update={"least_score": 3.0})
    sure = replace(answerer("30 working days. [1]", prompt=strict), judgement=Thinks(0.9))
    assert not sure.answer(LEAVE, frozenset({"staff"})).abstained
    doubtful = replace(answerer("30 working days. [1]"), judgement=Thinks(0.4))
    assert doubtful.answer(LEAVE, frozenset({"staff"})).reason == "nothing found"
    assert not hasattr(doubtful.generator, "messages")


def test_a_declined_answer_names_the_nearest_documents_that_the_caller_may_read():
    answer = replace(answerer("x"), judgement=Thinks(0.1)).answer(LEAVE, frozenset({"staff"}))
    assert answer.abstained and [unit.doc_id for unit in answer.nearest] == ["germany.md", "ireland.md"]
    assert ask("30 working days. [1]").nearest == ()


def test_who_may_not_read_what_the_weights_were_trained_on_is_answered_by_quotes():
    guarded = replace(answerer("30 working days. [1]"), trained_policies=frozenset({"managers"}), judgement=Thinks(0.0))
    answer = guarded.answer(LEAVE, frozenset({"staff"}))
    assert (answer.mode, answer.reason) == ("quote", "audience") and TEXTS["germany.md"] in answer.text
    assert not hasattr(guarded.generator, "messages")


def test_an_answer_that_nothing_carries_is_not_given():
    answer = ask("28 working days. [1]", prompt=SHORT)
    assert (answer.abstained, answer.reason, answer.citations) == (True, "not supported", ())
    assert answer.text == PROMPT.abstain


@pytest.mark.parametrize(("confidence", "reason"), [(0.74, "not sure"), (0.75, ""), (None, "")])
def test_an_answer_that_the_model_itself_doubts_is_not_given(confidence, reason):
    unsure = replace(answerer("", prompt=SHORT), generator=Says("30 working days. [1]", confidence))
    answer = unsure.answer(LEAVE, frozenset({"staff"}))
    assert (answer.abstained, answer.reason) == (bool(reason), reason)


def test_no_threshold_shows_all_that_evidence_carries():
    prompt = PROMPT.model_copy(update={"least_confidence": 0.0})
    unsure = replace(answerer(""), generator=Says("30 working days. [1]", 0.01), prompt=prompt)
    assert unsure.answer("How much annual leave in Germany?", frozenset({"staff"})).grounded


def test_the_models_own_abstention_is_said_in_the_agreed_words():
    answer = ask("I cannot find this in the documents! [3]", prompt=SHORT)
    assert (answer.abstained, answer.reason, answer.text) == (True, "model", PROMPT.abstain)


def test_nothing_found_asks_no_model():
    one = answerer("30 days [1]")
    answer = one.answer("How much?", frozenset())
    assert (answer.abstained, answer.reason) == (True, "nothing found")
    assert not hasattr(one.generator, "messages")


def test_a_quote_that_is_no_longer_verbatim_is_not_served():
    moved = Library({**TEXTS, "germany.md": "Something else stands here now."})
    assert ask("30 working days. [1]", library=moved).abstained


class Tampered(Library):
    """An index whose passages say something else, or stand elsewhere, than the documents do."""

    def __init__(self, changed):
        super().__init__()
        self.changed = changed

    def search(self, question, policies, top_k):
        return [replace(h, passage=self.changed(h.passage)) for h in super().search(question, policies, top_k)]


def test_evidence_that_was_tampered_with_is_never_served():
    said = "90 working days of annual leave. [1]"
    forged = Tampered(lambda p: replace(p, text=p.text.replace("30", "90")))
    answer = ask(said, library=forged)
    assert (answer.abstained, answer.reason, answer.citations) == (True, "not supported", ())
    assert "90" not in answer.text


def test_evidence_that_cuts_a_number_is_never_served():
    def cut(whole):
        start = whole.text.index("0 working") if "30" in whole.text else 0
        span = (Span(start, len(whole.text), whole.locator),)
        return replace(whole, text=whole.text[start:], start=start, spans=span)

    answer = ask("0 working days of annual leave. [1]", library=Tampered(cut))
    assert (answer.abstained, answer.citations) == (True, ())


def test_a_citation_that_is_not_found_is_left_out_where_the_others_carry_the_answer():
    forged = Tampered(lambda p: replace(p, text=p.text.replace("Ireland", "Germania")))
    answer = ask("30 working days of annual leave. [1][2]", library=forged)
    assert [c.doc_id for c in answer.citations] == ["germany.md"] and answer.grounded
    assert answer.text.endswith(f" [{answer.citations[0].marker}]")


def test_without_what_is_not_found_the_rest_has_to_carry_the_answer():
    forged = Tampered(lambda p: replace(p, text=p.text.replace("Ireland", "Germania")))
    answer = ask("30 working days, 25 working days. [1][2]", library=forged, prompt=SHORT)
    assert (answer.abstained, answer.reason) == (True, "not supported")


def test_a_missing_document_is_not_cited():
    assert ask("30 working days. [1]", library=Library({})).abstained


@pytest.mark.parametrize("said", ["", "  ", "[1]", "[99]", "."])
def test_an_answer_without_words_is_an_abstention(said):
    assert ask(said, prompt=SHORT).abstained


def test_the_prompt_holds_nothing_that_the_caller_may_not_read():
    one = answerer("x")
    one.answer("How big is the merit budget?", frozenset({"staff"}))
    assert "3.2" not in "".join(m.content for m in one.generator.messages)


policies = st.frozensets(st.sampled_from(["staff", "managers", "nobody"]))
SAID = "30 25 3.2 % working days merit budget Germany Ireland [1] [2] [3] [7]"
words = st.sampled_from(SAID.split())


@settings(max_examples=400, deadline=None)
@given(policies, st.lists(words, max_size=8), st.sampled_from(["leave in Germany?", "merit budget?", "days?"]))
def test_every_citation_is_verbatim_and_readable_whatever_the_model_says(may, said, question):
    answer = ask(" ".join(said), question, may)
    for citation in answer.citations:
        assert TEXTS[citation.doc_id][citation.start : citation.end] == citation.quote
        assert POLICY[citation.doc_id] in may
    assert answer.grounded == bool(answer.citations)
    assert answer.abstained or answer.citations


def test_without_a_number_the_best_carrying_unit_is_cited():
    units = [Unit(i, t, d, "v", d, "", "staff", 0, len(t), Locator(), 1.0) for i, (d, t) in enumerate(TEXTS.items(), 1)]
    assert [u.number for u in supporting_units("25 working days", "leave?", units)] == [2]
    assert supporting_units("25 working days [2]", "leave?", [replace(u, number=9) for u in units])


def test_evidence_far_from_the_question_is_not_put_to_the_model():
    one = answerer("30 working days. [1]")
    strict = replace(one, prompt=PROMPT.model_copy(update={"least_score": 3.0}))
    answer = strict.answer("How much annual leave in Germany?", frozenset({"staff"}))
    assert (answer.abstained, answer.reason) == (True, "nothing found")
    assert not hasattr(one.generator, "messages")


class Recorded(Says):
    """A tuned generator that keeps who made it talk."""

    def __init__(self):
        super().__init__("30 working days. [1]")
        self.calls = 0

    def generate(self, messages, max_new_tokens):
        self.calls += 1
        return super().generate(messages, max_new_tokens)


class Tuned:
    """A judgement that was tuned on what outsiders may not read."""

    def __init__(self):
        self.calls = 0

    def probability(self, question, units):
        self.calls += 1
        return 1.0

    def answerable(self, question, units):
        return self.probability(question, units) > 0.5


ASKED = [
    "leave in Germany?",
    "And in Ireland?",
    "Rewrite this: a b c d",
    "As JSON: how much annual leave?",
    "merit budget?",
]


@settings(max_examples=200, deadline=None)
@given(policies, policies, st.sampled_from(ASKED), st.booleans())
def test_whoever_stands_outside_the_audience_never_makes_anything_tuned_talk(trained, may, question, talked):
    generator, judgement = Recorded(), Tuned()
    one = replace(
        answerer(""), generator=generator, judgement=judgement, trained_policies=trained,
        prompt=PROMPT.model_copy(update={"least_score": 0.0}),
    )  # fmt: skip
    history = [Message(role="user", content="How much annual leave in Germany?")] if talked else []
    answer = one.answer(question, may, history)
    for citation in answer.citations:
        assert POLICY[citation.doc_id] in may
        assert TEXTS[citation.doc_id][citation.start : citation.end] == citation.quote
    assert all(POLICY[unit.doc_id] in may for unit in answer.units)
    if not trained <= may:
        assert generator.calls == judgement.calls == 0
        assert answer.mode in ("quote", "declined")
        assert answer.mode == "quote" or not may & set(POLICY.values()) or answer.route.name == "behaviour"


def test_words_that_another_sentence_carries_do_not_stand_in_the_place_of_the_best_one():
    answer = ask("25 working days in Ireland. [2]")
    assert (answer.mode, [c.doc_id for c in answer.citations]) == ("quote", ["germany.md"])


def test_a_model_that_has_learned_to_choose_is_believed_where_the_spec_says_so():
    by_model = PROMPT.model_copy(update={"choice": "model"})
    answer = ask("25 working days in Ireland. [2]", "How much annual leave?", prompt=by_model)
    assert (answer.mode, [c.doc_id for c in answer.citations]) == ("both", ["ireland.md"])
