"""What the cluster gives each task: image, cpu, memory, accelerator, nodes, secrets, time, retries, cache key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kfp import kubernetes
from kfp.dsl import PipelineTask

from components.images import image
from raftops.spec.model import STEPS, Platform, Resources, SecretRef, StepName


def place(platform: Platform, keys: Mapping[StepName, str], tasks: Sequence[PipelineTask]) -> None:
    """Give every task, in the order of `STEPS`, its resources and its key."""
    for step, task in zip(STEPS, tasks, strict=True):
        task.set_display_name(step).set_container_image(image(step, platform.registry))
        task.set_caching_options(True, cache_key=keys[step])
        _resources(task, platform.resources.get(step))
        if platform.milvus.token and step in _SEARCHES:
            _secret(task, platform.milvus.token)


_SEARCHES = ("index", "augment", "evaluate", "deploy")
"""Steps that talk to Milvus."""


def _resources(task: PipelineTask, wanted: Resources | None) -> None:
    if wanted is None:
        return
    task.set_cpu_request(wanted.cpu).set_cpu_limit(wanted.cpu)
    task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
    if wanted.accelerator:
        task.set_accelerator_type(wanted.accelerator.type).set_accelerator_limit(wanted.accelerator.count)
    if wanted.node_selector:
        kubernetes.add_node_selector_json(task, dict(sorted(wanted.node_selector.items())))
    for toleration in wanted.tolerations:
        kubernetes.add_toleration(
            task, key=toleration.key, operator=toleration.operator,
            value=toleration.value or None, effect=toleration.effect or None,
        )  # fmt: skip
    for secret in wanted.secrets:
        _secret(task, secret)
    kubernetes.set_timeout(task, wanted.timeout_minutes * 60)
    if wanted.retries:
        task.set_retry(num_retries=wanted.retries, backoff_duration="30s", backoff_factor=2.0)


def _secret(task: PipelineTask, secret: SecretRef) -> None:
    kubernetes.use_secret_as_env(task, secret_name=secret.secret, secret_key_to_env={secret.key: secret.env})
