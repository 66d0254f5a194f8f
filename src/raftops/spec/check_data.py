"""Checks on what a spec names on disk: documents, examples, the access file, DVC's pointer, local models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from raftops.files import names_on_the_way
from raftops.globs import invisible, mistakes_of, nfc
from raftops.spec.explain import did_you_mean
from raftops.spec.model.base import MOVING
from raftops.spec.model.knowledge import READABLE
from raftops.spec.position import quoted
from raftops.spec.project import Check, Problem, Project

MOST_NAMED = 20
"""Documents that are named one by one."""


def splits_sum_to_one(project: Project) -> Iterator[Problem]:
    """The shares are shares of one whole, and what trains and what measures gets some."""
    splits = project.spec.data.splits
    total = splits.train + splits.dev + splits.test
    if abs(total - 1) > 0.001:
        yield Problem("spec.data.splits", f"train, dev and test must sum to 1, they sum to {total:g}")
    if splits.train <= 0:
        yield Problem("spec.data.splits.train", "must be more than 0: nothing would be trained on")
    if splits.test <= 0:
        yield Problem("spec.data.splits.test", "must be more than 0: nothing would be left to evaluate on")


def documents_exist(project: Project) -> Iterator[Problem]:
    """The folder of documents is there and holds something to read."""
    documents = project.spec.data.documents
    folder = project.at(documents.path)
    if not folder.is_dir():
        wrong = "is a file, not a folder" if folder.exists() else "no such folder"
        yield Problem("spec.data.documents.path", f"{wrong}: {project.shown(documents.path)}{_pull(project)}")
        return
    for index, pattern in enumerate(documents.include):
        path = PurePosixPath(pattern)
        if path.suffix and "*" not in path.suffix and path.suffix.lower() not in READABLE:
            message = f"{quoted(pattern)}: {path.suffix} files cannot be read; readable are {', '.join(READABLE)}"
            yield Problem(f"spec.data.documents.include[{index}]", message)
    if not project.documents and not any(map(mistakes_of, documents.include)):
        message = f"no file in {project.shown(documents.path)} matches {', '.join(documents.include) or 'no pattern'}"
        yield Problem("spec.data.documents.include", message, ("spec.data.documents.path",))


def document_patterns_match(project: Project) -> Iterator[Problem]:
    """Patterns of documents are written as they are read, and none misses a file by so little that it was meant."""
    documents = project.spec.data.documents
    for field, patterns in (("include", documents.include), ("exclude", documents.exclude)):
        for index, pattern in enumerate(patterns):
            for mistake in mistakes_of(pattern):
                message = f"{quoted(pattern)}: {mistake.message}" if pattern.strip() else mistake.message
                yield Problem(f"spec.data.documents.{field}[{index}]", message, offset=mistake.offset)
    for field, doubt in project.pattern_doubts:
        pattern = (documents.include if field == "include" else documents.exclude)[doubt.number]
        if doubt.mistake and not mistakes_of(pattern):
            yield Problem(f"spec.data.documents.{field}[{doubt.number}]", doubt.message)


def examples_exist(project: Project) -> Iterator[Problem]:
    """Every file or pattern of examples matches at least one file."""
    for index, pattern in enumerate(project.spec.data.examples):
        path = f"spec.data.examples[{index}]"
        if PurePosixPath(pattern).is_absolute() or not pattern.strip():
            yield Problem(path, f"{quoted(pattern)} must be a path or pattern relative to the project")
        elif not any(file.is_file() for file in project.root.glob(pattern)):
            advice = _pull(project) or "; without examples yet, leave data.examples out"
            yield Problem(path, f"no file matches {project.shown(pattern)}{advice}")


def dvc_file_exists(project: Project) -> Iterator[Problem]:
    """DVC's pointer file is there."""
    dvc = project.spec.data.dvc
    if dvc and not project.at(dvc).is_file():
        yield Problem(
            "spec.data.dvc", f"no such file: {project.shown(dvc)}; make it with `dvc add`, or remove this line"
        )


def access_file_is_sound(project: Project) -> Iterator[Problem]:
    """The access file can be read; what is wrong inside is located inside it."""
    name = project.spec.data.access
    if not project.at(name).is_file():
        yield Problem("spec.data.access", f"no such file: {project.shown(name)}{_pull(project)}")
        return
    for located in project.access.problems:
        yield Problem("spec.data.access", located.message, place=located)


def access_names_exist(project: Project) -> Iterator[Problem]:
    """Policies list groups that exist, rules name policies that exist."""
    access = project.access.value
    if access is None:
        return
    for name, policy in access.policies.items():
        for index, group in enumerate(policy.groups):
            if group not in access.groups:
                close = did_you_mean(group, tuple(access.groups)) or f" (groups: {', '.join(access.groups) or 'none'})"
                message = f"policy {name} lists the group {group}, which is not defined there{close}"
                yield project.in_access(message, "policies", name, "groups", index)
    for index, rule in enumerate(access.documents):
        if rule.policy not in access.policies:
            known = f" (policies: {', '.join(access.policies) or 'none'})"
            close = did_you_mean(rule.policy, tuple(access.policies)) or known
            message = f"the rule for {rule.match} names the policy {rule.policy}, which is not defined there{close}"
            yield project.in_access(message, "documents", index, "policy")


def access_rules_decide(project: Project) -> Iterator[Problem]:
    """Every rule decides a document, and none is missed by a letter that nobody sees: what it was to protect is open.

    A last rule for everything may find nothing left, a rule may say `allow_empty: true`, and what a rule decided in the
    last run here may be deleted: those were not mistyped.
    """
    for doubt in project.rule_doubts:
        if doubt.mistake:
            yield project.in_access(doubt.message, "documents", doubt.number, "match")


def documents_can_be_told_apart(project: Project) -> Iterator[Problem]:
    """No document's name holds a letter that cannot be seen."""
    hidden = [(doc_id, letter) for doc_id in project.documents if (letter := invisible(doc_id))]
    for doc_id, letter in hidden[:MOST_NAMED]:
        shown = doc_id.replace(letter, f"<U+{ord(letter):04X}>")
        yield Problem("spec.data.documents.path", f"{shown}: its name holds a letter that cannot be seen; rename it")


def links_lift_nothing(project: Project) -> Iterator[Problem]:
    """A link among the documents has the readers of what it leads to, and of every link on the way."""
    access, folder = project.access.value, project.at(project.spec.data.documents.path)
    if access is None:
        return
    for doc_id in (name for name in project.documents if (folder / name).is_symlink()):
        policies = {name: access.policy_of(name) for name in map(nfc, names_on_the_way(folder, folder / doc_id))}
        if len({access.readers(policy_id) for policy_id in policies.values()}) > 1:
            said = ", ".join(f"{name} ({policy_id or 'no policy'})" for name, policy_id in policies.items())
            advice = "link to it where the same readers are, or give both names one policy"
            message = f"{doc_id} is a link, and its names have policies of other readers: {said}; {advice}"
            yield Problem("spec.data.documents.path", message)


def audience_exists(project: Project) -> Iterator[Problem]:
    """Whoever the model is trained for is a group of the access file, and may read something."""
    access, audience = project.access.value, project.spec.train.audience
    if access is None:
        return
    for index, group in enumerate(map(nfc, audience)):
        if group not in access.groups:
            known = f" (groups: {', '.join(access.groups) or 'none'})"
            close = did_you_mean(group, tuple(access.groups)) or known
            message = f"{project.spec.data.access} has no group {group}{close}"
            yield Problem(f"spec.train.audience[{index}]", message)
    if all(nfc(group) in access.groups for group in audience) and not access.readable_by_all(audience):
        yield Problem(
            "spec.train.audience", "no policy may be read by all of these groups: nothing could be trained in"
        )


def local_models_exist(project: Project) -> Iterator[Problem]:
    """A model given as file:// is there."""
    models = project.spec.models
    for field, source in (("base", models.base), ("embedder", models.embedder)):
        if source.startswith("file://") and not project.at(source.removeprefix("file://")).exists():
            message = f"no such file or folder: {project.shown(source.removeprefix('file://'))}"
            yield Problem(f"spec.models.{field}", message)


def hub_models_are_pinned(project: Project) -> Iterator[Problem]:
    """A model of the hub has a revision: without one, the same spec would give another model tomorrow."""
    for field, source in project.spec.models:
        name, _, revision = str(source).removeprefix("hf://").partition("@")
        if str(source).startswith("hf://") and revision in MOVING:
            commits = f"its commits are at https://huggingface.co/{name}/commits"
            wrong = f"the revision {revision} moves" if revision else "needs a revision"
            yield Problem(f"spec.models.{field}", f"{wrong}: write hf://{name}@<commit>; {commits}")


def starter_exists(project: Project) -> Iterator[Problem]:
    """The adapters to continue from are there."""
    start = project.spec.train.init_from
    if start is None:
        return
    needed = ["raft", "plain"] if project.spec.train.plain else ["raft"]
    absent = [name for name in needed if not (project.at(start) / name).is_dir()]
    if not project.at(start).is_dir():
        yield Problem("spec.train.init_from", f"no such folder: {project.shown(start)}{_pull(project)}")
    elif absent:
        yield Problem("spec.train.init_from", f"{project.shown(start)} holds no folder {' or '.join(absent)}")


def _pull(project: Project) -> str:
    dvc = project.spec.data.dvc
    return "; fetch the data with `dvc pull`" if dvc and project.at(dvc).is_file() else ""


_ACCESS = "spec.data.access"
DATA_CHECKS: dict[Check, tuple[str, ...]] = {
    splits_sum_to_one: ("spec.data.splits",),
    documents_exist: ("spec.data.documents", "spec.data.dvc"),
    document_patterns_match: ("spec.data.documents",),
    documents_can_be_told_apart: ("spec.data.documents",),
    examples_exist: ("spec.data.examples", "spec.data.dvc"),
    dvc_file_exists: ("spec.data.dvc",),
    access_file_is_sound: (_ACCESS, "spec.data.dvc"),
    access_names_exist: (_ACCESS,),
    access_rules_decide: (_ACCESS, "spec.data.documents"),
    links_lift_nothing: (_ACCESS, "spec.data.documents"),
    audience_exists: (_ACCESS, "spec.train.audience"),
    local_models_exist: ("spec.models",),
    hub_models_are_pinned: ("spec.models",),
    starter_exists: ("spec.train.init_from", "spec.train.plain", "spec.data.dvc"),
}
"""Each check with the parts of the spec that it reads."""
ACCESS_CHECKS = (access_file_is_sound, access_names_exist, access_rules_decide, links_lift_nothing)
"""What a change of permissions is held to: a revocation must not wait for the mending of anything else."""
