"""What each task receives: the sections it reads, and nothing else, so that its key depends on nothing else."""

from __future__ import annotations

from typing import Any

from raftops.spec.model import Assistant, StepName, as_json


def configs(assistant: Assistant) -> dict[StepName, dict[str, Any]]:
    """The `config` argument of each step."""
    spec, models = assistant.spec, assistant.spec.models
    section = {name: as_json(getattr(spec, name)) for name in ("data", "prompt", "router", "ingest", "index")}
    section |= {name: as_json(getattr(spec, name)) for name in ("augment", "train", "evaluate", "deploy")}
    section["validate"] = as_json(spec.validate_)
    milvus = as_json(spec.platform.milvus)
    cache, releases = f"{spec.platform.store}/cache", f"{spec.platform.store}/releases/{assistant.name}"

    def pick(*names: str, **more: Any) -> dict[str, Any]:
        return {name: section[name] for name in names} | more

    return {
        "validate": pick("validate", "data"),
        "ingest": pick("ingest", embedder=models.embedder, cache=cache),
        "index": pick("index", embedder=models.embedder, milvus=milvus, name=assistant.name, cache=cache),
        "augment": pick("augment", "prompt", title=assistant.title, audience=list(spec.train.audience), cache=cache),
        "train": pick("train", base=models.base, cache=cache),
        "evaluate": pick("evaluate", "prompt", "router", title=assistant.title, cache=cache),
        "deploy": pick("deploy", "prompt", "router", name=assistant.name, title=assistant.title, releases=releases),
    }
