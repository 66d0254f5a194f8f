import pytest

from raftops.answer.small_talk import pleasantry

CIVIL = [
    "Hello!", "hi", "Good morning, team", "thanks", "Thank you very much!", "ok thanks", "Who are you?",
    "hello, who are you", "Great, thank you for your help", "bye", "What can you do?", "How are you today?",
]  # fmt: skip
CIVIL_GERMAN = ["Hallo!", "Guten Tag", "Danke schön", "vielen Dank für die Hilfe", "Wer bist du?", "Tschüss"]
MORE = [
    "Hello, how many days of leave do I get?", "Who approves travel?", "thanks to whom do I owe the bonus?", "",
    "What is the thank-you voucher worth?", "Hi-fi equipment policy", "Who are you supposed to call when ill?", "?",
    "help desk number", "What do you do when a laptop is stolen?", "Good conduct rules", "Danke, wie lange gilt das?",
]  # fmt: skip


@pytest.mark.parametrize("message", CIVIL)
def test_small_talk_gets_a_civil_sentence(message):
    assert pleasantry(message, "the handbook")


@pytest.mark.parametrize("message", CIVIL_GERMAN)
def test_german_small_talk_gets_a_german_sentence(message):
    said = pleasantry(message, "Handbuch", "german")
    assert said and said.split()[0] in ("Hallo!", "Gern", "Ich", "Auf")


@pytest.mark.parametrize("message", MORE)
def test_whoever_asks_something_is_not_put_off_with_a_greeting(message):
    assert pleasantry(message, "the handbook") is None


def test_the_assistant_says_whose_it_is():
    assert "the Brightwater handbook" in pleasantry("who are you?", "the Brightwater handbook")
    assert "{" not in pleasantry("Hello", "a {title} with braces").replace("{title} with", "")
