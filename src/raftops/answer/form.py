"""Signs of form in a request: a format that is named, a text that is brought along, a fact that is asked for. No model.

The router weighs them; none decides alone. English and German words stand in one table: a request of one language says
nothing in the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

POLITE = (
    r"\s*(?:(?:please|kindly|can|could|would|will|you|now|hi|hello|ok|i want you to|i need you to|help me(?: to)?|"
    r"bitte|kannst|könntest|können|könnten|du|sie|mir)[,\s]+)*"
)
CHANGE = (
    r"rewrite|rephrase|reword|paraphrase|translate|convert|turn|transform|shorten|fix|correct|proof-?read|polish|format"
    r"|reformat|extract|summari[sz]e|condense|cut|simplify|edit|improve|expand|pull out|classify|categori[sz]e|replace"
    r"|sort|reorder|capitali[sz]e|formuliere|übersetze|kürze|fasse|wandle|korrigiere|verbessere|forme|ersetze|sortiere"
)
COMPOSE = (
    r"write|draft|compose|prepare|create|generate|make|produce|return|design|build|come up with|put|give|list|answer"
    r"|schreibe?|verfasse|erstelle|entwirf|erzeuge|mache?|gib|antworte"
)
FORMAT = (
    r"json|xml|yaml|csv|html|markdown|latex|tables?|bullet(?:ed)?(?: points?| list)?|numbered list|check-?list|outline"
    r"|tabelle|stichpunkten?|aufzählung|liste"
)
CODE = (
    r"sql|quer(?:y|ies)|python|java(?:script)?|c\+\+|function|scripts?|regular expression|regex|code|program|algorithm"
    r"|html|css|formula|equation|abfrage|skript|funktion"
)
LETTER = (
    r"e-?mails?|mail|letter|notice|message|memo|reminder|announcement|post|reply|invitation|newsletter|slide|faq|leaflet"
    r"|overview|nachricht|brief|mitteilung|einladung|erinnerung|rundschreiben|aushang"
)
ART = (
    r"poem|haiku|limerick|song|story|joke|toast|essay|tweet|slogan|lyrics|dialogue|speech|riddle|discharge summary"
    r"|clinical note|note from|gedicht|witz|geschichte|lied|entlassungsbrief"
)
THIS = (
    r"this|these|the following|following|below|given|my (?:text|draft|sentence|e-?mail|message)|the (?:text|sentence"
    r"|tone|grammar|spelling|paragraph|dialogue|conversation)|diese[nrs]?|folgende[nrs]?|den text|das"
)
FILL = (
    r"fill in|fill out|add the|put in the|insert|include the|use our|use the|look up|with the (?:right|correct|current)"
    r"|(?:right|correct|current|full) (?:deadline|amount|date|number|name|phone)|ergänze|trage .* ein|füge .* ein"
)
FACT = (
    r"(?:that|which) (?:says?|tells?|explains?|mentions?|lists?)|saying|telling|explaining|about|on|how (?:many|much"
    r"|long|often|far|soon)|by when|when|who|which|our|rules?|polic(?:y|ies)|deadlines?|rates?|steps|allowances?"
    r"|periods?|hours|conditions|handbook|guidelines?|documents|procedure|entitled?|bis wann|wie (?:viele?|lange|oft)"
    r"|wann|unsere|regeln?|richtlinie|fristen|sätze|tagessätze|zeiten"
)
VOICE = (
    r"voice|tone|style|politely|polite|formal|formally|friendl(?:y|ier)|plain words?|stil|höflich(?:er)?|freundlicher"
)
ASKING = (
    r"what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could|may|might|must|shall|should"
    r"|will|would|has|have|am|was|wer|wen|wem|welche[rsn]?|wann|wo|woher|wohin|warum|wieso|wie|ist|sind|darf|dürfen|kann"
    r"|können|muss|müssen|soll|hat|haben|gibt|gilt|bekomm\w*|brauch\w*"
)
TELL = r"tell me|show me|name|describe|explain|give me the|list the|let me know|zeige? mir|nenne?|sag mir|erkläre?"


def _at_start(words: str) -> re.Pattern[str]:
    return re.compile(rf"{POLITE}(?:{words})\b", re.IGNORECASE)


def _anywhere(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


MATERIAL = re.compile(
    r":\s*(?P<after>\S+(?:\s+\S+){2,}.*)|\n\s*(?P<lines>\S.*)|[\"“„](?P<said>\S+(?:\s+\S+){3,})[\"”“]", re.S
)
"""What a request brings along: behind a colon, on further lines, or in quotation marks."""
_START = {"changes": _at_start(CHANGE), "composes": _at_start(COMPOSE), "asks": _at_start(ASKING)}
_START |= {"tells": _at_start(TELL), "as": _at_start(rf"(?:as|in|als|{FORMAT})")}
_NAMED = {"format": _anywhere(FORMAT), "code": _anywhere(CODE), "letter": _anywhere(LETTER), "art": _anywhere(ART)}
_NAMED |= {"this": _anywhere(THIS), "fill": _anywhere(FILL), "voice": _anywhere(VOICE)}
_AS = _anywhere(
    rf"(?:as|in|into|with|using|als|mit) (?:an? |the form of |valid |one |eine?[rmn]? )*(?:{FORMAT}|{LETTER})"
    rf"|(?:answer|reply|respond|return|give|put|antworte)\b.{{0,30}}\b(?:{FORMAT})"
)
_FACT, _ASKING = _anywhere(FACT), re.compile(rf"\s*(?:{ASKING})\b", re.IGNORECASE)


def parted(request: str) -> tuple[str, str]:
    """What is asked for, and the text that the request brings along (empty if none)."""
    match = MATERIAL.search(request)
    if not match:
        return request, ""
    brought = next(text for text in match.groups() if text)
    return request[: match.start()] + " " + request[match.end() :], brought


def cues(request: str) -> dict[str, float]:
    """Signs by name, each 0 to 1."""
    asked, brought = parted(request)
    found = {name: float(bool(pattern.match(asked))) for name, pattern in _START.items()}
    found |= {name: float(bool(pattern.search(asked))) for name, pattern in _NAMED.items()}
    question = bool(brought) and (bool(_ASKING.match(brought)) or brought.rstrip().endswith("?"))
    asked_for = bool(found["asks"]) or question or "?" in asked
    named = max(found["format"], found["letter"])
    imperative = max(found["changes"], found["composes"], found["as"])
    return found | {
        "brings": float(bool(brought) and not question),
        "brings_question": float(question),
        "brings_much": min(1.0, len(brought.split()) / 60),
        "asks_in_form": float(asked_for) * named * float(bool(_AS.search(asked)) or question),
        "mark": float(asked.rstrip().endswith("?")),
        "facts": min(1.0, len(_FACT.findall(asked)) / 3),
        "short": float(len(request.split()) <= 4),
        # form without a text to work on: from the documents, or free?
        "form_of_facts": imperative * float(not brought) * float(bool(_FACT.search(asked))),
        "form_alone": imperative * float(not brought) * float(not _FACT.search(asked)),
        "changes_this": found["changes"] * max(found["this"], float(bool(brought))),
    }


CUES: tuple[str, ...] = tuple(cues(""))
Signs = Callable[[str], dict[str, float]]

_FRAME = re.compile(
    rf"{POLITE}(?:{CHANGE}|{COMPOSE}|{TELL})\b(?:\s+(?:me|us|mir|uns))?"
    rf"(?:\s+(?:an?|the|one|some|eine?n?)\b)?(?:\s+[\w-]+){{0,2}}?\s+(?:{LETTER}|{FORMAT}|paragraph|text|table)\b"
    rf"(?:.{{0,60}}?\b(?:(?:that|which) (?:says?|tells?|explains?|mentions?|lists?|answers?)|saying|telling|about|of|on"
    rf"|with|based on|über|zu|mit)\b)?",
    re.IGNORECASE,
)
_LEAD = re.compile(rf"{POLITE}(?:{CHANGE}|{COMPOSE}|{TELL})\b(?:\s+(?:me|us|mir|uns|zusammen))?\s+", re.IGNORECASE)
_TAIL = re.compile(
    rf"[,\s]*\b(?:as|in|into|als)\s+(?:an?\s+|eine?[rmn]?\s+|one\s+|two\s+|three\s+|zwei\s+|drei\s+)?[\w-]*\s*"
    rf"(?:{FORMAT}|{LETTER}|sentences?|sätzen?|words?)\W*$",
    re.IGNORECASE,
)


def topic(request: str) -> str:
    """What a request for a form is about, without the form: "Draft a notice about visitors" seeks "visitors"."""
    asked, brought = parted(request)
    if brought and (_ASKING.match(brought) or brought.rstrip().endswith("?")):
        return brought.strip()
    for sentence in re.split(r"(?<=[.?!])\s+", request):
        if sentence.endswith("?") and _ASKING.match(sentence):
            return sentence.strip()
    if brought:
        return request
    rest = _TAIL.sub("", asked.strip())
    for frame in (_FRAME, _LEAD):
        if (match := frame.match(rest)) and len(rest[match.end() :].split()) >= 2:
            return rest[match.end() :].strip(" .")
    return rest.strip(" .") or request
