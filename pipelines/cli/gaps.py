"""What is no mistake of a spec and still surprises, told early: files that are not read, models that are not here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from pipelines.cli.screen import screen
from raftops.globs import matches
from raftops.models import installing, missing_packages
from raftops.spec.load import LoadedSpec
from raftops.spec.model.knowledge import READABLE, Documents
from raftops.spec.project import Project

SHOWN = 5
"""File names in a note."""


def tell_gaps(loaded: LoadedSpec) -> list[str]:
    """Say what is no mistake of the spec and still surprises: files that are not read, models that are not here."""
    project, models = Project(loaded.assistant, loaded.root), loaded.assistant.spec.models
    said = [*_left_out(project), *_doubts(project)]
    access = project.access.value
    if closed := [d for d in project.documents if access and not access.readers(access.policy_of(d))]:
        count = "1 document" if len(closed) == 1 else f"{len(closed)} documents"
        message = f"{count} may be read by nobody (no rule, or a policy without groups): {', '.join(closed[:SHOWN])}"
        said.append((message, f"add a rule to {loaded.assistant.spec.data.access} where somebody should"))
    if lost := missing_packages((models.base, models.embedder)):
        said.append((f"this environment lacks the models of the spec: {', '.join(lost)}", installing(lost)))
    for message, advice in said:
        screen.note(message, advice)
    return [message for message, _ in said]


def _left_out(project: Project) -> Iterator[tuple[str, str]]:
    """Files that nobody excluded and that no document is made of: of a kind that is not read, or of no pattern."""
    documents = project.spec.data.documents
    left = [name for name in project.files if not documents.takes(name)]
    left = [name for name in left if not any(matches(glob, name) for glob in documents.exclude)]
    readable = [name for name in left if PurePosixPath(name).suffix.lower() in READABLE]
    chosen = documents.include != Documents.model_fields["include"].default  # whoever names folders leaves others out
    for names, advice in (
        ([name for name in left if name not in readable], f"save as one of {', '.join(READABLE)}, or name them in"),
        ([] if chosen else readable, "they can be read: add a pattern to data.documents.include, or name them in"),
    ):
        if names:
            kinds = Counter(PurePosixPath(name).suffix or "no suffix" for name in names)
            named = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
            counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            files = "1 file is" if len(names) == 1 else f"{len(names)} files are"
            where = project.shown(documents.path)
            yield f"{files} left out of {where} ({counts}): {named}", f"{advice} data.documents.exclude"


def _doubts(project: Project) -> Iterator[tuple[str, str]]:
    """Rules and patterns that may be meant: those that must be mended are errors of the spec."""
    for doubt in project.rule_doubts:
        if not doubt.mistake and project.access.value:
            place = project.access.place("documents", doubt.number, "match")
            rule = project.access.value.documents[doubt.number].match
            yield f"{place}: the rule for {rule} {doubt.message}", "raftops access explain shows who may read what"
    for field, doubt in project.pattern_doubts:
        if not doubt.mistake:
            yield f"spec.data.documents.{field}[{doubt.number}]: {doubt.message}", "remove it, if nothing is to come"
