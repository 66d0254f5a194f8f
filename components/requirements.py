"""What the image of a step installs: its extra, further ones where asked, what every step needs. Standard library only.

Not the whole package's dependencies: Kubeflow's client and the command line stay out of the images. The executor that
Kubeflow runs in them is `kfp` alone, without what it depends on.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

EVERY_STEP = ("pydantic", "pyyaml")
"""Dependencies of the package that its steps import; the others serve the command line."""
_OWN = re.compile(r"raftops\[([a-z0-9, ]+)\]")


def requirements(step: str, project: Mapping[str, object], more: Sequence[str] = ()) -> list[str]:
    """Requirements of a step by its extra, and of `more` extras, sorted, our own resolved. KeyError: no such extra."""
    table: Mapping[str, object] = project["project"]  # type: ignore[assignment]
    extras: Mapping[str, Sequence[str]] = table["optional-dependencies"]  # type: ignore[assignment]
    dependencies: Sequence[str] = table["dependencies"]  # type: ignore[assignment]
    everywhere = {line for line in dependencies if re.split(r"[^A-Za-z0-9._-]", line)[0].lower() in EVERY_STEP}
    return sorted(everywhere.union(*(_of(extra, extras) for extra in (step, *more))))


def _of(extra: str, extras: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    for line in extras[extra]:
        own = _OWN.fullmatch(line)
        found |= set().union(*(_of(name.strip(), extras) for name in own[1].split(","))) if own else {line}
    return found


def main() -> None:
    """Print the requirements of the step that is named, and of the extras behind it, one a line."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.write("".join(f"{line}\n" for line in requirements(sys.argv[1], project, sys.argv[2:])))


if __name__ == "__main__":
    main()
