"""What is no mistake of a spec and still surprises, told early: files that are not read, models that are not here."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from pipelines.cli.screen import screen
from raftops.access import glob_pattern
from raftops.models import installing, missing_packages
from raftops.spec.load import LoadedSpec
from raftops.spec.model.knowledge import READABLE
from raftops.spec.project import Project

SHOWN = 5
"""File names in a note."""


def tell_gaps(loaded: LoadedSpec) -> list[str]:
    """Say what is no mistake of the spec and still surprises: files that are not read, models that are not here."""
    project, models = Project(loaded.assistant, loaded.root), loaded.assistant.spec.models
    excluded = [glob_pattern(glob) for glob in loaded.assistant.spec.data.documents.exclude]
    strange = [name for name in project.files if PurePosixPath(name).suffix.lower() not in READABLE]
    left = [name for name in strange if not any(pattern.fullmatch(name) for pattern in excluded)]
    said = []
    if left:
        kinds = Counter(PurePosixPath(name).suffix or "no suffix" for name in left)
        named = ", ".join(left[:SHOWN]) + (f" and {len(left) - SHOWN} more" if len(left) > SHOWN else "")
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        files = "1 file is" if len(left) == 1 else f"{len(left)} files are"
        where = project.shown(loaded.assistant.spec.data.documents.path)
        advice = f"save as one of {', '.join(READABLE)}, or name them in data.documents.exclude"
        said.append((f"{files} left out of {where} ({counts}): {named}", advice))
    access = project.access.value
    if closed := [doc_id for doc_id in project.documents if access and access.policy_of(doc_id) is None]:
        message = f"{len(closed)} documents have no policy, so nobody may read them: {', '.join(closed[:SHOWN])}"
        said.append((message, f"add a rule to {loaded.assistant.spec.data.access}"))
    if lost := missing_packages((models.base, models.embedder)):
        said.append((f"this environment lacks the models of the spec: {', '.join(lost)}", installing(lost)))
    for message, advice in said:
        screen.note(message, advice)
    return [message for message, _ in said]
