from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipelines.local.limits import Limits, limits
from pipelines.wiring.compile import compile_spec
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def on_gpus() -> dict[str, Limits]:
    """The limits of the sample with the overlay for GPUs."""
    loaded = load_spec(ROOT / "specs" / "handbook.yaml", [ROOT / "specs" / "env" / "gpu.yaml"])
    compiled = compile_spec(loaded)
    return limits(compiled.pipeline, compiled.platform)


def test_every_step_has_its_image(on_gpus: dict[str, Limits]) -> None:
    for step in STEPS:
        assert f"/{step}:" in on_gpus[step].image


def test_what_the_overlay_asks_for_is_read_from_the_compiled_file(on_gpus: dict[str, Limits]) -> None:
    train = on_gpus["train"]
    assert (train.cpu, train.memory) == (8.0, 32 * 2**30)
    assert (train.accelerator, train.accelerators, train.seconds) == ("nvidia.com/gpu", 1, 480 * 60)


PIPELINE = """
components:
  comp-train: {executorLabel: exec-train}
  comp-group: {dag: {}}
deploymentSpec:
  executors:
    exec-train:
      container: {image: one, resources: {resourceCpuLimit: 500m, resourceMemoryLimit: 512Mi}}
---
platforms:
  kubernetes:
    deploymentSpec:
      executors:
        exec-train:
          activeDeadlineSeconds: '90'
          secretAsEnv:
          - {secretName: milvus, keyToEnv: [{secretKey: token, envVar: MILVUS_TOKEN}]}
          emptyDirMounts:
          - {mountPath: /tmp, sizeLimit: 1Gi}
          - {mountPath: /dev/shm, medium: Memory, sizeLimit: 2Gi}
"""


def test_time_secrets_and_shared_memory_come_from_what_only_kubernetes_reads() -> None:
    assert limits(*yaml.safe_load_all(PIPELINE)) == {
        "train": Limits(
            "one", cpu=0.5, memory=2**29, seconds=90, secrets=("MILVUS_TOKEN",), shared_memory=2 * 2**30
        )
    }  # fmt: skip


def test_a_file_without_limits_sets_none() -> None:
    pipeline, _ = yaml.safe_load_all(PIPELINE)
    del pipeline["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]
    assert limits(pipeline, {}) == {"train": Limits("one")}
