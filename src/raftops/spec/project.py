"""What a cross-field check sees, and what it yields."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from raftops.access import AccessPolicies, glob_pattern
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.position import Located, dotted
from raftops.spec.read import Read, read_yaml
from raftops.spec.tree import place_of
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
        read = self._access_file
        if read.tree is None:
            return Typed(None, tuple(read.problems))
        result = typed(AccessPolicies, read.tree, read.broken)
        problems = (*read.problems, *result.problems)
        return Typed(None if problems else result.value, problems)

    def in_access(self, message: str, *loc: str | int) -> Problem:
        """A problem at its place in the access file."""
        tree = self._access_file.tree
        assert tree
        return Problem("spec.data.access", message, place=Located(place_of(tree, loc), dotted(loc), message))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Paths below the folder of documents, hidden ones left out; none where there is no folder."""
        folder, found = self.at(self.spec.data.documents.path), list[str]()
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(parent, name).relative_to(folder).as_posix() for name in names if not name.startswith(".")]
        return tuple(sorted(found))

    @cached_property
    def documents(self) -> tuple[str, ...]:
        """The ids of the files that the globs take."""
        include, exclude = (
            [glob_pattern(glob) for glob in globs]
            for globs in (self.spec.data.documents.include, self.spec.data.documents.exclude)
        )
        taken = (name for name in self.files if any(p.fullmatch(name) for p in include))
        return tuple(name for name in taken if not any(p.fullmatch(name) for p in exclude))

    @cached_property
    def documents_before(self) -> frozenset[str]:
        """The ids of the documents of the last run on this machine; none where there was none."""
        last = self.at(self.spec.platform.store) / "latest" / self.assistant.name
        try:
            lines = (last / "validate" / "accepted" / "documents.jsonl").read_text(encoding="utf-8").splitlines()
            return frozenset(str(json.loads(line)["doc_id"]) for line in lines)
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()

    @cached_property
    def _access_file(self) -> Read:
        return read_yaml(Path(self.shown(self.spec.data.access)), "groups, policies and documents")


Check = Callable[[Project], Iterator[Problem]]
