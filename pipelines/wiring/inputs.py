"""The content of what a spec names: documents, examples, access file, models. Content hashes, never times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.data.dvc import cited_documents, document_digests, example_digests
from raftops.errors import StepError
from raftops.files import sha256_tree
from raftops.models import require_packages, resolve
from raftops.spec.access_file import load_access
from raftops.spec.model.assistant import Assistant


@dataclass(frozen=True)
class Inputs:
    """Every input of a run, by name and content."""

    documents: Mapping[str, str]
    """SHA-256 of the bytes by document id."""
    examples: Mapping[str, str]
    """SHA-256 of the row by example id (or path:line where it has none or repeats one)."""
    access: AccessPolicies
    models: Mapping[str, str]
    """Digest of `base`, `embedder` and `init_from`."""
    dvc: str = ""
    """The data's DVC hash, where the spec names a pointer file."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Policy by document id."""
    cited: frozenset[str] = frozenset()
    """Documents that the examples quote."""


def read_inputs(assistant: Assistant, root: Path) -> Inputs:
    """Hash everything that a spec names. Raises the errors of the files that cannot be read."""
    spec, data = assistant.spec, assistant.spec.data
    documents = document_digests(data, root)
    access = load_access(root / data.access)
    examples = example_digests(data, root)
    require_packages((spec.models.base, spec.models.embedder))
    models, cache = dict[str, str](), root / spec.platform.store / "cache"
    for name, source in (("base", spec.models.base), ("embedder", spec.models.embedder)):
        pinned = source.startswith("hf://")  # the revision is the identity; compiling downloads nothing
        models[name] = source if pinned else resolve(source, cache, root).digest
    adapters = root / spec.train.init_from if spec.train.init_from else None
    if adapters and not adapters.is_dir():
        advice = "check the path; `dvc pull` fetches the starter adapter"
        raise StepError(f"train.init_from: no folder {adapters}", next_step=advice)
    models["init_from"] = sha256_tree(adapters) if adapters else ""
    return Inputs(
        documents=documents,
        examples=examples,
        access=access,
        models=models,
        dvc=_dvc(root / data.dvc) if data.dvc else "",
        rules={doc_id: access.policy_of(doc_id) or "" for doc_id in documents},
        cited=cited_documents(data, root),
    )


def _dvc(pointer: Path) -> str:
    """The hash that a DVC pointer file records."""
    if not pointer.is_file():
        raise StepError(f"data.dvc: no file {pointer}", next_step="check the path, or leave data.dvc out")
    for line in pointer.read_text(encoding="utf-8").splitlines():
        name, _, value = line.strip().lstrip("- ").partition(":")
        if name == "md5" and value.strip():
            return value.strip()
    return ""
