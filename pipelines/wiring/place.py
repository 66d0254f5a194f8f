"""What the cluster gives each task: image, cpu, memory, accelerator, time, retries, cache key. See also `pods.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp.dsl import PipelineTask

from components.images import image
from pipelines.wiring.pods import Pod
from pipelines.wiring.steps import BESIDE, TABLE
from raftops.spec.model.base import SecretRef, StepName
from raftops.spec.model.platform import Platform, Resources

_LIGHT = Resources(cpu="250m", memory="512Mi", timeout_minutes=10)
"""For tasks that only read a verdict or write a record: their pods start without a missing secret."""


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
    places: Mapping[StepName, tuple[str, ...]] = field(default_factory=dict)
    """Folders that the pods of a step fetch files of the project into."""

    def step(self, step: StepName, task: PipelineTask, *secrets: SecretRef, on_nodes: bool = False) -> PipelineTask:
        """Place a step. Its key is the identity of what it makes.

        Where the work is done by other pods (`on_nodes`), they have the accelerator, and this task only watches them.
        """
        wanted = self.platform.resources[step]
        if on_nodes:
            wanted = wanted.model_copy(update=_WATCHES)
        token, bucket = self.platform.milvus.token, self.platform.artifacts
        more = [token] if TABLE[step].searches else []
        more += [bucket.access_key, bucket.secret_key] if bucket and bucket.push and step == "deploy" else []
        named = _each(wanted.secrets, filter(None, more), self._of_data(step), secrets)
        self._placed(step, task, wanted, named, self.places.get(step, ()))
        return task.set_display_name(step).set_caching_options(True, cache_key=self.keys[step])

    def shard(self, step: StepName, task: PipelineTask, part: str = "shard", key: str | None = None) -> PipelineTask:
        """Place a step's work on one part. Where many tasks share this place, KFP's own key identifies them."""
        wanted = self.platform.resources[step]
        self._placed(step, task, wanted, _each(wanted.secrets, self._of_data(step)), self.places.get(step, ()))
        return task.set_display_name(f"{step} {part}").set_caching_options(True, cache_key=key)

    def beside(self, name: str, task: PipelineTask, *secrets: SecretRef) -> PipelineTask:
        """Place a light task in the image of a step. It always runs, with its secrets or without."""
        self._placed(BESIDE[name], task, _LIGHT, secrets)
        return task.set_display_name(name).set_caching_options(False)

    def _placed(
        self,
        step: StepName,
        task: PipelineTask,
        wanted: Resources,
        secrets: tuple[SecretRef, ...],
        folders: tuple[str, ...] = (),
    ) -> None:
        task.set_container_image(self.platform.images.get(step) or image(step, self.platform.registry))
        task.set_cpu_request(wanted.cpu).set_cpu_limit(wanted.cpu)
        task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
        if wanted.accelerator:
            task.set_accelerator_type(wanted.accelerator.type).set_accelerator_limit(wanted.accelerator.count)
        if wanted.retries:
            wait = f"{wanted.backoff_seconds}s"
            task.set_retry(wanted.retries, backoff_duration=wait, backoff_factor=2.0, backoff_max_duration="3600s")
        labels = {"app.kubernetes.io/part-of": self.name, "app.kubernetes.io/component": step}
        pod = Pod(self.platform, wanted, secrets, labels, self.annotations, folders, optional=wanted is _LIGHT)
        task.platform_config["kubernetes"] = pod.message()

    def _of_data(self, step: StepName) -> list[SecretRef]:
        """What a step needs whose pods fetch files of the project."""
        data = self.platform.dvc if self.places.get(step) else None
        return [secret for secret in (data.access_key, data.secret_key) if secret] if data else []


def _each(*secrets: Iterable[SecretRef]) -> tuple[SecretRef, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(secret for some in secrets for secret in some))
