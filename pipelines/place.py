"""What the cluster gives each task: image, cpu, memory, accelerator, time, retries, cache key. See also `pods.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp.dsl import PipelineTask

from components.images import image
from pipelines.pods import Pod
from raftops.spec.model.base import SecretRef, StepName
from raftops.spec.model.platform import Platform, Resources

_SEARCHES = ("index", "augment", "evaluate", "deploy")
"""Steps that talk to Milvus."""
_LIGHT = Resources(cpu="250m", memory="512Mi", timeout_minutes=10)
"""For tasks that only read a verdict or write a record."""


_WATCHES: dict[str, Any] = {
    "accelerator": None, "node_selector": {}, "tolerations": (), "affinity": (), "queue": "", "priority": "",
    "shared_memory": None,
}  # fmt: skip
"""Of a task that watches nodes: no GPU, no node of theirs, and no place in their queue."""


@dataclass(frozen=True)
class Placer:
    """Gives tasks their place."""

    platform: Platform
    keys: Mapping[StepName, str]
    name: str = ""
    """The assistant's."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """On every pod: where it comes from."""

    def step(self, step: StepName, task: PipelineTask, *secrets: SecretRef, on_nodes: bool = False) -> PipelineTask:
        """Place a step. Its key is the identity of what it makes.

        Where the work is done by other pods (`on_nodes`), they have the accelerator, and this task only watches them.
        """
        wanted = self.platform.resources[step]
        if on_nodes:
            wanted = wanted.model_copy(update=_WATCHES)
        own = self._secrets(step, wanted)
        self._placed(step, task, wanted, (*own, *(secret for secret in secrets if secret not in own)))
        return task.set_display_name(step).set_caching_options(True, cache_key=self.keys[step])

    def shard(self, step: StepName, task: PipelineTask, part: str = "shard") -> PipelineTask:
        """Place a step's work on one part. Many tasks share this place, so KFP's own key tells them apart."""
        wanted = self.platform.resources[step]
        self._placed(step, task, wanted, wanted.secrets)
        return task.set_display_name(f"{step} {part}").set_caching_options(True)

    def beside(self, name: str, step: StepName, task: PipelineTask, *secrets: SecretRef) -> PipelineTask:
        """Place a light task in the image of a step. It always runs, with its secrets or without."""
        self._placed(step, task, _LIGHT, secrets, optional=True)
        return task.set_display_name(name).set_caching_options(False)

    def _placed(
        self,
        step: StepName,
        task: PipelineTask,
        wanted: Resources,
        secrets: tuple[SecretRef, ...],
        optional: bool = False,
    ) -> None:
        task.set_container_image(self.platform.images.get(step) or image(step, self.platform.registry))
        _resources(task, wanted)
        labels = {"app.kubernetes.io/part-of": self.name, "app.kubernetes.io/component": step}
        pod = Pod(self.platform, wanted, secrets, labels, self.annotations, optional)
        task.platform_config["kubernetes"] = pod.message()

    def _secrets(self, step: StepName, wanted: Resources) -> tuple[SecretRef, ...]:
        named = wanted.secrets
        token, bucket = self.platform.milvus.token, self.platform.artifacts
        more = [token] if step in _SEARCHES else []
        more += [bucket.access_key, bucket.secret_key] if bucket and bucket.push and step == "deploy" else []
        return (*named, *(secret for secret in more if secret and secret not in named))


def _resources(task: PipelineTask, wanted: Resources) -> None:
    task.set_cpu_request(wanted.cpu).set_cpu_limit(wanted.cpu)
    task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
    if wanted.accelerator:
        task.set_accelerator_type(wanted.accelerator.type).set_accelerator_limit(wanted.accelerator.count)
    if wanted.retries:
        wait = f"{wanted.backoff_seconds}s"
        task.set_retry(
            num_retries=wanted.retries, backoff_duration=wait, backoff_factor=2.0, backoff_max_duration="3600s"
        )
