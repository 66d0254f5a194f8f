"""Which answers the report shows: the first of each kind in the drawn order, so that nobody picked them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from raftops.evaluation.arms import EXTRACT, Reply
from raftops.evaluation.questions import ANSWERABLE
from raftops.evaluation.ranking import Given
from raftops.evaluation.scores import Scores
from raftops.evaluation.study import Findings
from raftops.spec.figures import SERVED

EACH = 3


@dataclass(frozen=True)
class Said:
    """What one arm said."""

    arm: str
    text: str
    mark: str
    """`right`, `wrong`, `declined`."""
    cited: frozenset[int]
    note: str


@dataclass(frozen=True)
class Shown:
    """A question as the report shows it."""

    given: Given
    said: tuple[Said, ...]
    cited: frozenset[int]
    """Numbers that the arm in the heading cites."""


Row = Mapping[str, Scores]
_KINDS: dict[str, Callable[[Row, str, str], bool]] = {
    "{main} right, {rival} not": lambda row, main, rival: _right(row[main]) and not _right(row[rival]),
    "{rival} right, {main} not": lambda row, main, rival: _right(row[rival]) and not _right(row[main]),
    "{main} wrong": lambda row, main, _: row[main].get("right") is not None and bool(row[main]["wrong"]),
    "{main} declined by mistake": lambda row, main, _: bool(row[main].get("over_refusal")),
    "Nothing answers it, and {main} says so": lambda row, main, _: bool(row[main].get("abstention")),
    "Nothing answers it, and {main} answers": lambda row, main, _: row[main].get("abstention") == 0,
}


def examples(found: Findings) -> Iterator[tuple[str, list[Shown]]]:
    """(heading, questions) by kind; a kind that did not happen is left out."""
    main = next((arm for arm in (SERVED, "raft") if arm in found.replies), EXTRACT)
    rival = EXTRACT
    used: set[int] = set()
    for heading, holds in _KINDS.items():
        if "{rival}" in heading and rival == main:
            continue
        rows = [{arm: found.scores[arm][n] for arm in found.scores} for n in range(len(found.shown))]
        places = [n for n, row in enumerate(rows) if n not in used and holds(row, main, rival)][:EACH]
        used |= set(places)
        if places:
            yield heading.format(main=main, rival=rival), [_shown(found, n, main) for n in places]


def _shown(found: Findings, place: int, main: str) -> Shown:
    arms = [arm for arm in (main, EXTRACT, "base+rag", "raft") if arm in found.replies]
    said = [_said(arm, found.replies[arm][place], found.scores[arm][place]) for arm in dict.fromkeys(arms)]
    return Shown(found.shown[place], tuple(said), next(s.cited for s in said if s.arm == main))


def _said(arm: str, reply: Reply, scores: Scores) -> Said:
    mark = "declined" if reply.abstained else "wrong" if scores["wrong"] else "right"
    return Said(arm, reply.text, mark, frozenset(q.number for q in reply.quotes), reply.note)


def _right(scores: Scores) -> bool:
    return bool(scores.get("right"))


def outcome(found: Findings, name: str, kind: str) -> tuple[float, float, float]:
    """Shares of the questions of a kind: good, declined by mistake, wrong. To decline the unanswerable is good."""
    rows = [s for s, shown in zip(found.scores[name], found.shown, strict=True) if shown.question.kind == kind]
    wrong = sum(bool(row["wrong"]) for row in rows) / len(rows)
    declined = sum(bool(row.get("over_refusal")) for row in rows) / len(rows) if kind == ANSWERABLE else 0.0
    return 1 - wrong - declined, declined, wrong
