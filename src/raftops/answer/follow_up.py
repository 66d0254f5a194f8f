"""A message that leans on the one before ("And in Ireland?", "How long is that?") as a question that stands alone.

Rules by a table of words (`grammar.py`), no model. A question that stands alone is never touched: where it is not plain
that a message leans, it is left as it is. What comes out holds no term that neither turn holds; the turns are the
caller's own, and what may be read does not depend on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from raftops.answer.countries import COUNTRIES
from raftops.answer.grammar import GRAMMARS, Grammar
from raftops.answer.prompt import without_markers
from raftops.answer.small_talk import pleasantry
from raftops.data.records import Message
from raftops.retrieval.bm25 import terms

WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*")
MATERIAL = re.compile(r":\s*\S+\s+\S+\s+\S+|\n")
"""A request that carries a text of its own: what "it" is stands there."""
LONGEST = 25
"""Words of a message beyond which it is taken as it is."""
NAME = re.compile(r"\b[A-ZÀ-Ý][\w'’-]+(?:\s+[A-ZÀ-Ý][\w'’-]+)+")
MOST_WORDS = 6
"""A longer phrase is set behind a question, not into it."""
PLACES = frozenset(name.casefold() for names in COUNTRIES.values() for name in names)
END = " ?!.…,;"


@dataclass(frozen=True)
class Word:
    """A word of a message and where it stands."""

    text: str
    start: int
    end: int

    @property
    def low(self) -> str:
        """Lower-cased."""
        return self.text.lower().replace("’", "'")

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital."""
        return self.text[0].isupper()


def standalone(question: str, history: Sequence[Message], language: str = "english") -> str:
    """The question as it is searched: its own words, or with what the turns before give to them.

    Each turn is read with the one before it in mind, so that a chain of short questions keeps its subject. Thanks and
    greetings are no subject.
    """
    grammar = GRAMMARS.get(language)
    if grammar is None:
        return question
    subject, said = "", ""
    for role, text in (*((turn.role, turn.content) for turn in history), ("user", question)):
        if role == "assistant":
            said = text
        elif role == "user" and not pleasantry(text, "", language):
            whole = _resolved(text, subject, said, grammar)
            known = not subject or _own_terms(whole, (text, subject, said), language)
            subject, said = whole if known else text, ""
    return question if pleasantry(question, "", language) else subject


def _own_terms(text: str, turns: Iterable[str], language: str) -> bool:
    """Whether every term of a text stands in one of the turns."""
    return set(terms(text, language)) <= {term for turn in turns for term in terms(turn, language)}


def _resolved(message: str, before: str, said: str, g: Grammar) -> str:
    """A message with the subject of the question before, where it leans on it."""
    words = words_of(message)
    if not before or not words or MATERIAL.search(message) or MATERIAL.search(before):
        return message
    if max(len(words), len(words_of(before))) > LONGEST:
        return message
    start = match.end() if (match := g.opener.match(message)) else 0
    rest = g.closer.sub("", message[start:]).strip(END + "¿¡ ")
    opened, closed = start > 0, bool(g.closer.search(message))
    inner = words_of(rest)
    if not inner:
        return message
    own = [w for w in inner if w.low not in g.light]
    clause = inner[0].low in g.asking or (len(inner) > 1 and inner[1].low in g.asking)
    if clause and not own and not pronouns(rest, g):
        return _joined(before, rest, g)  # "For how long?"
    if not clause and _is_fragment(inner, own, opened or closed, message, g):
        return _continued(rest, before, opened, g)
    if not g.asking:
        return message
    leaning = pronouns(message, g)
    if leaning and len(own) <= _most_words(inner, leaning[0].low, g):
        return _filled(message, leaning, placed(message, before, g), said, g)
    if opened and clause and len(own) <= 1:
        return _with_phrases(message, phrases(placed(message, before, g), g))
    return message


def words_of(text: str) -> list[Word]:
    """The words of a text."""
    return [Word(match[0], match.start(), match.end()) for match in WORD.finditer(text)]


def _most_words(inner: Sequence[Word], pronoun: str, g: Grammar) -> int:
    """How many words of its own a message may have and still lean: with more, it says itself what it is about."""
    if pronoun in g.plural | g.owning:
        return 2  # "do they keep personal data?" asks about whoever runs the place
    at = next((i for i, w in enumerate(inner) if w.low == pronoun), 0)
    return 6 if 1 <= at <= 3 and all(w.low in g.light | g.asking for w in inner[:at]) else 3


def _is_fragment(inner: Sequence[Word], own: Sequence[Word], marked: bool, message: str, g: Grammar) -> bool:
    """Whether words without a verb go on with the question before: "And in Ireland?", "Designers?", "On a Mac too?"."""
    if not message.rstrip().endswith("?") or len(inner) > 5:
        return False
    return marked or inner[0].low in g.prepositions or (bool(g.asking) and len(inner) == len(own) == 1)


def _continued(rest: str, before: str, opened: bool, g: Grammar) -> str:
    """The question before, about something else: in the place of what has the same preposition, or behind it."""
    inner = words_of(rest)
    places = prepositional(before, g)
    led = inner[0].low in g.prepositions
    if led and inner[-1].low in g.singular | g.plural | g.pointing and places:  # "and after it?"
        start, noun, end = places[-1]
        return f"{before[:start]}{rest[: inner[-1].start]}{before[noun:end]}{before[end:]}"
    if led:
        for start, _, end in reversed(places):
            if words_of(before[start:end])[0].low == inner[0].low:
                return f"{before[:start]}{_lowered(rest, g)}{before[end:]}"
    new = rest[inner[1].start :] if led and len(inner) > 1 else rest
    if new.casefold() in PLACES or ((opened or led) and not g.nouns_are_capital and _is_name(new)):
        for _, noun, end in reversed(places):
            if _is_name(before[noun:end]) and (not g.nouns_are_capital or before[noun:end].casefold() in PLACES):
                return f"{before[:noun]}{new}{before[end:]}"
    if not led and len(inner) > 1 and inner[0].low not in g.light:  # "annual leave" - "and sick leave?"
        same = re.search(rf"\b([^\W_]+)\s+{re.escape(inner[-1].text)}\b", before, re.IGNORECASE)
        if same and same[1].lower() not in g.light | g.prepositions | g.articles:
            return f"{before[: same.start()]}{rest}{before[same.end() :]}"
    return _joined(before, rest, g)


def _joined(before: str, rest: str, g: Grammar) -> str:
    return f"{before.rstrip(END)}, {_lowered(rest, g)}?"


def _lowered(rest: str, g: Grammar) -> str:
    """Words that began a message, inside of one: a function word loses its capital, a name keeps it."""
    first = words_of(rest)[0].low
    return rest[0].lower() + rest[1:] if first in g.prepositions | g.asking | g.light else rest


def _is_name(text: str) -> bool:
    return all(word.capital for word in words_of(text))


def placed(message: str, before: str, g: Grammar) -> str:
    """The question before, with a name in the place of its own where the message has one with the same preposition."""
    for start, noun, end in prepositional(message, g):
        lead = message[start:noun]
        for old, old_noun, old_end in prepositional(before, g):
            if before[old:old_noun].lower() == lead.lower() and _is_name(
                f"{message[noun:end]} {before[old_noun:old_end]}"
            ):
                return f"{before[:old_noun]}{message[noun:end]}{before[old_end:]}"
    return before


def prepositional(text: str, g: Grammar) -> list[tuple[int, int, int]]:
    """Where the prepositions with their nouns stand: start of the preposition, of the noun, and end."""
    found = []
    words = words_of(text)
    for index, word in enumerate(words[:-1]):
        if word.low not in g.prepositions:
            continue
        last = index
        for nearer, other in pairwise(words[index:]):
            apart = re.search(r"[,;:?!()]", text[nearer.end : other.start])
            named = nearer.capital and not other.capital and not g.nouns_are_capital and last > index
            if apart or named or (other.low in g.light | g.prepositions and other.low not in g.articles):
                break
            last += 1
        if last > index:
            found.append((word.start, words[index + 1].start, words[last].end))
    return found


def phrases(text: str, g: Grammar, actions: bool = False) -> list[str]:
    """What a question is about: its words between those that carry no topic, prepositions and articles kept inside.

    `actions`: with the verb that stands beside the one who asks ("report a sick day").
    """
    sentences = [part for part in re.split(r"(?<=[.?!])\s+", text) if part.strip()]
    if len(sentences) > 1:  # what is asked stands last, what it is asked about before it
        return [phrase for part in reversed(sentences) for phrase in phrases(part, g, actions)]
    words = words_of(text)
    spans = []
    for run in _runs(text, words, g, actions):
        while run and run[-1].low in g.prepositions | g.articles | g.light:
            run.pop()
        while run and run[0].low in g.prepositions | g.articles:
            run.pop(0)
        if run:
            first = words.index(run[0])
            article = first > 0 and words[first - 1].low in g.articles
            spans.append(text[words[first - article].start : run[-1].end])
    return spans


def _runs(text: str, words: Sequence[Word], g: Grammar, actions: bool) -> list[list[Word]]:
    """The words of a sentence, parted where a word carries no topic, at punctuation and at the verb."""
    runs: list[list[Word]] = [[]]
    for index, word in enumerate(words):
        if index and re.search(r"[,;:?!()]", text[words[index - 1].end : word.start]):
            runs.append([])
        inside = bool(runs[-1]) and word.low in g.prepositions | g.articles
        beside = words[max(0, index - 1) : index] if g.verb_last else words[index + 1 : index + 2]
        is_verb = any(w.low in g.actor for w in beside) and word.low not in g.light
        if is_verb and not actions:
            runs.append([])
        elif inside or word.low not in g.light:
            runs[-1].append(word)
        elif word.low not in g.actor or runs[-1]:
            runs.append([])
    return runs


def pronouns(message: str, g: Grammar) -> list[Word]:
    """The pronouns of a message for which nothing stands in the message itself."""
    empty = [match.span() for match in g.empty.finditer(message)]
    words = words_of(message)
    leaning = []
    for index, word in enumerate(words):
        name = word.capital and index and (g.nouns_are_capital or word.text.isupper())  # "Sie", "IT"
        if name or any(start <= word.start < end for start, end in empty):
            continue
        follows = words[index + 1] if index + 1 < len(words) else None
        if word.low in g.pointing:
            if _points_back(message, words, index, follows, g):
                leaning.append(word)
        elif word.low in g.singular | g.plural | g.owning | g.persons:
            before = _nouns(words[:index], g)
            if word.low not in g.owning:  # in its own clause a noun is the pronoun's neighbour, not what it stands for
                before = [w for w in before if g.clause.search(message, w.end, word.start)]
            several = word.low in g.plural or word.low == "their"
            if g.nouns_are_capital or word.low in g.persons:
                several = False
            if not [w for w in before if not several or w.low.endswith(("s", "people", "men"))]:
                leaning.append(word)
    return leaning


def _nouns(words: Sequence[Word], g: Grammar) -> list[Word]:
    own = [w for w in words if w.low not in g.light | g.prepositions]
    return [w for w in own if w.capital] if g.nouns_are_capital else own


def _points_back(message: str, words: Sequence[Word], index: int, follows: Word | None, g: Grammar) -> bool:
    """Whether "that" is a pronoun for what was said before: no relative, no "this year", nothing before it to mean."""
    if index and not g.nouns_are_capital and words[index - 1].low not in g.light | g.prepositions | g.asking:
        return False  # "a file that Excel opens", "say that employees"
    if index and "," in message[words[index - 1].end : words[index].start]:
        return False  # "das Formular, das"
    if message[words[index].end :].lstrip().startswith(":"):
        return False  # "rewrite this: ..."
    nouns = [w for w in words[index + 1 : index + 3] if w.capital] if g.nouns_are_capital and follows else []
    if (
        follows
        and follows.low not in g.light | g.prepositions | g.asking
        and (nouns if g.nouns_are_capital else not follows.low.endswith("ed"))
    ):
        return False  # "this year", "these forms", "das Formular"
    if g.action.search(message, max(0, words[index].start - 6), words[index].end + 8):
        return True
    return not [w for w in _nouns(words[:index], g) if g.clause.search(message, w.end, words[index].start)]


def _filled(message: str, leaning: Sequence[Word], before: str, said: str, g: Grammar) -> str:
    """The message with the subject of the question before in the place of its pronoun, and the rest behind."""
    word = leaning[0]
    head, tail = message[: word.start], message[word.end :]
    if word.low in g.persons:
        names = NAME.findall(without_markers(said))
        if not names:
            return message
        owner = word.low in ("her", "his") and re.match(r"\s+[^\W\d]", tail)
        return f"{head}{names[0]}{chr(39) + 's' if owner else ''}{tail}"
    action = g.action.search(message)
    if action and action.start() <= word.start < action.end() and (doing := phrases(before, g, actions=True)):
        whole = f"{message[: action.start()]}{doing[0]}{message[action.end() :]}"
        return _with_phrases(whole, doing[1:])
    follows = words_of(tail)[0].low if words_of(tail) else ""
    passive = follows.endswith("ed") or follows in ("be", "been", "paid")  # a thing is changed, not an action
    subject = bool(words_of(head)) and words_of(head)[-1].low not in g.prepositions and bool(follows)
    found = phrases(before, g, actions=(subject and not passive) or word.low in ("that", "this"))
    if not found:
        return message
    wordy = len(words_of(found[0])) > MOST_WORDS
    if wordy or word.low in g.owning or (g.nouns_are_capital and word.low in g.pointing - {"das", "dies"}):
        return _with_phrases(message, found)
    return _with_phrases(f"{head}{found[0]}{tail}", found[1:])


def _with_phrases(message: str, found: Sequence[str]) -> str:
    if not found:
        return message
    return f"{message.rstrip(END)} ({', '.join(found)})?"
