"""What the cluster gives each task: image, cpu, memory, accelerator, time, retries, cache key. See also `pods.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

from kfp.dsl import PipelineTask

from components.images import image
from raftops.spec.model import STEPS, Platform, Resources, SecretRef, StepName

_SEARCHES = ("index", "augment", "evaluate", "deploy")
"""Steps that talk to Milvus."""


def place(platform: Platform, keys: Mapping[StepName, str], tasks: Sequence[PipelineTask]) -> None:
    """Give every task, in the order of `STEPS`, its resources and its key."""
    for step, task in zip(STEPS, tasks, strict=True):
        task.set_display_name(step).set_container_image(image(step, platform.registry))
        task.set_caching_options(True, cache_key=keys[step])
        wanted = platform.resources.get(step)
        if wanted:
            _resources(task, wanted)
        secrets = _secrets(platform, step, wanted)
        if wanted or secrets:
            import_module("pipelines.pods").place_pod(
                task, wanted, secrets
            )  # Kubernetes' client: only where it is used


def _resources(task: PipelineTask, wanted: Resources) -> None:
    task.set_cpu_request(wanted.cpu).set_cpu_limit(wanted.cpu)
    task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
    if wanted.accelerator:
        task.set_accelerator_type(wanted.accelerator.type).set_accelerator_limit(wanted.accelerator.count)
    if wanted.retries:
        task.set_retry(num_retries=wanted.retries, backoff_duration="30s", backoff_factor=2.0)


def _secrets(platform: Platform, step: StepName, wanted: Resources | None) -> list[SecretRef]:
    named = list(wanted.secrets) if wanted else []
    token = platform.milvus.token
    return [*named, token] if token and step in _SEARCHES and token not in named else named
