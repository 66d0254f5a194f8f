"""What a cross-field check sees, and what it yields."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.position import Located
from raftops.spec.read import read_yaml
from raftops.spec.typed import Typed, typed


@dataclass(frozen=True)
class Problem:
    """Something wrong between fields: the dotted path it is about, and what to do."""

    path: str
    message: str
    others: tuple[str, ...] = ()
    """Paths to point at instead where `path` is not written in the file."""
    place: Located | None = None
    """The problem as already located in another file that the spec names."""


@dataclass(frozen=True)
class Project:
    """A spec that is valid by type, and the folder that its paths are relative to."""

    assistant: Assistant
    root: Path

    @property
    def spec(self) -> Spec:
        """The sections."""
        return self.assistant.spec

    def at(self, relative: str) -> Path:
        """A path of the spec on this machine."""
        return self.root / relative

    def shown(self, relative: str) -> str:
        """The same path as a person at the current folder would write it."""
        path = os.path.relpath(self.at(relative))
        return str(self.at(relative)) if path.startswith("..") else path

    @cached_property
    def access(self) -> Typed[AccessPolicies]:
        """The access file, read once, with its problems at their places."""
        read = read_yaml(Path(self.shown(self.spec.data.access)), "groups, policies and documents")
        if read.tree is None:
            return Typed(None, tuple(read.problems))
        result = typed(AccessPolicies, read.tree, read.broken)
        problems = (*read.problems, *result.problems)
        return Typed(None if problems else result.value, problems)


Check = Callable[[Project], Iterator[Problem]]
