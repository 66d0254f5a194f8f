"""Questions made of sentences and table rows by rules of English grammar: no model, no list of facts.

A rule turns one sentence of a known form ("X must be handed in within 30 days") into the question that it answers. A
sentence of no such form gives none; what is made is only proposed, and `filters.py` judges it. English alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from raftops.data.records import Unit

Style = Literal["fact", "condition", "table", "yes_no", "comparison", "near_miss", "section"]


@dataclass(frozen=True)
class Proposal:
    """A question and its answer, and the units that are to prove it; without an answer nothing is to answer it."""

    style: Style
    question: str
    answer: str
    units: tuple[Unit, ...]
    by: str = "rules"


Common = Callable[[str], bool]
"""Whether a word is written small inside sentences: then it is no name."""
LONGEST_WORDS = 32
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)s?"
_NUMBER = r"(?:\d[\d.,]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_SPAN = rf"{_NUMBER} (?:full |working |calendar |business )?(?:second|minute|hour|day|week|month|year|quarter)s?"
_DATE = rf"(?:\d{{1,2}} {_MONTH}(?: \d{{4}})?|{_MONTH} \d{{1,2}}(?:, \d{{4}})?|{_DAY}|{_MONTH}(?: \d{{4}})?)"
_POINT = rf"(?:\d{{1,2}}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{{1,2}} ?[ap]\.?m\.?|{_DATE})"
_ANCHOR = r"(?: (?:of|after|before|from|in advance|following|prior to)\b[^,;:]*)?"
_LIMIT = r"(?:at least |at most |up to |no more than |more than |a maximum of |about )?"
_PERIOD = r"(?:day|week|month|quarter|year)"
_TIMES = {
    "within": rf"within {_LIMIT}{_SPAN}{_ANCHOR}",
    "ahead": rf"(?:at least |no later than |not later than )?{_SPAN} (?:before|in advance)\b[^,;:]*",
    "by": rf"(?:by|before|until|no later than) (?:the )?{_POINT}{_ANCHOR}",
    "when": rf"between {_POINT} and {_POINT}|from {_POINT} (?:to|until) {_POINT}|(?:on|at|in|from) (?:the )?{_POINT}",
    "often": rf"every (?:{_SPAN}|{_PERIOD})|(?:once|twice|{_NUMBER} times) (?:a|per|each|every) {_PERIOD}",
}
_TIME = f"(?:{'|'.join(f'(?P<{name}>{form})' for name, form in _TIMES.items())})"
_ASKS = {
    "within": "Within what time", "ahead": "How far in advance", "by": "By when", "when": "When", "often": "How often",
}  # fmt: skip
_SUBJECT = r"(?P<s>[A-Z][\w’'/&-]*(?: [\w’'/&%-]+){0,8}?)"
_MODAL = r"(?P<m>must|may|can|should|shall|will|is|are)"
_REST = r"(?P<r> [a-z][^,;:]*)?"
_VERBS = (
    "ask|attach|book|bring|call|change|check|choose|complete|contact|create|email|enter|file|fill|give|hand|inform|keep|"
    "lock|log|mark|move|notify|open|order|pay|post|put|record|register|report|request|reset|return|save|schedule|send|"
    "set|share|sign|store|submit|take|tell|update|upload|use|wear|write"
)
_IMPERATIVE = rf"(?P<v>(?i:{_VERBS})) (?P<o>[^,;:]+?)"
_ROLE = (
    r"(?:manager|managers|team|desk|department|office|officer|officers|council|lead|leads|director|directors|"
    r"committee|administrator|supervisor|board|auditor|employer|company|agency|Operations|Payroll|Finance|Facilities|"
    r"Legal|HR|IT|Procurement|Security)"
)
_AGENT = (
    rf"(?P<a>(?:The |Your |Each |Every |An? )?(?:[\w-]+ ){{0,3}}?{_ROLE}"
    r"(?: (?:of|in|for) [\w ]{2,25}?)?(?: [A-Z]\w+)?)"
)
_DOER = rf"(?P<a>(?:the|your) (?:[\w-]+ ){{0,3}}?{_ROLE}|[A-Z][\w-]+(?: [A-Z][\w-]+)*)"
_MONEY = r"(?:EUR|USD|GBP|CHF|CAD|€|\$|£) ?\d[\d.,]*|\d[\d.,]* ?(?:%|percent|euros?|dollars?|pounds?)"
_AMOUNT = rf"(?P<q>{_LIMIT}(?:{_MONEY})(?: (?:per|a|for each) \w+)?)"
_NAMED = r"(?P<w>(?:the )?[A-Z][\w-]+(?: [A-Z][\w-]+)*|[\w.+-]+@[\w.-]+)"
_CONSENT = r"(?P<w>(?:written |prior )?(?:approval|consent|permission|signature|agreement))"
_HAS = r"(?P<v>receives?|gets?|has|have|accrues?|earns?|takes?|needs?|lasts?|includes?|holds?|covers?|pays?)"
_COUNTED = r"(?P<n>(?:[a-z-]+ )??[a-z-]+s)(?P<r>(?: (?:of|per|for|in|a|each|after|from|when|at|on|under|to)\b[^,;:]*)?)"
_PAYS = r"(?P<v>costs?|pays?|receives?|contributes?|reimburses?|refunds?)"
_DONE = r"(?P<v>(?:be )?[a-z]+(?:ed|en|wn|pt|ld|nt|ut))"
_NOT_SUBJECTS = frozenset(
    [
        "it",
        "this",
        "that",
        "these",
        "those",
        "they",
        "he",
        "she",
        "we",
        "there",
        "such",
        "both",
        "here",
        "either",
        "neither",
        "some",
        "others",
        "and",
        "but",
        "however",
        "also",
        "then",
        "if",
        "when",
        "where",
        "while",
        "although",
        "because",
        "as",
        "for",
        "to",
        "in",
        "on",
        "at",
        "by",
        "with",
        "without",
        "after",
        "before",
        "unless",
        "until",
        "during",
        "since",
        "what",
        "which",
        "who",
        "how",
        "why",
        "not",
        "no",
        "see",
        "note",
        "please",
        "only",
        "even",
        "instead",
        "otherwise",
        "thus",
        "so",
        "or",
        "i",
        "our",
        "my",
        "its",
        "their",
        "up",
        "all",
        "most",
        "many",
        "each",
        "other",
        "another",
        "any",
        "same",
        "sometimes",
        "usually",
        "normally",
        "again",
    ]
)
_INNER = re.compile(
    r"\b(?:who|which|that|where|whose|if|when|because|but|than|is|are|was|were|must|may|can|should|will|has|have)\b"
)
_WRONG = re.compile(r"https?://|www\.|\[\d+\]|[{}<>|]|\.\.\.|…|[“”\"]")
_DOES = frozenset(
    (
        "adjusts", "announces", "appoints", "approves", "assigns", "audits", "checks", "confirms", "coordinates",
        "decides", "grants", "handles", "issues", "keeps", "leads", "maintains", "manages", "monitors", "owns",
        "pays", "plans", "prepares", "provides", "publishes", "records", "reports", "reviews", "runs", "sends", "sets",
        "signs", "tests", "tracks", "trains", "updates", "is responsible for",
    )
)  # fmt: skip
_POINTS = re.compile(
    r"\b(?:follow(?:ing)?|these|this|those|it|above|below|here|see|visit|such as|read more|via in)\b", re.I
)
"""Words that lean on what stands around a sentence: neither question nor answer stands alone."""
_MEASURES = re.compile(
    r"\b(?:days?|hours?|weeks?|months?|years?|limit|cap|rate|price|amount|cost|fee|share|allowance|pay|notice|leave|"
    r"percent|number|size|weight|length|duration)\b", re.IGNORECASE,
)  # fmt: skip
"""Headers of columns whose numbers can be more or less: others may be codes."""


def proposals(unit: Unit, common: Common) -> Iterator[Proposal]:
    """Every question that a rule makes of a unit. `common` says whether a word is written small inside sentences."""
    if unit.locator.table_header:
        yield from _of_row(unit, common)
        return
    text = " ".join(unit.text.split()).lstrip("-*• ").strip()
    if not text.endswith(".") or len(text.split()) > LONGEST_WORDS or len(text.split()) < 4 or _WRONG.search(text):
        return
    if re.search(r"[.!?] ", re.sub(r"\b(?:e\.g|i\.e|a\.m|p\.m|No|St|Mr|Ms|Dr)\.", "x", text)):
        return
    sentence = text[:-1]
    for style, rule in _RULES:
        for question, answer in rule(sentence, common):
            yield Proposal(style, _asked(question), _told(answer), (unit,))


def comparisons(rows: Sequence[Unit], common: Common) -> Iterator[Proposal]:
    """Which of two neighbouring rows of a table has more, where a column has a number in both, and they differ."""
    for one, other in zip(rows, rows[1:], strict=False):
        if one.locator.table_header != other.locator.table_header or one.locator.headings != other.locator.headings:
            continue
        names = _cells(one.locator.table_header)
        left, right = _cells(one.text), _cells(other.text)
        if not len(names) == len(left) == len(right) or left[0] == right[0]:
            continue
        place = next((h for h in reversed(one.locator.headings) if h), one.title).rstrip(".:?")
        for name, a, b in list(zip(names, left, right, strict=True))[1:]:
            if (x := _plain_number(a)) is not None and (y := _plain_number(b)) is not None and x != y:
                if _NO_COLUMN.match(name) or not _MEASURES.search(name):
                    continue
                more = left[0] if x > y else right[0]
                yield Proposal(
                    "comparison",
                    f"{place}: which has the higher {_small(name, common)}, {left[0]} or {right[0]}?",
                    more,
                    (one, other),
                )
                break


def section(unit: Unit, common: Common) -> Iterator[Proposal]:
    """What a section says, asked of its heading and answered by its first sentence."""
    headings = [h.rstrip(".:") for h in unit.locator.headings if h != unit.title]
    text = " ".join(unit.text.split())
    topic = headings[-1].split() if headings else []
    is_topic = 1 <= len(topic) <= 6 and topic[0][0].isalpha() and topic[0].lower() not in _NO_TOPICS
    is_topic = is_topic and not re.match(rf"(?:{_VERBS}|copy|install|[a-z]+ing)\b", topic[0].lower())
    says = text.endswith(".") and not _POINTS.search(text) and 6 <= len(text.split()) <= 24 and not _WRONG.search(text)
    if is_topic and says and not unit.locator.table_header and text.split()[0].lower() not in _NOT_SUBJECTS:
        yield Proposal("section", f"{unit.title}: what applies to {_small(headings[-1], common)}?", text, (unit,))


_NO_COLUMN = re.compile(
    r"(?:how|when|where|who|what|which|why|you|is|are|can|must|say|use|avoid|instead|do|don['’]t)\b|.*\b(?:by|for|to|in|at|on|of|from|with|until|per)$|.*[?#/:]",
    re.IGNORECASE,
)
"""Headers that are no noun: "Done by", "How to request"."""


_NO_TOPICS = frozenset(
    (
        "how", "not", "who", "when", "what", "where", "why", "which", "before", "after", "during", "if", "more",
        "other", "about", "overview", "introduction", "summary", "questions", "contact", "contacts", "further", "see",
        "scope", "purpose", "general", "is", "are", "do", "does", "can", "should",
    )
)  # fmt: skip
"""First words of headings that name no subject."""


def _of_row(unit: Unit, common: Common) -> Iterator[Proposal]:
    names, cells = _cells(unit.locator.table_header), _cells(unit.text)
    if len(names) != len(cells) or len(cells) < 2 or not cells[0] or len(cells[0].split()) > 8 or not names[0]:
        return
    place = next((h for h in reversed(unit.locator.headings) if h), unit.title).rstrip(".:?")
    bare = re.fullmatch(r"[\d.,-]+\+?", cells[0])  # a number says nothing without what it counts
    about = f"{_small(names[0], common)} {cells[0]}" if bare else _small(cells[0], common)
    for name, cell in list(zip(names, cells, strict=True))[1:3]:
        is_noun = name and not _NO_COLUMN.match(name) and common(name.split()[0].lower())
        if is_noun and cell.lower() not in ("", "-", "n/a") and len(name.split()) <= 5 and len(cell.split()) <= 14:
            verb = "are" if re.search(r"[^s]s$", name.split()[0]) and len(name.split()) == 1 else "is"
            yield Proposal("table", f"{place}: what {verb} the {_small(name, common)} for {about}?", cell, (unit,))


def _cells(row: str) -> list[str]:
    return [" ".join(cell.split()) for cell in row.split("|")]


def _plain_number(cell: str) -> float | None:
    match = re.fullmatch(r"(?:[A-Z]{3} |[€$£] ?)?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?: ?(?:%|[a-z]+(?: [a-z]+)?))?", cell)
    return float(match[1].replace(",", "") + (match[2] or "")) if match else None


def _small(text: str, common: Common) -> str:
    """A heading or cell inside a sentence: its first letter small, where its first word is written so elsewhere."""
    first = text.partition(" ")[0]
    keep = any(c.isupper() or c.isdigit() for c in first[1:]) or not common(first.lower())
    return text if keep else text[:1].lower() + text[1:]


Rule = Callable[[str, Common], Iterator[tuple[str, str]]]


def _subject(match: re.Match[str], common: Common) -> str:
    """A subject inside a question; empty where it is none."""
    words = match["s"].split()
    if re.fullmatch(rf"(?:{_VERBS}|stay|avoid)", words[0].lower()):
        return ""
    if (
        words[0].lower() in _NOT_SUBJECTS
        or _INNER.search(match["s"].lower())
        or words[-1].lower() in ("and", "or", "not")
    ):
        return ""
    first = words[0]
    keep = len(first) > 1 and (any(c.isupper() for c in first[1:]) or not common(first.lower()))
    return match["s"] if keep else first.lower() + match["s"][len(first) :]


def timed(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """When, by when, within what time, how often: a sentence that names a time."""
    match = re.fullmatch(rf"{_SUBJECT} {_MODAL} (?P<v>(?!not\b)[a-z]+(?: [^,;:]+?)??) {_TIME}{_REST}", sentence)
    if match and _goes_on(match) and (subject := _subject(match, common)):
        yield f"{_wh(match)} {match['m']} {subject} {match['v']}{match['r'] or ''}", _time(match)
    match = re.fullmatch(rf"{_IMPERATIVE} {_TIME}{_REST}", sentence)
    if match and _goes_on(match):
        yield f"{_wh(match)} do you have to {match['v'].lower()} {match['o']}{match['r'] or ''}", _time(match)


def _goes_on(match: re.Match[str]) -> bool:
    """Whether what is left of a sentence without its time still is one."""
    before = match["v"] if "o" not in match.re.groupindex else match["o"]
    rest = match["r"] or ""
    again = re.match(r" (?:and|or|but|nor)\b", rest) or re.search(r"\b(?:before|after|later|earlier)\b", rest)
    return not again and not re.search(r"\b(?:once|twice|only|and|or|not|than|to|at|in|on|as)$", before)


def _wh(match: re.Match[str]) -> str:
    return next(asks for name, asks in _ASKS.items() if match[name])


def _time(match: re.Match[str]) -> str:
    return next(match[name] for name in _ASKS if match[name])


def how_many(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that counts something."""
    match = re.fullmatch(rf"{_SUBJECT} {_HAS} (?P<q>{_LIMIT}{_NUMBER}) {_COUNTED}", sentence)
    if match and " and " not in match["r"] and (subject := _subject(match, common)):
        verb, does = _base(match["v"])
        yield f"How many {match['n']}{match['r']} {does} {subject} {verb}", f"{match['q']} {match['n']}"


def how_much(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that names an amount or a length of time."""
    match = re.fullmatch(rf"{_SUBJECT} (?P<m>is|are) {_AMOUNT}{_REST}", sentence)
    if match and (subject := _subject(match, common)):
        yield f"How much {match['m']} {subject}{match['r'] or ''}", match["q"]
    match = re.fullmatch(rf"{_SUBJECT} {_PAYS} {_AMOUNT}{_REST}", sentence)
    if match and (subject := _subject(match, common)):
        verb, does = _base(match["v"])
        yield f"How much {does} {subject} {verb}{match['r'] or ''}", match["q"]
    match = re.fullmatch(rf"{_SUBJECT} (?P<m>is|lasts|takes) (?P<q>{_LIMIT}{_SPAN}){_REST}", sentence)
    if match and (subject := _subject(match, common)):
        asked = f"How long is {subject}" if match["m"] == "is" else f"How long does {subject} {_base(match['m'])[0]}"
        yield f"{asked}{match['r'] or ''}", match["q"]


def who(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that says who does, decides or approves something."""
    match = re.fullmatch(rf"{_AGENT} (?P<v>[a-z]+|is responsible for) (?P<o>[^,;:]{{6,}})", sentence)
    if match and match["v"] in _DOES:
        yield f"Who {match['v']} {match['o']}", match["a"]
    passive = r"(?P<m>is|are|must be|can be|may be|should be) (?P<p>[a-z]+(?:ed|en|wn|id|de))"
    match = re.fullmatch(rf"{_SUBJECT} {passive} by {_DOER}{_REST}", sentence)
    joined = match is not None and not re.match(
        r"(?: (?:in|within|before|at|on|for|from|after|each|every)\b|$)", match["r"] or ""
    )
    if (
        match
        and not joined
        and (subject := _subject(match, common))
        and not re.search(rf"{_MONTH}|{_DAY}|\d", match["a"])
    ):
        first, _, rest = match["m"].partition(" ")
        yield f"By whom {first} {subject} {f'{rest} ' if rest else ''}{match['p']}{match['r'] or ''}", match["a"]
    match = re.fullmatch(
        rf"{_SUBJECT} (?P<v>needs?|requires?) (?:the )?{_CONSENT} (?:of|from) (?P<a>[^,;:]+)", sentence
    )
    if match and (subject := _subject(match, common)) and not re.search(r"\band [a-z]+s\b", match["a"]):
        verb, does = _base(match["v"])
        yield f"Whose {match['w']} {does} {subject} {verb}", match["a"]


def where(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that says in or through what something is done."""
    match = re.fullmatch(rf"{_IMPERATIVE} (?P<p>in|to|through|via|with|using) {_NAMED}", sentence)
    if match and not re.search(rf"{_MONTH}|{_DAY}", match["w"]):
        asks = {"in": "Where", "to": "To whom", "with": "With what"}.get(match["p"], "How")
        yield f"{asks} do you {match['v'].lower()} {match['o']}", f"{match['p']} {match['w']}"
    match = re.fullmatch(rf"{_SUBJECT} {_MODAL} {_DONE}(?P<o>(?: [^,;:]+?)??) (?P<p>in|through|via) {_NAMED}", sentence)
    if match and (subject := _subject(match, common)) and not re.search(rf"{_MONTH}|{_DAY}", match["w"]):
        asks = "Where" if match["p"] == "in" else "How"
        yield f"{asks} {match['m']} {subject} {match['v']}{match['o']}", f"{match['p']} {match['w']}"


def condition(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that begins with its condition."""
    match = re.fullmatch(r"(?P<w>If|When|Without) (?P<c>[^,;:]{8,90}), (?:then )?(?P<r>[^;:]{12,140})", sentence)
    pronoun = re.compile(r"(?:it|they|this|that|these|he|she)\b")
    if not match or pronoun.match(match["c"]) or pronoun.match(match["r"]) or _POINTS.search(match["r"]):
        return
    torn = re.search(r"\b(?:that|the|an?|to|of|and|or|daily)$", match["c"]) or re.match(r"[\w-]+, |.*, or ", match["r"])
    if (
        torn
        or match["c"].startswith("possible")
        or re.match(r"[a-z]+ing\b", match["c"])
        or re.match(r"please\b|you may have\b", match["r"])
    ):
        return
    does = re.match(rf"(?:please )?(?:you (?:must|should|need to|have to|can)|(?i:{_VERBS}))\b", match["r"])
    can = does is not None and "can" in does[0].split()
    asks = "What can you do" if can else "What do you have to do" if does else "What happens"
    yield f"{asks} {match['w'].lower()} {match['c']}", match["r"]


def yes_no(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that demands, allows or forbids."""
    modals = r"(?P<m>must not|may not|cannot|must|may|can)"
    match = re.fullmatch(rf"{_SUBJECT} {modals} (?P<v>(?!not\b|only\b|also\b)[a-z]+(?: [^,;:]+)?)", sentence)
    if (
        not match
        or len(match["v"].split()) < 2
        or re.search(r"\b(?:only|also|and (?:must|may|can|is|are))\b", match["v"])
    ):
        return
    if (subject := _subject(match, common)) and not _POINTS.search(match["v"]) and "find" not in match["v"]:
        denied = match["m"] in ("must not", "may not", "cannot")
        modal = {"must not": "May", "may not": "May", "cannot": "Can"}.get(match["m"], match["m"].capitalize())
        yield f"{modal} {subject} {match['v']}", "No" if denied else "Yes"


def what(sentence: str, common: Common) -> Iterator[tuple[str, str]]:
    """A sentence that says what something, or who somebody is."""
    named = r"(?P<s>[A-Z][\w’'/&-]*(?: [\w’'/&-]+){0,3})"
    match = re.fullmatch(rf"{named} (?P<m>is|are) (?P<d>(?:an?|the) [a-z][^;:]{{16,140}})", sentence)
    if (
        not match
        or not (subject := _subject(match, common))
        or subject.startswith(("the ", "a ", "an ", "you", "one "))
    ):
        return
    person = re.fullmatch(r"[A-Z][a-z]+ [A-Z][\w’'-]+", subject) and re.search(rf"{_ROLE}|contact|chair", match["d"])
    yield f"{'Who' if person else 'What'} {match['m']} {subject}", match["d"]


_RULES: tuple[tuple[Style, Rule], ...] = (
    ("fact", timed), ("fact", how_many), ("fact", how_much), ("fact", who), ("fact", where),
    ("condition", condition), ("yes_no", yes_no), ("fact", what),
)  # fmt: skip


def _base(verb: str) -> tuple[str, str]:
    """The verb's base form, and the do or does that goes with the form it had."""
    if verb == "has":
        return "have", "does"
    if verb.endswith("s") and not verb.endswith("ss"):
        return verb[:-1], "does"
    return verb, "do"


_MINE = {"you": "I", "your": "my", "yours": "mine", "yourself": "myself", "are": "am"}


def _asked(question: str) -> str:
    """A question as somebody asks it: in the first person where the text says you, one capital, one mark."""
    text = re.sub(r"\b([Yy]ou) are\b", "I am", " ".join(question.split()))
    text = re.sub(rf"\b((?:{_VERBS}|help|show|let|allow|remind|for|to|with|from|of|by)s?) you\b", r"\1 me", text)
    text = re.sub(r"\b[Aa]re you\b", lambda m: "Am I" if m[0][0] == "A" else "am I", text)
    text = re.sub(r"\b(?:you|your|yours|yourself)\b", lambda m: _MINE[m[0].lower()], text, flags=re.IGNORECASE)
    return f"{text[:1].upper()}{text[1:]}?"


def _told(answer: str) -> str:
    text = " ".join(answer.split()).rstrip(".,; ")
    return f"{text[:1].upper()}{text[1:]}."
