"""Draws examples into train, dev and test: whole groups of documents, never rows.

Documents that share an example belong together, with all their examples; so no document is trained on and tested on.
Groups stand in the order of a seeded hash and are cut where the shares of examples say. A new document moves at most
the groups beside a cut. Examples without evidence are drawn alike, each for itself, by their question: two are the same
whatever their case, punctuation, white space and encoding of accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raftops.data.records import Example, Split
from raftops.files import sha256_text
from raftops.spec.model.knowledge import Splits

ORDER: tuple[Split, ...] = ("train", "dev", "test")
_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class _Group:
    place: str
    """Where it stands in the seeded order."""
    ids: tuple[str, ...]


def draw_splits(examples: Sequence[Example], splits: Splits) -> dict[str, Split]:
    """The split of every example, by its id."""
    proved, loose = [e for e in examples if e.evidence], [e for e in examples if not e.evidence]
    roots = _components([[e.doc_id for e in example.evidence] for example in proved])
    members: dict[str, list[str]] = {}
    for example in proved:
        members.setdefault(roots[example.evidence[0].doc_id], []).append(example.id)
    drawn: dict[str, Split] = {}
    # Each sort of example is cut by itself, so that every split gets its share of each.
    for groups in (
        [_Group(_place(splits.seed, root), tuple(ids)) for root, ids in members.items()],
        _each([e for e in loose if e.kind == "knowledge"], splits.seed),
        _each([e for e in loose if e.kind == "behaviour"], splits.seed),
    ):
        drawn |= {i: split for split, members in _cut(groups, splits).items() for g in members for i in g.ids}
    return drawn


def _each(examples: Iterable[Example], seed: int) -> list[_Group]:
    return [_Group(_place(seed, question_key(e)), (e.id,)) for e in examples]


def _place(seed: int, key: str) -> str:
    return sha256_text(f"{seed}\n{key}")


def _components(sets: Iterable[Sequence[str]]) -> dict[str, str]:
    """Each document's group, named after its first document in the alphabet."""
    parent: dict[str, str] = {}

    def root(doc_id: str) -> str:
        parent.setdefault(doc_id, doc_id)
        while parent[doc_id] != doc_id:
            parent[doc_id] = doc_id = parent[parent[doc_id]]
        return doc_id

    for doc_ids in sets:
        first = root(doc_ids[0])
        for doc_id in doc_ids[1:]:
            first, other = sorted((first, root(doc_id)))
            parent[other] = first
    return {doc_id: root(doc_id) for doc_id in parent}


def _cut(groups: Sequence[_Group], splits: Splits) -> dict[Split, list[_Group]]:
    """Groups by split: each goes where its middle falls when all stand in a row as long as their examples."""
    shares = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    whole, total = sum(shares.values()) or 1.0, sum(len(g.ids) for g in groups)
    chosen: dict[Split, list[_Group]] = {split: [] for split in ORDER}
    wanted: list[Split] = [split for split in ORDER if shares[split] > 0] or ["train"]
    before = 0
    for group in sorted(groups, key=lambda g: (g.place, g.ids)):
        middle, edge = (before + len(group.ids) / 2) / total * whole, 0.0
        for split in wanted:
            edge += shares[split]
            if middle < edge or split == wanted[-1]:
                chosen[split].append(group)
                break
        before += len(group.ids)
    # With few groups a wanted split may have none: the smallest of the fullest split goes there.
    for split in (s for s in ("train", "test", "dev") if s in wanted and not chosen[s]):
        fullest = max(wanted, key=lambda s: (len(chosen[s]), -ORDER.index(s)))
        if len(chosen[fullest]) > 1:
            moved = min(chosen[fullest], key=lambda g: (len(g.ids), g.place))
            chosen[fullest].remove(moved)
            chosen[split].append(moved)
    return chosen


def normalised(question: str) -> str:
    """A question without what does not count. Symbols are all there is in some; those are kept as they are."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    return _APART.sub(" ", folded).strip() or folded.strip()


def question_key(example: Example) -> str:
    """Equal for examples that ask the same: a hash, so that it can be shown. System messages do not count."""
    turns = [m.content for m in example.messages if m.role != "system"]
    asked = turns if turns and not example.question else [*turns, example.question]
    return sha256_text(" ".join(map(normalised, asked)))[:24]
