"""Follow-up questions: who leans is resolved, who stands alone is left alone; the trivial rules stand beside it."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.answer.follow_up import standalone
from raftops.data.records import Message
from raftops.retrieval.bm25 import terms

DIALOGUES = yaml.safe_load((Path(__file__).parent / "dialogues.yaml").read_text(encoding="utf-8"))
EVERY = [dialogue for half in DIALOGUES.values() for dialogue in half]
LEAVE = "How many days of annual leave do employees in Germany get?"


def user(text):
    return Message(role="user", content=text)


def assistant(text):
    return Message(role="assistant", content=text)


def before(dialogue):
    return [user(dialogue["first"]), *([assistant(dialogue["said"])] if "said" in dialogue else [])]


def by_rule(dialogue):
    return standalone(dialogue["then"], before(dialogue), dialogue.get("language", "english"))


def last_message(dialogue):
    return dialogue["then"]


def both_turns(dialogue):
    return f"{dialogue['first']} {dialogue['then']}"


def right(dialogue, searched):
    if "wants" not in dialogue:
        return searched == dialogue["then"]
    low = searched.lower()
    return all(word in low for word in dialogue["wants"]) and not any(
        word in low for word in dialogue.get("without", ())
    )


def shares(half, rule):
    """Shares of the dialogues that lean, and of those that stand alone, for which a rule is right."""
    leaning = [right(d, rule(d)) for d in DIALOGUES[half] if "wants" in d]
    alone = [right(d, rule(d)) for d in DIALOGUES[half] if "wants" not in d]
    assert len(leaning) >= 20 and len(alone) >= 20
    return sum(leaning) / len(leaning), sum(alone) / len(alone)


@pytest.mark.parametrize("half", ["dev", "held"])
def test_what_leans_is_resolved_and_what_stands_alone_is_left_alone(half):
    found = {rule.__name__: shares(half, rule) for rule in (by_rule, last_message, both_turns)}
    assert found["last_message"] == (0.0, 1.0)
    assert found["both_turns"][0] < 0.8 and found["both_turns"][1] == 0.0
    leaning, alone = found["by_rule"]
    assert leaning >= 0.9 and alone >= 0.95


def test_a_chain_of_short_questions_keeps_its_subject():
    turns = [user(LEAVE), assistant("30 days [1]"), user("And in Ireland?"), assistant("25 days [1]"), user("thanks!")]
    assert standalone("And in Portugal?", turns) == LEAVE.replace("Germany", "Portugal")


def test_a_new_topic_ends_the_chain():
    turns = [user(LEAVE), assistant("30 days"), user("How do I report a sick day?"), assistant("By phone.")]
    assert standalone("By when must I do it?", turns) == "By when must I report a sick day?"


def test_without_a_turn_before_nothing_is_changed():
    for question in ("And in Ireland?", "How long is that?", "", "  ", "?"):
        assert standalone(question, []) == question
        assert standalone(question, [assistant("Employees in Germany get 30 days.")]) == question


def test_only_a_person_is_taken_from_what_the_assistant_said():
    said = [user("Who approves travel?"), assistant("Ana Rocha approves travel to Norway.")]
    assert standalone("How do I reach her?", said) == "How do I reach Ana Rocha?"
    assert "Norway" not in standalone("How long does that take?", said)


def test_a_text_that_is_brought_along_is_no_question_to_fill():
    letter = "Rewrite this: it is hereby announced that they close on Friday."
    assert standalone(letter, [user(LEAVE)]) == letter
    assert standalone("Make it shorter", [user(letter)]) == "Make it shorter"


def test_an_unknown_language_changes_nothing():
    assert standalone("And in Ireland?", [user(LEAVE)], "none") == "And in Ireland?"


messages = st.lists(st.sampled_from(EVERY), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(messages, st.sampled_from(EVERY), st.sampled_from(["english", "german", "french"]))
def test_no_term_is_added_that_no_turn_holds(turns, last, language):
    history = [turn for dialogue in turns for turn in before(dialogue)]
    searched = standalone(last["then"], history, language)
    known = {term for turn in (*history, user(last["then"])) for term in terms(turn.content, language)}
    assert set(terms(searched, language)) <= known
    assert standalone(last["then"], history, language) == searched
