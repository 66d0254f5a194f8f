"""What each task receives: the sections it reads, and nothing else, so that its key depends on nothing else."""

from __future__ import annotations

from typing import Any

from components.images import image
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.model.base import Section, StepName, as_json

_LATER = {
    "train": ("nodes", "runtime", "candidates", "candidates_at_once", "plain_beside"),
    "deploy": ("keep_indexes_days", "target", "signing", "kubernetes"),
}
"""Settings that older specs do not have: passed on where they are set, so that those specs keep their keys."""
_SERVING = ("least_score", "least_confidence")
"""When the service keeps silent: no training row depends on it."""


def configs(assistant: Assistant) -> dict[StepName, dict[str, Any]]:
    """The `config` argument of each step."""
    spec, models = assistant.spec, assistant.spec.models
    section = {name: as_json(getattr(spec, name)) for name in ("data", "prompt", "router", "ingest", "index")}
    section |= {name: as_json(getattr(spec, name)) for name in ("augment", "evaluate")}
    section |= {name: _where_set(getattr(spec, name), later) for name, later in _LATER.items()}
    section["validate"] = as_json(spec.validate_)
    milvus = as_json(spec.platform.milvus)
    shown = {name: value for name, value in section["prompt"].items() if name not in _SERVING}
    cache, releases = f"{spec.platform.store}/cache", f"{spec.platform.store}/releases/{assistant.name}"

    bucket = spec.platform.artifacts
    pushed = {"artifacts": as_json(bucket)} if bucket and bucket.push else {}

    def pick(*names: str, **more: Any) -> dict[str, Any]:
        return {name: section[name] for name in names} | more

    return {
        "validate": pick("validate", "data"),
        "ingest": pick("ingest", embedder=models.embedder, cache=cache),
        "index": pick("index", embedder=models.embedder, milvus=milvus, name=assistant.name, cache=cache),
        "augment": pick(
            "augment", prompt=shown, **_dev(spec), title=assistant.title, audience=list(spec.train.audience),
            cache=cache,
        ),
        "train": pick("train", **_nodes(spec), base=models.base, cache=cache),
        "evaluate": pick("evaluate", "prompt", "router", title=assistant.title, cache=cache),
        "deploy": pick(
            "deploy", "prompt", "router", **pushed, **_cluster(spec), name=assistant.name, title=assistant.title,
            releases=releases,
        ),
    }  # fmt: skip


def _dev(spec: Spec) -> dict[str, Any]:
    """Whether the dev split is wanted as conversations."""
    return {"dev": True} if spec.train.candidates else {}


def _cluster(spec: Spec) -> dict[str, Any]:
    """Where on a cluster the service stands."""
    platform, settings = spec.platform, spec.deploy.kubernetes
    if spec.deploy.target != "kubernetes":
        return {}
    own = platform.images.get("deploy") or image("deploy", platform.registry)
    image_of = settings.image or own
    place: dict[str, Any] = {"namespace": platform.namespace, "claim": platform.workspace or "", "image": image_of}
    place |= {"pull_secrets": list(platform.image_pull_secrets)} if platform.image_pull_secrets else {}
    token = platform.milvus.token
    return {"cluster": place | {"secrets": [as_json(token)] if token else []}}


def _nodes(spec: Spec) -> dict[str, Any]:
    """Where on a cluster the nodes are that train together, and what they get."""
    platform = spec.platform
    if spec.train.nodes == 1:
        return {}
    own = platform.images.get("train") or image("train", platform.registry)
    place: dict[str, Any] = {"namespace": platform.namespace, "claim": platform.workspace or "", "image": own}
    place |= {"user": platform.run_as_user, "pull_secrets": list(platform.image_pull_secrets)}
    place |= {"volumes": [as_json(volume) for volume in platform.volumes]}
    return {"cluster": place | {"resources": as_json(platform.resources["train"])}}


def _where_set(section: Section, later: tuple[str, ...]) -> dict[str, Any]:
    """A section without those of its later settings that stand at their default."""
    plain = type(section).model_fields
    unset = {name for name in later if getattr(section, name) == plain[name].get_default(call_default_factory=True)}
    return {name: value for name, value in as_json(section).items() if name not in unset}
