"""What each task receives: the sections it reads, and nothing else, so that its key depends on nothing else."""

from __future__ import annotations

from typing import Any

from components.images import image
from pipelines.wiring.steps import TABLE
from raftops.spec.model.assistant import Assistant, Spec
from raftops.spec.model.base import STEPS, Mark, SecretRef, Section, StepName, as_json, marked
from raftops.spec.model.learning import Prompt
from raftops.spec.model.platform import Platform
from raftops.spec.model.serving import Deploy

PLACES = frozenset({"cache", "releases", "artifacts"})
"""Of what a step is given: says only where files are."""
SOURCES = frozenset({"embedder", "base"})
"""Of what a step is given: names a model, whose digest is in the key."""


def configs(assistant: Assistant) -> dict[StepName, dict[str, Any]]:
    """The `config` argument of each step: what its row of the table names, as far as the spec says it."""
    spec = assistant.spec
    sections = {field.alias or name: getattr(spec, name) for name, field in Spec.model_fields.items()}
    values = {name: _where_set(section) for name, section in sections.items()} | _settings(assistant)
    config = {step: {name: values[name] for name in TABLE[step].given if name in values} for step in STEPS}
    # When the service keeps silent decides no training row.
    silent = marked(Prompt, Mark.SERVED)
    config["augment"]["prompt"] = {name: value for name, value in values["prompt"].items() if name not in silent}
    # What is released is the router that was measured; it comes with the report.
    config["deploy"]["router"] = {}
    platform, pull_secrets = spec.platform, list(spec.platform.image_pull_secrets)
    if spec.train.nodes > 1:
        config["train"]["cluster"] = _place(platform, "train") | {
            "user": platform.run_as_user, "pull_secrets": pull_secrets,
            "volumes": [as_json(volume) for volume in platform.volumes],
            "resources": as_json(platform.resources["train"]),
        }  # fmt: skip
    if spec.deploy.target == "kubernetes":
        config["deploy"]["cluster"] = {
            **_place(platform, "deploy"),
            **({"pull_secrets": pull_secrets} if pull_secrets else {}),
            "secrets": [as_json(secret) for secret in (platform.milvus.token, *of_directory(spec.deploy)) if secret],
            # The service may have an image of its own; the step's serves, too.
            **({"image": spec.deploy.kubernetes.image} if spec.deploy.kubernetes.image else {}),
        }
    return config


def of_directory(deploy: Deploy) -> tuple[SecretRef, ...]:
    """The secrets by which the service asks the directory."""
    directory = deploy.identity.directory
    password = directory.ldap.bind_password if directory and directory.ldap else None
    return (password,) if password else ()


def _settings(assistant: Assistant) -> dict[str, Any]:
    """Settings that are not sections, by the names in the rows of the table; only those that the spec asks for."""
    spec = assistant.spec
    store, bucket = spec.platform.store, spec.platform.artifacts
    return {
        "name": assistant.name,
        "title": assistant.title,
        "embedder": spec.models.embedder,
        "base": spec.models.base,
        "milvus": as_json(spec.platform.milvus),
        "audience": list(spec.train.audience),
        "cache": f"{store}/cache",
        "releases": f"{store}/releases/{assistant.name}",
        # The dev split is only needed to choose among candidates.
        **({"dev": True} if spec.train.candidates else {}),
        **({"artifacts": as_json(bucket)} if bucket and bucket.push else {}),
    }


def _place(platform: Platform, step: StepName) -> dict[str, Any]:
    """Where on a cluster the pods run that a step starts: the service, or nodes that train together."""
    own = platform.images.get(step) or image(step, platform.registry)
    return {"namespace": platform.namespace, "claim": platform.workspace or "", "image": own}


def _where_set(section: Section) -> dict[str, Any]:
    """A section without those of its later settings that are at their default."""
    fields = type(section).model_fields
    unset = {
        name for name in marked(type(section), Mark.LATER)
        if getattr(section, name) == fields[name].get_default(call_default_factory=True)
    }  # fmt: skip
    inner = {name: value for name in fields if isinstance(value := getattr(section, name), Section)}
    return {
        name: _where_set(inner[name]) if name in inner else value
        for name, value in as_json(section).items() if name not in unset
    }  # fmt: skip
