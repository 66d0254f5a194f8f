"""YAML files to trees with places, or every problem of their text. No tags, no anchors; bounded in size and depth.

Reads the parser's events one by one, so that a hostile file is refused before anything is built of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from raftops.spec.position import Loc, Located, Place, Source, dotted, quoted
from raftops.spec.scalar import NotPlain, is_merge_key, scalar
from raftops.spec.syntax import syntax_problem
from raftops.spec.tree import Entry, Items, Leaf, Mapping, Tree

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Read:
    """What a file gave: its tree if one could be built, and its problems."""

    source: Source
    tree: Mapping | None = None
    problems: list[Located] = field(default_factory=list)
    broken: dict[Loc, Place] = field(default_factory=dict)
    """Locations that already have a problem, and where it was shown; what stands there is not to be believed."""


class _Stop(Exception):
    """Nothing more can be read from this file."""


def read_yaml(path: Path, holds: str = "a mapping") -> Read:
    """Read one file; never raises for what is wrong with it. `holds` says what the top level should be."""
    text, problem = _text(path)
    if problem:
        return Read(problem.place.source, problems=[problem])
    read = Read(Source(str(path), tuple(_BREAK.split(text))))
    try:
        read.tree = _Builder(read).build(text, holds)
    except _Stop:
        return read
    except yaml.YAMLError as error:
        read.problems.append(syntax_problem(error, read.source))
    return read


def _text(path: Path) -> tuple[str, Located | None]:
    """The file's text, or the one problem that keeps it from being read."""
    whole = Place(Source(str(path)))
    if path.is_dir():
        inside = sorted(p for p in path.glob("*.y*ml") if p.is_file())
        such_as = f", such as {inside[0]}" if inside else ""
        return "", Located(whole, "", f"is a folder; name a file in it{such_as}")
    try:
        if path.exists() and not path.is_file():
            return "", Located(whole, "", "is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        names = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = get_close_matches(path.name, names, 1, 0.6)
        meant = f", did you mean {path.parent / close[0]}?" if close else ""
        return "", Located(whole, "", f"no such file{meant}")
    except (OSError, ValueError) as error:
        return "", Located(whole, "", f"cannot be read ({getattr(error, 'strerror', None) or error})")
    if len(data) > MAX_BYTES:
        return "", Located(whole, "", f"is larger than {MAX_BYTES >> 20} MiB; that is data, not a spec")
    return _decoded(str(path), data)


def _decoded(name: str, data: bytes) -> tuple[str, Located | None]:
    """Bytes as text, or the first of them that YAML does not take."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "", Located(Place(Source(name)), "", "is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = _BREAK.split(data.decode("utf-8", "replace"))
        before = _BREAK.split(data[: error.start].decode("utf-8", "replace"))
        place = Place(Source(name, tuple(lines)), len(before), len(before[-1]) + 1)
        return "", Located(place, "", f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad is None:
        return text, None
    before = _BREAK.split(text[: bad.start()])
    place = Place(Source(name, tuple(_BREAK.split(text))), len(before), len(before[-1]) + 1)
    return "", Located(place, "", f"the control character U+{ord(bad.group()):04X} is not allowed in YAML")


class _Builder:
    """Builds a tree from parser events and collects what is wrong on the way."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._events: Iterator[Any] = iter(())

    def build(self, text: str, holds: str) -> Mapping:
        """The one document of the file."""
        self._events = iter(yaml.parse(text, Loader=_LOADER))
        next(self._events)
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            what = "has only comments" if text.strip() else "is empty"
            raise self._stop(Place(self._read.source), (), f"the file {what}; it must hold {holds}")
        tree = self._node(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(tree, Mapping):
            found = "a list" if isinstance(tree, Items) else "a single value" if tree.text else "nothing"
            place = Place(self._read.source) if found == "nothing" else tree.place
            raise self._stop(place, (), f"the file must hold {holds}, found {found}")
        if isinstance(after, yaml.DocumentStartEvent):
            self._problem(self._place(after), (), "a second document starts here; a file holds one")
        return tree

    def _node(self, event: Any, loc: Loc) -> Tree:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            said = f"aliases (*{event.anchor}) are not allowed; put text that begins with * in quotes"
            self._problem(place, loc, f"{said}, or write the value out")
            return Leaf(None, place, f"*{event.anchor}")
        if len(loc) > MAX_DEPTH:
            raise self._stop(place, loc[:4], f"is nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self._problem(
                place, loc, f"anchors (&{event.anchor}) are not allowed; write the value out where it is used"
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(place, loc, f"the tag {quoted(tag)} is not allowed; write a plain value")
        if isinstance(event, yaml.ScalarEvent):
            return self._leaf(event, place, loc)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, loc)
        items: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*loc, len(items))))
        return Items(tuple(items), place)

    def _leaf(self, event: Any, place: Place, loc: Loc) -> Leaf:
        """A scalar: text where it is quoted or tagged, else what YAML reads it as."""
        if not event.implicit[0] or event.tag is not None:
            return Leaf(event.value, place, event.value or '""')
        try:
            return Leaf(scalar(event.value), place, event.value)
        except NotPlain as error:
            self._problem(place, loc, str(error))
            return Leaf(event.value, place, event.value)

    def _mapping(self, place: Place, loc: Loc) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, spot = self._key(event, loc)
            tree = self._node(next(self._events), (*loc, key))
            if key in entries:
                line = entries[key].key.line
                self._problem(spot, (*loc, key), f"is given twice, first on line {line}; keep one")
            else:
                entries[key] = Entry(spot, tree)
        return Mapping(entries, place)

    def _key(self, event: Any, loc: Loc) -> tuple[str, Place]:
        spot = self._place(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, (*loc, "?"))
            self._problem(spot, loc, "a key must be text")
            return "?", spot
        loc = (*loc, event.value)
        if event.implicit[0] and is_merge_key(event.value):
            self._problem(spot, loc, "merge keys (<<) are not allowed; write the keys out")
            return event.value, spot
        leaf = self._node(event, loc)
        # Its own problem, such as a date for a key, is reported by then.
        if loc not in self._read.broken and isinstance(leaf, Leaf) and not isinstance(leaf.value, str):
            read_as = "nothing" if leaf.value is None else str(leaf.value).lower()
            self._problem(spot, loc, f"a key must be text, and YAML reads this one as {read_as}; put it in quotes")
        return event.value, spot

    def _place(self, event: Any) -> Place:
        return Place(self._read.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def _problem(self, place: Place, loc: Loc, message: str) -> None:
        self._read.problems.append(Located(place, dotted(loc), message))
        self._read.broken[loc] = place

    def _stop(self, place: Place, loc: Loc, message: str) -> _Stop:
        self._problem(place, loc, message)
        return _Stop()
