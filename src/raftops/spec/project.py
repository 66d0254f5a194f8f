"""What a cross-field check sees, and what it yields."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from raftops.files import sha256_file
from raftops.spec.access_file import AccessFile, read_access
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.position import Located
from raftops.spec.rules import Doubt, names_below, pattern_doubts, rule_doubts


@dataclass(frozen=True)
class Problem:
    """Something wrong between fields: the dotted path it is about, and what to do."""

    path: str
    message: str
    others: tuple[str, ...] = ()
    """Paths to point at instead where `path` is not written in the file."""
    place: Located | None = None
    """The problem as already located in another file that the spec names."""
    offset: int = 0
    """Letters of the value before the one that is wrong."""


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
    def access(self) -> AccessFile:
        """The access file, read once, with its problems at their places."""
        return read_access(Path(self.shown(self.spec.data.access)))

    def in_access(self, message: str, *loc: str | int) -> Problem:
        """A problem at its place in the access file."""
        return Problem("spec.data.access", message, place=self.access.located(message, *loc))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Paths below the folder of documents, hidden ones left out; none where there is no folder."""
        return names_below(self.at(self.spec.data.documents.path))

    @cached_property
    def documents(self) -> tuple[str, ...]:
        """The ids of the files that the globs take."""
        return tuple(name for name in self.files if self.spec.data.documents.takes(name))

    @cached_property
    def rule_doubts(self) -> tuple[Doubt, ...]:
        """What of the access file was hardly meant, given the files that are there."""
        if self.access.value is None or not self.files:
            return ()
        folder = self.shown(self.spec.data.documents.path)
        doubts = tuple(rule_doubts(self.access.value, self.files, folder, self.documents_before))
        return tuple(self._moved(doubt) if doubt.kind == "gone" else doubt for doubt in doubts)

    def _moved(self, doubt: Doubt) -> Doubt:
        """Of a rule whose documents are gone: where they lie under another name now, and others may read them there."""
        access, before = self.access.value, self.documents_before
        versions = {before[doc_id]: doc_id for doc_id in doubt.documents}
        assert access
        for doc_id in (name for name in self.documents if name not in before):
            path = self.at(self.spec.data.documents.path) / doc_id
            was = versions.get(sha256_file(path)) if path.is_file() else None
            given = access.readers(access.policy_of(doc_id))
            if was and not given <= access.readers(access.documents[doubt.number].policy):
                policy = f"policy {access.policy_of(doc_id)}"
                message = f"matches no document any more: {was} is {doc_id} now, and opened by that ({policy})"
                advice = "name its new folder, or remove the rule if that is meant"
                return replace(doubt, kind="missed", message=f"{message}; {advice}", documents=(doc_id,))
        return doubt

    @cached_property
    def pattern_doubts(self) -> tuple[tuple[str, Doubt], ...]:
        """The same of the patterns of documents: (include or exclude, doubt)."""
        return tuple(pattern_doubts(self.spec.data.documents, self.files)) if self.files else ()

    @cached_property
    def documents_before(self) -> dict[str, str]:
        """The documents of the last run on this machine, with their versions; none where there was none."""
        last = self.at(self.spec.platform.store) / "latest" / self.assistant.name
        try:
            lines = (last / "validate" / "accepted" / "documents.jsonl").read_text(encoding="utf-8").splitlines()
            return {str(row["doc_id"]): str(row.get("version", "")) for row in map(json.loads, lines)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


Check = Callable[[Project], Iterator[Problem]]
