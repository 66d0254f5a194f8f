"""What each extra installs: one JSON line per extra, with its distributions and megabytes, and the ten largest.

A distribution's size is the sum of its files as its RECORD lists them, byte code included where pip wrote it; what an
extra needs is followed through the metadata of what is installed here, by this machine's markers. So a torch for the
CPU counts as one. The baseline of the base is `kfp` and `kfp-kubernetes` alone; `--images` measures what the images
install (`components/requirements.py`), which leave the command line out.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from components.requirements import requirements
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[1]
BASELINE = ("kfp", "kfp-kubernetes")
LARGEST = 10


@cache
def installed(name: str) -> Distribution | None:
    """A distribution of this environment."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


@cache
def megabytes(name: str) -> float:
    """The files of a distribution; those that are not there any more count for nothing."""
    found = installed(name)
    paths = (Path(str(file.locate())) for file in (found.files or ())) if found else ()
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def closure(lines: Iterable[str]) -> tuple[set[str], set[str]]:
    """(installed, absent) names of what these requirements lead to, extras followed."""
    found, absent, seen = set[str](), set[str](), set[tuple[str, str]]()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        wanted = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        about = installed(name)
        if about is None:
            absent.add(name)
            continue
        found.add(name)
        needs = [Requirement(line) for line in about.requires or ()]
        for extra in ("", *wanted.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [need for need in needs if _asked(need, extra)]
    return found, absent


def _asked(need: Requirement, extra: str) -> bool:
    """Whether a distribution needs this for the extra; without one, whether it always does."""
    if need.marker is None:
        return not extra
    always = need.marker.evaluate({"extra": ""})
    asked = need.marker.evaluate({"extra": extra}) and not always if extra else always
    if asked:
        need.marker = None  # it holds: the loop need not know for which extra
    return asked


def of_extras() -> dict[str, list[str]]:
    """The requirements of the base and of every extra, our own extras resolved."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, base = project["optional-dependencies"], project["dependencies"]

    def resolved(lines: Sequence[str]) -> list[str]:
        own = [re.fullmatch(r"raftops\[([^\]]+)\]", line) for line in lines]
        found = [line for line, ours in zip(lines, own, strict=True) if not ours]
        names = [name.strip() for ours in own if ours for name in ours[1].split(",")]
        return found + [line for name in names for line in resolved(extras[name])]

    return {"base": list(base)} | {name: base + resolved(lines) for name, lines in extras.items()}


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", action="store_true", help="what the image of each step installs")
    images = parser.parse_args().images
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if images:
        wanted: dict[str, list[str]] = {step: requirements(step, project) for step in STEPS}
    else:
        wanted = {"kfp alone": list(BASELINE)} | of_extras()
    for name, lines in wanted.items():
        found, absent = closure(lines)
        largest = sorted(found, key=megabytes, reverse=True)[:LARGEST]
        row = {
            "figure": f"install_size.{'image ' if images else ''}{name}",
            "megabytes": round(sum(map(megabytes, found)), 1),
            "distributions": len(found),
            "largest": {part: round(megabytes(part), 1) for part in largest},
        }
        print(json.dumps(row | ({"not_installed_here": sorted(absent)} if absent else {})), flush=True)


if __name__ == "__main__":
    main()
