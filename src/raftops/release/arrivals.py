"""In which order releases came to a folder: one line each in `arrivals`. No clock is asked.

What is kept goes by this order: a clock that was set back would make the newest release look like the oldest one. A
release is noted when it is promoted or outlives a clearing; until then it counts as newer than all that are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from raftops.errors import ReleaseError
from raftops.files import write_text
from raftops.release.seal import NAME

ARRIVALS = "arrivals"
LONGEST = 1 << 20
"""Bytes that are read of it: sixty thousand releases."""


def note(releases: Path, names: Iterable[str]) -> None:
    """Note releases in the order given; one that is noted keeps its place, one that is gone loses it."""
    known = arrivals(releases)
    new = [name for name in names if name not in known]
    if new:
        there = [name for name in known if (releases / name).is_dir()]
        write_text(releases / ARRIVALS, "".join(f"{name}\n" for name in [*there, *new]))


def arrivals(releases: Path) -> Mapping[str, int]:
    """The place of each release that is noted, from the first to come."""
    path = releases / ARRIVALS
    try:
        with path.open(encoding="ascii") as file:
            lines = file.read(LONGEST).split()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path}: cannot be read ({error})", next_step=f"rm {path}: it is made anew") from error
    return {name: place for place, name in enumerate(filter(NAME.fullmatch, lines))}
