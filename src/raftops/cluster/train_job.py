"""Training on several nodes: a Kubeflow TrainJob that the train step makes, watches, and goes on from.

The job's processes (`raftops.training.worker`) write adapters and checkpoints into the cache on the claim that step and
nodes share. One job for the same work: a step that is started again follows the one that runs. A step that is ended
suspends its job, so that it holds no GPU, and the next one resumes it. Written for Kubeflow Trainer 2.3
(`trainer.kubeflow.org/v1alpha1`, whose `runtimePatches` older servers do not know).
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from kubeflow_trainer_api import models

from raftops.cluster.api import Body, Cluster
from raftops.cluster.train_nodes import Nodes, labels_of, patch_of, resources_of, variables_of
from raftops.errors import StepError
from raftops.files import link_or_copy, sha256_json, write_json
from raftops.progress import PROGRESS, progress
from raftops.spec.model.learning import Train
from raftops.training.tune import Job
from raftops.training.worker import JOB

State = Literal["waiting", "running", "suspended", "complete", "failed"]
WORK, ATTEMPT, HELD = "raftops.io/work", "raftops.io/attempt", "raftops.io/held-by-step"
"""Labels: the work by its digest, and which try this is. Annotation: suspended because the step was ended."""
GROUP = "trainer.kubeflow.org"
JOB_SET = "jobset.sigs.k8s.io/jobset-name"
"""Label that the trainer's pods have, with the name of the TrainJob."""
LOOK_SECONDS = 10
LINES = 12


def train_on_nodes(config: Train, base: str, jobs: Sequence[Job], cache: Path, place: Mapping[str, Any]) -> None:
    """Have these adapters trained on nodes; at the end they are in the cache.

    Raises:
        StepError: the nodes failed; says which pod, and its last lines.
        ClusterError: the API server refuses or cannot be reached.
    """
    nodes, cache = Nodes.of(place), cache.resolve()
    work = sha256_json([job.work.name for job in jobs])[:12]
    # What the processes read, on the claim: conversations, adapters to continue from, settings.
    folder = cache / "nodes" / work
    shutil.rmtree(folder, ignore_errors=True)
    for job in jobs:
        folder.mkdir(parents=True, exist_ok=True)
        link_or_copy(str(job.conversations), str(folder / f"{job.name}.jsonl"))
        if job.start:
            shutil.copytree(job.start, folder / "start" / job.name)
    start = str(folder / "start") if config.init_from else None
    settings = config.model_copy(update={"init_from": start}).model_dump(mode="json")
    write_json(folder / JOB, {"train": settings, "base": base, "cache": str(cache)})
    cluster = Cluster(nodes.namespace)
    name = _started(cluster, work, train_job(config, nodes, folder, cache.parent), labels_of(nodes))
    with _held_if_ended(cluster, name):
        _follow(cluster, name, config.nodes)
    shutil.rmtree(folder, ignore_errors=True)


def train_job(config: Train, nodes: Nodes, folder: Path, store: Path) -> Body:
    """The TrainJob, without a name."""
    each = nodes.resources.accelerator.count if nodes.resources.accelerator else 1
    body = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "TrainJob",
        "spec": {
            "runtimeRef": {"apiGroup": GROUP, "kind": "ClusterTrainingRuntime", "name": config.runtime},
            "suspend": False,
            "trainer": {
                "image": nodes.image,
                "command": ["torchrun"],
                "args": ["-m", "raftops.training.worker", str(folder)],
                "numNodes": config.nodes,
                "numProcPerNode": each,
                "resourcesPerNode": resources_of(nodes.resources),
                "env": variables_of(nodes),
            },
            "runtimePatches": [{"manager": "raftops.io/train", "trainingRuntimeSpec": patch_of(nodes, store)}],
        },
    }  # fmt: skip
    checked: Body = models.TrainerV1alpha1TrainJob.from_dict(body).to_dict()
    return checked


def _started(cluster: Cluster, work: str, body: Body, labels: Mapping[str, str]) -> str:
    """The name of the job that does this work: the present one, or a new attempt after one that ended."""
    attempts = sorted(cluster.list("TrainJob", {WORK: work}), key=lambda job: int(job["metadata"]["labels"][ATTEMPT]))
    last: Body = attempts[-1] if attempts else {}
    if last and state_of(last) not in ("failed", "complete"):
        name = str(last["metadata"]["name"])
        if last["metadata"].get("annotations", {}).get(HELD) == "true":
            resume(cluster, name)
        return name
    attempt = int(last["metadata"]["labels"][ATTEMPT]) + 1 if last else 1
    name = f"train-{work}-{attempt}"
    metadata = {"name": name, "labels": {**labels, WORK: work, ATTEMPT: str(attempt)}}
    cluster.create(body | {"metadata": metadata})
    return name


def state_of(job: Body) -> State:
    """The state of a TrainJob by its conditions."""
    status = job.get("status", {})
    true = {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}
    if "Failed" in true:
        return "failed"
    if "Complete" in true:
        return "complete"
    if "Suspended" in true or job["spec"].get("suspend"):
        return "suspended"
    return "running" if any(child.get("active") for child in status.get("jobsStatus", [])) else "waiting"


def suspend(cluster: Cluster, name: str, by_step: bool = False) -> None:
    """Take the job off its nodes; its checkpoints stay."""
    held = {"metadata": {"annotations": {HELD: "true"}}} if by_step else {}
    cluster.patch("TrainJob", name, held | {"spec": {"suspend": True}})


def resume(cluster: Cluster, name: str) -> None:
    """Let the job go on, from its last checkpoint."""
    cluster.patch("TrainJob", name, {"metadata": {"annotations": {HELD: "false"}}, "spec": {"suspend": False}})


@contextmanager
def _held_if_ended(cluster: Cluster, name: str) -> Iterator[None]:
    """A step that is ended (SIGTERM, Ctrl-C) suspends its job: nobody else would take it off the GPUs."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        suspend(cluster, name, by_step=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _follow(cluster: Cluster, name: str, count: int) -> None:
    """Wait for the end; reports the state meanwhile, and passes on the progress of the first process."""
    reported = ""
    while True:
        job = cluster.get("TrainJob", name)
        if job is None:
            raise StepError(f"TrainJob {name} is gone", next_step="somebody deleted it: run the spec again")
        state = state_of(job)
        if state == "complete":
            return
        if state == "failed":
            raise StepError(_reason(cluster, job), next_step="mend it and run again: training goes on where it was")
        last = json.dumps({"done": 0, "total": 1, "note": f"{count} nodes: {state} ({name})"})
        for pod in cluster.list("Pod", {JOB_SET: name}) if state == "running" else ():
            log = cluster.log(pod["metadata"]["name"], 50).splitlines()
            if rows := [line.partition(PROGRESS)[2] for line in log if PROGRESS in line]:
                last = rows[-1]  # only the first process writes any
                break
        if last != reported:
            row = json.loads(last)
            progress("train", row["done"], row["total"], row["note"])
            reported = last
        for _ in cluster.watch("TrainJob", name, job["metadata"]["resourceVersion"], LOOK_SECONDS):
            break  # it changed: look again


def _reason(cluster: Cluster, job: Body) -> str:
    """Why the job failed: its condition, then each failed pod with code and last lines."""
    name = job["metadata"]["name"]
    condition = next(c for c in job["status"]["conditions"] if c["type"] == "Failed")
    lines = [f"TrainJob {name} failed: {condition.get('message') or condition.get('reason', '')}"]
    for pod in cluster.list("Pod", {JOB_SET: name}):
        if pod.get("status", {}).get("phase") == "Failed":
            # The first container that did not end well, with its exit code.
            ends = (c.get("state", {}).get("terminated", {}) for c in pod["status"].get("containerStatuses", []))
            ended: Body = next((end for end in ends if end.get("exitCode")), {})
            code = f" ended with code {ended['exitCode']}" if ended else ""
            cause = f", {ended['reason']}" if ended.get("reason") else ""
            lines += [f"    pod {pod['metadata']['name']}{code}{cause}"]
            lines += [f"      {line}" for line in cluster.log(pod["metadata"]["name"], LINES).splitlines()]
    return "\n".join(lines)
