"""Greetings, thanks and "who are you?": a civil sentence, by no model and no document. More than that is a question."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_WORDS = 9
EDGES = " :)(-'\"👋🙂😊🙏"
_FILLERS = {
    "english": (
        "there", "all", "everyone", "team", "assistant", "again", "so much", "very much", "a lot", "lots",
        "for (?:your|the) (?:help|answer|time)", "that helped", "that helps", "that was helpful", "you", "please",
        "then", "ok(?:ay)?", "great", "perfect", "nice", "and", "oh", "well", "dear", "raftops", "my friend", "today",
        "have a (?:nice|good|great) (?:day|evening|weekend)",
    ),
    "german": (
        "zusammen", "alle", "team", "assistent", "nochmals?", "sehr", "vielmals", "schön", "dir", "ihnen", "euch",
        "für (?:die|deine|ihre) (?:hilfe|antwort|auskunft)", "das hat geholfen", "bitte", "dann", "ok(?:ay)?", "super",
        "prima", "toll", "und", "ach", "na", "einen? (?:schönen|guten) (?:tag|abend)(?: noch)?", "schönes wochenende",
    ),
}  # fmt: skip
_FILLER = {language: rf"\b(?:{'|'.join(phrases)})\b" for language, phrases in _FILLERS.items()}
"""What stands beside small talk and changes nothing."""


@dataclass(frozen=True)
class Talk:
    """What is said, as a pattern of the whole message, and what is answered; `{title}` is the assistant."""

    heard: re.Pattern[str]
    answer: str


def _talk(language: str, core: str, answer: str) -> Talk:
    filler = _FILLER[language]
    return Talk(re.compile(rf"(?:{filler}\W*)*(?:{core})(?:\W+(?:{core}|{filler}))*", re.IGNORECASE), answer)


_ENGLISH = (
    _talk(
        "english",
        r"who are you|what are you|what is your name|what's your name|are you (?:a )?(?:bot|robot|human|person|real)"
        r"|what can you do|what do you do|how can you help(?: me)?|what can i ask(?: you)?|help|introduce yourself"
        r"|tell me about yourself|are you there",
        "I am the assistant of {title}. I answer from its documents and show where it stands.",
    ),
    _talk(
        "english",
        r"hello|hi|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|how are you(?: doing)?|how do you do"
        r"|nice to meet you|what's up",
        "Hello! Ask me about {title}.",
    ),
    _talk(
        "english",
        r"thanks|thank you|thx|ty|cheers|many thanks|much appreciated|i appreciate it|thank u",
        "You are welcome.",
    ),
    _talk("english", r"bye|goodbye|good bye|see you|see you later|good night|farewell|take care", "Goodbye!"),
    _talk("english", r"ok(?:ay)?|great|perfect|got it|i see|understood|all right|alright|sure|cool|fine", "Good."),
)
_GERMAN = (
    _talk(
        "german",
        r"wer (?:bist du|sind sie)|was (?:bist du|sind sie|kannst du|können sie)|wie hei(?:ß|ss)(?:t du|en sie)"
        r"|was kann ich (?:dich|sie) fragen|bist du ein (?:mensch|bot|roboter)|hilfe",
        "Ich bin der Assistent von {title}. Ich antworte aus den Dokumenten und zeige, wo es steht.",
    ),
    _talk(
        "german",
        r"hallo|hi|hey|moin|servus|grüß (?:gott|dich)|guten (?:morgen|tag|abend)|wie geht(?:'| e)?s(?: (?:dir|ihnen))?",
        "Hallo! Fragen Sie mich zu {title}.",
    ),
    _talk("german", r"danke(?:schön)?|vielen dank|besten dank|herzlichen dank|danke sehr", "Gern geschehen."),
    _talk("german", r"tschüss?|auf wiedersehen|bis (?:bald|später|morgen)|gute nacht|ciao", "Auf Wiedersehen!"),
    _talk("german", r"ok(?:ay)?|alles klar|verstanden|super|prima|gut", "Gut."),
)
_TALK = {"english": (*_ENGLISH, *_GERMAN), "german": (*_GERMAN, *_ENGLISH)}
"""Everybody is greeted in both languages; the spec's comes first."""


def pleasantry(message: str, title: str, language: str = "english") -> str | None:
    """The civil answer to a message that is nothing but small talk; None where there is more in it."""
    parts = [part for piece in re.split(r"[.,;!?\n]+", message) if (part := piece.strip(EDGES))]
    if not parts or len(message.split()) > MOST_WORDS:
        return None
    known = _TALK.get(language, _TALK["english"])
    whole = " ".join(parts)
    if alone := next((talk for talk in known if talk.heard.fullmatch(whole)), None):
        return alone.answer.replace("{title}", title)
    heard = [[talk for talk in known if talk.heard.fullmatch(part)] for part in parts]
    if not all(heard):
        return None
    # who asks who we are is told, even where a greeting stands before it: the tables begin with what matters most
    first = min((talks[0] for talks in heard), key=known.index)
    return first.answer.replace("{title}", title)
