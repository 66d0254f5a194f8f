"""What rules and patterns of a project decide about its files, and what of that was probably not meant.

A rule that misses its documents by a letter leaves them to a wider one, and nobody is told: here it is told. Looks at
names; which documents are copies of each other is the validation's to say.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from raftops.access import AccessPolicies
from raftops.globs import covers, first_of, folded, matches, nfc
from raftops.spec.model.knowledge import Documents, takes_file
from raftops.spec.position import quoted

EVERYTHING = ("**", "**/*")
CLOSE = 0.84
"""Likeness of two names from which on one may be the other, mistyped."""


@dataclass(frozen=True)
class Doubt:
    """Something about a rule or a pattern that is hardly meant."""

    number: int
    """Of the rule or pattern, from 0."""
    message: str
    kind: Literal["unreached", "idle", "mistyped", "missed", "gone", "close"] = "idle"
    """A rule that nothing can reach; that decides nothing; nothing, where a name is close; that misses a document by
    its look alone; that decided something once; and one that decides something, while another name is close."""
    documents: tuple[str, ...] = ()
    """The documents that were meant, as far as that is known: wider rules decide about them."""

    @property
    def mistake(self) -> bool:
        """Whether it must be mended; otherwise it is worth knowing."""
        return self.kind not in ("gone", "close")


def names_below(folder: Path) -> tuple[str, ...]:
    """Paths below a folder in the form that names are compared in, hidden ones left out; none where it is not there."""
    found = list[str]()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name).relative_to(folder).as_posix() for name in names if not name.startswith(".")]
    return tuple(sorted(map(nfc, found)))


def rule_doubts(
    access: AccessPolicies, files: Sequence[str], folder: str, before: Collection[str] = ()
) -> Iterator[Doubt]:
    """Rules that decide nothing, or that miss a document by so little that it was meant.

    `files` are all files below the folder: one that this spec does not take may be one that a spec beside it does.
    `before` are the documents of the last run: a rule that decided one of them was not mistyped.
    """
    patterns = tuple(rule.match for rule in access.documents)
    decided = {doc_id: first_of(patterns, doc_id) for doc_id in files}
    missed, close = _missed(access, decided), _resembled(access, decided)
    busy = {*decided.values(), *missed}
    for number, rule in enumerate(access.documents):
        last = number == len(access.documents) - 1
        near = tuple(close.get(number, ()))
        if number in missed:
            taker = access.documents[decided[missed[number][0]] or 0]
            message = (
                f"misses {_listed(missed[number])} by case, look or width of letters alone, so that "
                f"{quoted(taker.match)} below it decides (policy {taker.policy})"
            )
            meant = meant_pattern(rule.match, missed[number])
            yield Doubt(number, f"{message}{meant}; otherwise rename the document", "missed", tuple(missed[number]))
        elif number not in busy and not (last and rule.match in EVERYTHING):
            yield from _idle(access, number, files, folder, before, near)
        elif near:
            yield Doubt(number, _beside(access, number, near, decided), "close", near)
        elif "/" not in rule.match and rule.match not in ("*", *EVERYTHING):
            # .gitignore would take such a name in every folder
            below = [d for d, n in decided.items() if n and n > number and matches(rule.match, d.rpartition("/")[2])]
            wider = {d: access.documents[decided[d] or 0] for d in below}
            deep = [d for d in below if not access.readers(wider[d].policy) <= access.readers(rule.policy)]
            if deep:
                message = f"takes names beside the folders only: {quoted(wider[deep[0]].match)} decides {_listed(deep)}"
                yield Doubt(number, f'{message}; write "**/{rule.match}" for every folder', "close", tuple(deep))


def missed_by(access: AccessPolicies, doc_id: str, decides: int | None, opened: bool = True) -> int | None:
    """The rule above the one that decides about a document that misses it by case, look or width of letters alone.

    None where there is none, where it would have kept nobody out (with `opened`), or where the one that decides names
    the document as closely: that is meant.
    """
    if decides is None:
        return None
    number = first_of(tuple(_folded(rule.match) for rule in access.documents), folded(doc_id))
    if number is None or number >= decides:
        return None
    rule, decider = access.documents[number], access.documents[decides]
    pattern, taker = _folded(rule.match), _folded(decider.match)
    meant = taker == pattern or 0 < len(_beginning(pattern)) <= len(_beginning(taker))
    closes = access.readers(decider.policy) <= access.readers(rule.policy)
    return None if meant or (opened and closes) else number


def pattern_doubts(documents: Documents, files: Sequence[str]) -> Iterator[tuple[str, Doubt]]:
    """(include or exclude, doubt) of the patterns of a spec that match nothing, or miss a file by its case alone."""
    written = {"include": documents.include, "exclude": documents.exclude}
    if documents.include == Documents.model_fields["include"].default:
        written.pop("include")
    taken = {name for name in files if documents.takes(name)}
    for field, patterns in written.items():
        for number, pattern in enumerate(patterns):
            # An exclude that misses lets a file in, an include that misses keeps one out.
            wrong = [name for name in files if (name in taken) == (field == "exclude")]
            near = [name for name in wrong if matches(_folded(pattern), folded(name))]
            near = [name for name in near if not any(takes_file(other, name) for other in patterns)]
            if near:
                does = "takes" if field == "exclude" else "leaves out"
                message = f"{quoted(pattern)} misses {_listed(near)} by case, look or width of letters alone"
                message += f", so that the spec {does} it; rename it, or write the pattern as it is named"
                yield field, Doubt(number, message, "missed", tuple(near))
            elif not any(takes_file(pattern, name) for name in files):
                meant = meant_pattern(pattern, files)
                yield field, Doubt(number, f"{quoted(pattern)} matches no file{meant}", "mistyped" if meant else "gone")


def meant_pattern(pattern: str, files: Collection[str]) -> str:
    """`, did you mean x?` of a pattern without a match, where a folder or a document has a name that is close."""
    folders, documents = _by_look(tuple(files))
    start = _beginning(pattern)
    rest = pattern[len(start) :]
    if start and not rest and f"{start.rstrip('/')}/" in folders.values():
        return f", did you mean {start.rstrip('/')}/**?"
    # What has a star behind it begins with a folder; only a whole name may be a document's.
    known = folders if rest else {**documents, **folders}
    close = get_close_matches(_folded(start), known, 1, 0.6) if start else []
    return f", did you mean {known[close[0]]}{rest if close[0] in folders else ''}?" if close else ""


@lru_cache(maxsize=4)
def _by_look(files: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Folders and documents by what a hurried reader sees of their names."""
    folders = {name[: at + 1]: None for name in files for at, letter in enumerate(name) if letter == "/"}
    return {folded(name): name for name in sorted(folders)}, {folded(name): name for name in sorted(files)}


def _idle(
    access: AccessPolicies,
    number: int,
    files: Sequence[str],
    folder: str,
    before: Collection[str],
    near: tuple[str, ...],
) -> Iterator[Doubt]:
    """Why a rule decides no document, where it should."""
    rule, above = access.documents[number], access.documents[:number]
    cover = next((r.match for r in above if r.match in EVERYTHING), None)
    cover = cover or next((r.match for r in above if covers(r.match, rule.match)), None)
    first = next((name for name in files if matches(rule.match, name)), None)
    if cover in EVERYTHING:
        message = f"is never reached: {quoted(cover)} above it takes every document; move it up"
        yield Doubt(number, message, "unreached")
    elif cover:
        message = f"decides no document, and never will: what it matches is taken by {quoted(cover)} above it"
        yield Doubt(number, f"{message}; move it up, or remove it", "unreached")
    elif rule.allow_empty:
        return
    elif first:
        taker = next(r.match for r in above if matches(r.match, first))
        message = f"decides no document: {first} and its like are taken by {quoted(taker)} above it"
        yield Doubt(number, f"{message}; move it up, or remove it")
    elif gone := [doc_id for doc_id in before if matches(rule.match, doc_id)]:
        message = f"matches no document in {folder} any more; in the last run it decided {_listed(gone)}"
        advice = "where that was renamed or moved, another rule decides about it now; otherwise say allow_empty: true"
        yield Doubt(number, f"{message}: {advice}", "gone", tuple(gone))
    else:
        meant = meant_pattern(rule.match, files)
        advice = "; mend it, remove the rule, or keep it for documents to come with allow_empty: true"
        yield Doubt(number, f"matches no document in {folder}{meant or advice}", "mistyped" if meant else "idle", near)


def _beside(access: AccessPolicies, number: int, near: Sequence[str], decided: dict[str, int | None]) -> str:
    """What of the folder that a rule names, or of one whose name is close, a wider rule decides."""
    named = "/".join(_named_folders(access.documents[number].match))
    place = "/".join(near[0].split("/")[: named.count("/") + 1])
    taker = f"{quoted(access.documents[decided[near[0]] or 0].match)} decides {_listed(near)}"
    if folded(place) == folded(named):
        return f"takes not all below {place}/: {taker}; write {place}/**, or give the rest a rule of its own"
    return f"does not match {place}/, whose name is close: {taker}; give {place}/ a rule of its own"


def _missed(access: AccessPolicies, decided: dict[str, int | None]) -> dict[int, list[str]]:
    """By rule, the documents that a wider one decides because it misses them by nothing that a reader sees."""
    found: dict[int, list[str]] = {}
    for doc_id, number in decided.items():
        if (missed := missed_by(access, doc_id, number)) is not None:
            found.setdefault(missed, []).append(doc_id)
    return found


def _resembled(access: AccessPolicies, decided: dict[str, int | None]) -> dict[int, list[str]]:
    """By rule, the documents that a wider one decides, though their folder has the restricted name, or nearly."""
    beside: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for doc_id, number in decided.items():
        folders = tuple(doc_id.split("/")[:-1])
        if number is not None and folders and not _named_folders(access.documents[number].match):
            beside.setdefault((folders, number), []).append(doc_id)
    named = [_named_folders(rule.match) for rule in access.documents]
    readers = [access.readers(rule.policy) for rule in access.documents]
    found: dict[int, list[str]] = {}
    for (folders, number), documents in beside.items():
        for above in range(number):
            # As many folders as the rule names, each close: and the rule would have kept somebody out.
            opened = bool(named[above]) and not readers[number] <= readers[above]
            if opened and len(folders) >= len(named[above]) and all(map(_is_close, named[above], folders)):
                found.setdefault(above, []).extend(documents)
    return found


@lru_cache(maxsize=4096)
def _named_folders(pattern: str) -> tuple[str, ...]:
    """The folders that a pattern names before its first star."""
    parts = pattern.split("/")[:-1]
    wild = next((place for place, part in enumerate(parts) if "*" in part or "?" in part), len(parts))
    return tuple(parts[:wild])


@lru_cache(maxsize=65_536)
def _is_close(named: str, there: str) -> bool:
    one, other = _folded(named), _folded(there)
    if one == other or min(len(one), len(other)) < 4:
        return one == other
    matcher = SequenceMatcher(None, one, other)
    return matcher.real_quick_ratio() >= CLOSE and matcher.quick_ratio() >= CLOSE and matcher.ratio() >= CLOSE


@lru_cache(maxsize=65_536)
def _folded(pattern: str) -> str:
    return folded(pattern)


def _beginning(pattern: str) -> str:
    """What stands before the first star."""
    return pattern.partition("*")[0].partition("?")[0]


def _listed(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
