"""Reads an access file as specs are read: bounded, without anchors and tags, every mistake at its place, all at once.

What is decided with it is said in `raftops.access`; what its rules decide about a folder, in `raftops.spec.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.errors import AccessError
from raftops.globs import invisible, mistakes_of, nfc
from raftops.spec.position import Located, Place, dotted, quoted, report
from raftops.spec.read import Read, read_yaml
from raftops.spec.tree import Items, Leaf, Mapping, at, letter_of, place_of
from raftops.spec.typed import typed


@dataclass(frozen=True)
class AccessFile:
    """An access file with the places of what stands in it."""

    read: Read
    value: AccessPolicies | None
    """What it says; None where it has problems."""
    problems: tuple[Located, ...] = ()

    def sound(self) -> AccessPolicies:
        """What it says. Raises one `AccessError` with every problem at file, line and column."""
        if self.value is None:
            advice = f"mend {self.read.source.name}; until then nobody may read anything by it"
            raise AccessError(report(self.problems), next_step=advice)
        return self.value

    def place(self, *loc: str | int) -> Place:
        """Where something stands."""
        return place_of(self.read.tree, loc) if self.read.tree else Place(self.read.source)

    def located(self, message: str, *loc: str | int) -> Located:
        """A problem with something that stands in it."""
        return Located(self.place(*loc), dotted(loc), message)


def read_access(path: Path) -> AccessFile:
    """Read an access file; never raises for what is wrong with it."""
    read = read_yaml(path, "groups, policies and documents")
    if read.tree is None:
        return AccessFile(read, None, tuple(read.problems))
    result = typed(AccessPolicies, read.tree, read.broken)
    problems = (*read.problems, *result.problems, *_odd_names(read.tree), *_odd_patterns(read.tree))
    return AccessFile(read, None if problems else result.value, problems)


def load_access(path: Path) -> AccessPolicies:
    """What an access file says. Raises one `AccessError` with every problem at file, line and column."""
    return read_access(path).sound()


def _odd_patterns(tree: Mapping) -> Iterator[Located]:
    """Patterns that are not written as they are read, at the column of each mistake."""
    rules = at(tree, ("documents",))
    for number in range(len(rules.items) if isinstance(rules, Items) else 0):
        loc = ("documents", number, "match")
        node = at(tree, loc)
        text = node.value if isinstance(node, Leaf) else None
        if isinstance(text, str) and text:
            for mistake in mistakes_of(text):
                yield Located(letter_of(tree, loc, mistake.offset), dotted(loc), f"{quoted(text)}: {mistake.message}")


def _odd_names(tree: Mapping) -> list[Located]:
    """Names of groups and policies that cannot be told apart: by letters that are not seen, or by their form alone."""
    found = []
    for section in ("groups", "policies"):
        node = at(tree, (section,))
        seen: dict[str, int] = {}
        for name, entry in node.entries.items() if isinstance(node, Mapping) else ():
            if not name.strip():
                found.append(Located(entry.key, dotted((section, name)), "has no name; write one, or remove it"))
            if hidden := invisible(name):
                message = f"the name holds a letter that cannot be seen (U+{ord(hidden):04X}); remove it"
                found.append(Located(entry.key, dotted((section, name)), message))
            if nfc(name) in seen:
                message = f"is the same name as on line {seen[nfc(name)]}, in another Unicode form; keep one"
                found.append(Located(entry.key, dotted((section, name)), message))
            seen.setdefault(nfc(name), entry.key.line)
    return found
