"""`raftops` and `python -m raftops`: the door to the command line, which lives outside the library, in `pipelines.cli`.

A user's project may well have packages called `pipelines` and `components`, and PYTHONPATH or the current folder puts
them before the installed ones. In this process the names mean the packages that lie beside this one. Processes that
are started from here (steps, the service) inherit PYTHONPATH, and import nothing of the two.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from raftops import __version__

OURS = ("components", "pipelines")
INSIDE = "_beside"
"""Folder of a wheel that holds the two; pyproject.toml puts them there."""


class OwnPackages:
    """An import hook, asked before the path is: finds the packages of ours that have everybody's names."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where one of the two lies; None for every other module."""
        return PathFinder.find_spec(name, [str(self._home)]) if name in OURS else None


def take_own_packages() -> None:
    """Let the two names mean our packages: of a wheel, where they lie inside of this one; of a checkout, at its top.

    A wheel has them inside so that site-packages gets no `pipelines` and no `components` of ours.
    """
    here = Path(__file__).absolute()
    places = (here.parent / INSIDE, *here.parents[1:3])
    home = next(folder for folder in places if (folder / "pipelines" / "cli").is_dir())
    sys.meta_path.insert(0, OwnPackages(home))
    for name, module in list(sys.modules.items()):  # what a sitecustomize or a .pth file imported before us
        if name.partition(".")[0] in OURS and not str(getattr(module, "__file__", "")).startswith(f"{home}/"):
            del sys.modules[name]


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:  # scripts ask for it often, and it needs nothing that takes time to load
        sys.stdout.write(f"raftops {__version__}\n")
        return
    take_own_packages()
    import_module("pipelines.cli").main()


if __name__ == "__main__":
    main()
