"""Patterns of names: which names one takes, whether one takes all that another does, and what is wrong with one.

`*` and `?` stay within one name, `**/` as a part of its own is any folders, `**` is anything. Names and patterns are
compared in Unicode's form NFC. A pattern is run as an automaton, a bit for each of its places: there is nothing to go
back to, so that no pattern takes longer than its length times that of the name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 1024
"""Letters of a pattern."""
MOST_PAIRS = 500
"""Pairs of states that are looked at before two patterns count as unrelated."""
_OTHER = "\0"
"""A letter that stands in no pattern."""
LOOKS_LIKE = str.maketrans(
    "асеорхуіјѕԁһӏԛԝАВЕКМНОРСТХѕϳοαρνΑΒΕΖΗΙΚΜΝΟΡΤΥΧıℓ\u2010\u2011\u2012\u2013\u2014\u2212",
    "aceopxyijsdhlqwABEKMHOPCTXsjoapvABEZHIKMNOPTYXil------",
)
"""Letters of other alphabets, and dashes, that nobody tells from those of a keyboard."""


def nfc(name: str) -> str:
    """A name in the form that names are compared in: accents joined to their letters."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def matches(glob: str, name: str) -> bool:
    """Whether a pattern takes a whole name."""
    return _automaton(nfc(glob)).takes(nfc(name))


def first_of(globs: tuple[str, ...], name: str) -> int | None:
    """The number, from 0, of the first pattern that takes a whole name."""
    same = nfc(name)
    return next((number for number, automaton in enumerate(_automata(globs)) if automaton.takes(same)), None)


def covers(wide: str, narrow: str) -> bool:
    """Whether the first pattern takes every name that the second takes; False, too, where that is too much work."""
    one, other = _automaton(nfc(wide)), _automaton(nfc(narrow))
    # A name of the narrow one that the wide one does not take ends most questions at once.
    if any(not one.takes(nfc(name)) for name in _names_of(narrow)):
        return False
    alphabet = {"/", _OTHER, *one.letters, *other.letters}
    pairs = [(one.first, other.first)]
    seen = set(pairs)
    for a, b in pairs:
        if b & other.end and not a & one.end:
            return False
        if len(pairs) > MOST_PAIRS:
            return False
        for letter in alphabet:
            # What the narrow pattern cannot go on from is no name of its own.
            if (pair := (one.after(a, letter), other.after(b, letter)))[1] and pair not in seen:
                seen.add(pair)
                pairs.append(pair)
    return True


def _names_of(glob: str) -> tuple[str, ...]:
    """Two of the names that a pattern takes: with as little as it can be, and with more."""
    short = glob.replace("**/", "").replace("*", "")
    long = glob.replace("**/", f"{_OTHER}/").replace("**", f"{_OTHER}/{_OTHER}").replace("*", _OTHER)
    return tuple(name.replace("?", _OTHER) for name in (short, long) if matches(glob, name.replace("?", _OTHER)))


def invisible(name: str) -> str:
    """The first letter of a name that cannot be seen (zero width, direction, filler), or nothing.

    The joiner and the style of an emoji between symbols are seen: they make another picture.
    """
    if name.isascii():
        return ""
    for place, letter in enumerate(name):
        category = unicodedata.category(letter)
        hidden = category in ("Cf", "Zl", "Zp") or letter in _FILLERS or unicodedata.name(letter, "").startswith("VAR")
        if hidden and not (letter in "\u200d\ufe0e\ufe0f" and _is_of_symbol(name, place)):
            return letter
    return ""


def folded(name: str) -> str:
    """A name as a hurried reader sees it: without case, width, invisible letters, look-alikes and doubled spaces."""
    plain = unicodedata.normalize("NFKC", "".join(c for c in name if not invisible(c))).translate(LOOKS_LIKE)
    spaced = "/".join(" ".join(part.split()) for part in plain.split("/"))
    return unicodedata.normalize("NFC", spaced.casefold().translate(LOOKS_LIKE))


@dataclass(frozen=True)
class GlobMistake:
    """What is wrong with a pattern, at which of its letters, and what to write instead."""

    offset: int
    message: str


def mistakes_of(glob: str) -> list[GlobMistake]:
    """Everything in a pattern that other tools know and that means nothing here, or cannot take a document."""
    if not glob.strip():
        return [GlobMistake(0, 'is empty; write "**" for every document')]
    if len(glob) > LONGEST:
        return [GlobMistake(0, f"has {len(glob)} letters; at most {LONGEST} are read")]
    found = [GlobMistake(at, message) for at, message in _unsupported(glob)]
    if hidden := invisible(glob) or next((c for c in glob if unicodedata.category(c) == "Cc"), ""):
        name = unicodedata.name(hidden, "a control character").lower()
        found.append(
            GlobMistake(
                glob.index(hidden), f"holds a letter that cannot be seen (U+{ord(hidden):04X}, {name}); remove it"
            )
        )
    return sorted(found, key=lambda mistake: mistake.offset)


def _unsupported(glob: str) -> Iterator[tuple[int, str]]:
    """Syntax of shells, of .gitignore and of paths."""
    inner = glob.strip().strip("/") or "**"
    if glob != glob.strip():
        at = 0 if glob[0].isspace() else len(glob.rstrip())
        yield at, f'begins or ends with a space; write "{glob.strip()}"'
    if glob.startswith("!"):
        yield 0, f'"!" takes nothing back; put a rule for "{glob[1:]}" above the one that it is an exception of'
    if glob.startswith("/"):
        yield 0, f'begins with "/", and paths begin below the documents folder; write "{inner}"'
    elif glob.startswith("~/"):
        yield 0, 'begins with "~", and paths begin below the documents folder'
    if glob.endswith("/"):
        yield len(glob) - 1, f'ends with "/", which no file does; write "{inner}/**"'
    for at in (m.start() for m in re.finditer(r"(?<=[^/])//", glob)):
        yield at + 1, f'an empty part; write "{re.sub("//+", "/", glob)}"'
    for part in re.finditer(r"(?:(?<=/)|^)\.\.?(?=/|$)", glob):
        rest = re.sub(r"(^|/)\.\.?(?=/)", "", glob).strip("/")
        yield part.start(), f'the part "{part[0]}" is in no document\'s path; write "{rest}"'
    for stars in re.finditer(r"\*{3,}", glob):
        yield stars.start(), 'three stars mean nothing; write "**" for any folders, "*" within one name'
    for sign in re.finditer(r"[{\[(|\\]", glob):
        yield sign.start(), _written_out(glob, sign.start())


def _written_out(glob: str, at: int) -> str:
    """What to write instead of alternatives, sets and escapes."""
    if glob[at] == "\\":
        slashed = re.sub(r"[/\\]+", "/", glob)
        return f'"\\" escapes nothing and parts no folders; write "{slashed}", or "?" for one letter'
    if alternatives := re.match(r"[{(]([^{}()]*)[})]", glob[at:]):
        words = re.split(r"[,|]", alternatives[1])
        rules = [f'"{glob[:at]}{word}{glob[at + alternatives.end() :]}"' for word in words[:4]]
        more = " and so on" if len(words) > 4 else ""
        each = f"write a rule for each: {', '.join(rules)}{more}"
        return f'"{glob[at]}" begins no alternatives; {each}, or "?" for a "{glob[at]}"'
    kind = "set" if glob[at] == "[" else "alternative"
    return f'"{glob[at]}" begins no {kind}; write a rule for each, or "?" for one letter'


@dataclass(frozen=True)
class _Automaton:
    """Places of a pattern as bits; which of them a letter leads on from, and which of them it may stay in."""

    prefix: str
    """Letters that every name begins with."""
    letters: dict[str, int]
    one: int
    """`?`: on to the next place by anything but a slash."""
    within: int
    """`*`: stays by anything but a slash."""
    anything: int
    """`**`: stays by anything."""
    folders: int
    """Inside of `**/`: stays by anything, and goes on by a slash."""
    skips: tuple[int, int]
    """Places that are left without a letter: to the next one, to the one after that."""
    end: int
    rest: int
    """A last `**`: whoever is there is through."""

    @property
    def first(self) -> int:
        """The states before any letter; of `covers`, which does not skip the prefix."""
        return self._settled(1)

    def takes(self, name: str) -> bool:
        """Whether the whole name leads to the end."""
        if not name.startswith(self.prefix):
            return False
        states = self._settled(1 << len(self.prefix))
        for letter in name[len(self.prefix) :]:
            if states & self.rest:
                return True
            if not (states := self.after(states, letter)):
                return False
        return bool(states & self.end)

    def after(self, states: int, letter: str) -> int:
        """The states behind one more letter."""
        if letter == "/":
            on, stay = self.letters.get("/", 0) | self.folders, self.anything | self.folders
        else:
            on, stay = self.letters.get(letter, 0) | self.one, self.anything | self.folders | self.within
        return self._settled((states & on) << 1 | states & stay)

    def _settled(self, states: int) -> int:
        one, two = self.skips
        while (more := states | (states & one) << 1 | (states & two) << 2) != states:
            states = more
        return states


@lru_cache(maxsize=4096)
def _automaton(glob: str) -> _Automaton:
    letters: dict[str, int] = {}
    one = within = anything = folders = skip = leap = 0
    place, bit = 0, 1
    while place < len(glob):
        if glob.startswith("**/", place) and glob[place - 1 : place] in ("", "/"):
            while glob.startswith("**/**/", place):
                place += 3
            skip, leap, folders = skip | bit, leap | bit, folders | bit << 1
            place, bit = place + 3, bit << 2
            continue
        letter, width = glob[place], 2 if glob.startswith("**", place) else 1
        if width == 2:
            anything, skip = anything | bit, skip | bit
        elif letter == "*":
            within, skip = within | bit, skip | bit
        elif letter == "?":
            one |= bit
        else:
            letters[letter] = letters.get(letter, 0) | bit
        place, bit = place + width, bit << 1
    prefix = re.match(r"[^*?]*", glob)
    rest = bit >> 1 & anything
    return _Automaton(prefix[0] if prefix else "", letters, one, within, anything, folders, (skip, leap), bit, rest)


@lru_cache(maxsize=64)
def _automata(globs: tuple[str, ...]) -> tuple[_Automaton, ...]:
    return tuple(_automaton(nfc(glob)) for glob in globs)


def _is_of_symbol(name: str, place: int) -> bool:
    """Whether what stands before and, for a joiner, behind a place is a symbol."""
    around = [name[place - 1 : place]] + ([name[place + 1 : place + 2]] if name[place] == "\u200d" else [])
    return all(c and (c in "\ufe0f0123456789#*" or unicodedata.category(c)[0] == "S") for c in around)


_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters that are drawn as nothing, and are no spaces."""
