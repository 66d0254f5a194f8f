"""Which questions are the same."""

import pytest

from raftops.data.records import Example, Message
from raftops.validation.questions import question_key


def key(question: str) -> str:
    return question_key(Example(id="x", kind="knowledge", question=question, unanswerable=True))


@pytest.mark.parametrize(
    "again", ["how MANY days?", "  How\nmany   days", "How many days?!", "\u201cHow many days\u201d", "How-many-days"]
)
def test_case_punctuation_and_white_space_do_not_count(again: str) -> None:
    assert key(again) == key("How many days?")


@pytest.mark.parametrize("other", ["How many day?", "How many days in Canada?", "days many How?"])
def test_words_count(other: str) -> None:
    assert key(other) != key("How many days?")


def test_symbols_are_a_question_of_their_own() -> None:
    assert key("???") != key("!!!")


def test_the_turns_before_the_last_count_and_system_messages_do_not() -> None:
    def chat(*turns: tuple[str, str]) -> str:
        messages = tuple(Message(role=role, content=content) for role, content in turns)
        return question_key(Example(id="x", kind="behaviour", messages=messages, answer="ok"))

    assert chat(("user", "Shorter, please.")) == chat(("system", "Be kind."), ("user", "shorter please"))
    assert chat(("user", "a"), ("user", "Shorter")) != chat(("user", "b"), ("user", "Shorter"))
    assert chat(("user", "How many days?")) == key("How many days?")
