"""A YAML tree that remembers its places: values, look-up, merge. Reading files is `read.py`'s work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from raftops.spec.position import Loc, Place

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Leaf:
    """A scalar, with the text it was written as."""

    value: Scalar
    place: Place
    text: str = ""


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Tree, ...]
    place: Place


@dataclass(frozen=True)
class Entry:
    """A key's place and what stands under it."""

    key: Place
    tree: Tree


@dataclass(frozen=True)
class Mapping:
    """A mapping with text keys, in the order of the file."""

    entries: dict[str, Entry]
    place: Place


Tree = Leaf | Items | Mapping


def plain(tree: Tree) -> Any:
    """The tree as Python values; lists become tuples."""
    if isinstance(tree, Leaf):
        return tree.value
    if isinstance(tree, Items):
        return tuple(plain(item) for item in tree.items)
    return {key: plain(entry.tree) for key, entry in tree.entries.items()}


def merge(base: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `base`: mappings key by key, anything else replaced. Every value keeps its place."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        old = entries.get(key)
        if old and isinstance(old.tree, Mapping) and isinstance(entry.tree, Mapping):
            entries[key] = Entry(old.key, merge(old.tree, entry.tree))
        else:
            entries[key] = entry
    return Mapping(entries, base.place)


def at(tree: Tree, loc: Loc) -> Tree | None:
    """What stands at a location, if anything does."""
    found: Tree | None = tree
    for part in loc:
        found = _child(found, part)
    return found


def place_of(tree: Tree, loc: Loc, *, key: bool = False) -> Place:
    """Where to point for a location: a scalar or list item itself, else the key; for a missing one its parent."""
    place = tree.place
    for depth, part in enumerate(loc):
        child = _child(tree, part)
        if child is None:
            break
        wrong_key = key and depth == len(loc) - 1
        written = isinstance(child, Leaf) and child.text != ""
        place = child.place
        if isinstance(tree, Mapping) and (wrong_key or not written):
            place = tree.entries[str(part)].key
        tree = child
    return place


def letter_of(tree: Tree, loc: Loc, offset: int) -> Place:
    """The place of a letter of a text, where the text stands in its line as it is: behind a quotation mark, or bare."""
    node, place = at(tree, loc), place_of(tree, loc)
    if not isinstance(node, Leaf) or not isinstance(node.value, str) or not node.value:
        return place
    lines = place.source.lines
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    begins = line.find(node.value, place.column - 1)
    return Place(place.source, place.line, begins + 1 + offset) if begins >= 0 else place


def walk(tree: Tree, loc: Loc = ()) -> Iterator[tuple[Loc, Tree]]:
    """Every node with its location, parents first."""
    yield loc, tree
    children: Iterator[tuple[str | int, Tree]] = iter(())
    if isinstance(tree, Items):
        children = iter(enumerate(tree.items))
    elif isinstance(tree, Mapping):
        children = ((key, entry.tree) for key, entry in tree.entries.items())
    for part, child in children:
        yield from walk(child, (*loc, part))


def _child(tree: Tree | None, part: str | int) -> Tree | None:
    if isinstance(tree, Mapping) and isinstance(part, str):
        entry = tree.entries.get(part)
        return entry.tree if entry else None
    if isinstance(tree, Items) and isinstance(part, int) and 0 <= part < len(tree.items):
        return tree.items[part]
    return None
