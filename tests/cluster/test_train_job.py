"""A TrainJob against the stand-in of the API server: shape, states over time, failure, suspension."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubeflow_trainer_api import models

from raftops.cluster.train_job import HELD, JOB_SET, Nodes, resume, state_of, suspend, train_job, train_on_nodes
from raftops.errors import ClusterError, StepError
from raftops.files import read_json, write_jsonl
from raftops.progress import PROGRESS
from raftops.spec.model.base import Accelerator, SecretRef, Toleration
from raftops.spec.model.learning import Train
from raftops.spec.model.platform import Resources

CONFIG = Train(audience=("staff",), nodes=2)
GPU = Resources(
    cpu="8", memory="32Gi", accelerator=Accelerator(count=4), node_selector={"gpu": "a100"},
    tolerations=(Toleration(key="nvidia.com/gpu"),), secrets=(SecretRef(secret="hub", key="token", env="HF_TOKEN"),),
)  # fmt: skip
PLACE = {"namespace": "raftops", "claim": "store", "image": "r/train:1", "resources": GPU.model_dump(mode="json")}


@dataclass(frozen=True)
class OneJob:
    """One adapter to train, as far as the cluster sees it."""

    name: str
    conversations: Path
    work: Path
    start: Path | None = None


class Trainer:
    """Kubeflow's trainer behind the stand-in: takes every TrainJob through the given states."""

    def __init__(self, api, *states):
        self.api, self.states, self.seen = api, list(states), []
        self.step = None

    def __call__(self, method, path):
        """One state further each time that somebody looks."""
        if method == "GET" and "/trainjobs/train-" in path and self.states:
            name = path.rpartition("/")[2]
            state = self.states.pop(0)
            self.seen.append(state)
            getattr(self, state)(name)

    def condition(self, name, type_, message="", **more):
        conditions = [{"type": type_, "status": "True", "message": message, "reason": type_}] if type_ else []
        self.api.put("TrainJob", name, status={"conditions": conditions, **more})

    def created(self, name):
        self.condition(name, "")

    def running(self, name):
        for node in range(2):
            labels = {JOB_SET: name}
            self.api.put("Pod", f"{name}-node-0-{node}", {"metadata": {"labels": labels}}, {"phase": "Running"})
        self.condition(name, "", jobsStatus=[{"name": "node", "active": 1}])

    def halfway(self, name):
        far = {"step": "train", "done": 3, "total": 6, "note": "raft loss 1.2"}
        self.api.logs[f"{name}-node-0-0"] = f"NCCL ready\n{PROGRESS}{json.dumps(far)}\n"
        self.condition(name, "", jobsStatus=[{"name": "node", "active": 1, "ready": 1}])

    def suspended(self, name):
        self.condition(name, "Suspended", jobsStatus=[{"name": "node", "suspended": 1}])

    def complete(self, name):
        self.condition(name, "Complete")

    def failed(self, name):
        status = {
            "phase": "Failed",
            "containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}],
        }
        self.api.put("Pod", f"{name}-node-0-1", {"metadata": {"labels": {JOB_SET: name}}}, status)
        self.api.logs[f"{name}-node-0-1"] = "step 4\ntorch.OutOfMemoryError: CUDA out of memory"
        self.condition(name, "Failed", "jobset failed due to one or more job failures")

    def ended(self, name):
        """Kubernetes ends the step's pod, which is a process of its own: never the one that runs the tests."""
        os.kill(self.step.pid, signal.SIGTERM)


@pytest.fixture
def jobs(tmp_path):
    write_jsonl(tmp_path / "conversations" / "raft.jsonl", [{"id": "1"}])
    return [OneJob("raft", tmp_path / "conversations" / "raft.jsonl", Path("cache/train/abc"))]


@pytest.fixture
def run(tmp_path, api, jobs, monkeypatch):
    """Runs the step's part on the cluster while the trainer goes through these states."""
    monkeypatch.setattr("raftops.cluster.train_job.LOOK_SECONDS", 1)

    def run(*states, config=CONFIG):
        trainer = Trainer(api, *states)
        api.before[:] = [trainer]
        train_on_nodes(config, "file://base", jobs, tmp_path / "store" / "cache", PLACE)
        return trainer

    return run


STEP = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from raftops.cluster import train_job
from raftops.spec.model.learning import Train
config, place, conversations, cache = json.loads(sys.argv[1])
train_job.LOOK_SECONDS = 1
job = SimpleNamespace(name="raft", conversations=Path(conversations), work=Path("cache/train/abc"), start=None)
train_job.train_on_nodes(Train.model_validate(config), "file://base", [job], Path(cache), place)
"""


@pytest.fixture
def ended(tmp_path, api, jobs):
    """Runs the step as a process that Kubernetes ends while the job is at work; returns its exit code."""
    given = [CONFIG.model_dump(mode="json"), PLACE, str(jobs[0].conversations), str(tmp_path / "store" / "cache")]

    def run():
        trainer = Trainer(api, "running", "ended")
        api.before[:] = [trainer]
        with subprocess.Popen([sys.executable, "-c", STEP, json.dumps(given)]) as trainer.step:
            return trainer.step.wait(timeout=120)

    return run


EVERYTHING = GPU.model_dump(mode="json") | {
    "affinity": [
        {"match": [{"key": "zone", "values": ["a"]}]},
        {"match": [{"key": "disk", "operator": "Exists"}], "weight": 7},
    ],
    "config_maps": [{"config_map": "flags", "key": "k", "env": "FLAG"}, {"config_map": "flags", "path": "/etc/flags"}],
    "shared_memory": "8Gi",
}  # fmt: skip
VOLUMES = [{"claim": "models", "path": "/app/models"}, {"claim": "store", "path": "/more", "sub_path": "x"}]


def body(**place):
    return train_job(CONFIG, Nodes.of(PLACE | place), Path("/app/.raftops/cache/nodes/x"), Path("/app/.raftops"))


def test_the_job_has_the_shape_that_kubeflow_publishes():
    made = body()
    again = models.TrainerV1alpha1TrainJob.from_dict(made).to_dict()
    assert again == made, "nothing of it is unknown to the published model"
    trainer = made["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["command"]) == (2, 4, ["torchrun"])
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "4"}
    assert made["spec"]["runtimeRef"]["name"] == "torch-distributed"
    assert {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}} in trainer["env"]


def test_nodes_share_the_claim_at_the_same_path_and_are_restricted():
    patch = body()["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
    pod = patch["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    claim = {"name": "store", "persistentVolumeClaim": {"claimName": "store"}}
    assert claim in pod["volumes"] and {"name": "store", "mountPath": "/app/.raftops"} in container["volumeMounts"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["nodeSelector"] == {"gpu": "a100"} and pod["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_nodes_get_what_the_spec_gives_a_steps_pod():
    made = body(resources=EVERYTHING, user=4711.0, pull_secrets=["registry"], volumes=VOLUMES)
    assert models.TrainerV1alpha1TrainJob.from_dict(made).to_dict() == made
    patch = made["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
    pod = patch["template"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 4711 and pod["imagePullSecrets"] == [{"name": "registry"}]
    affinity = pod["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    assert affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 7
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert volumes["memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert volumes[mounts["/app/models"]["name"]]["persistentVolumeClaim"] == {"claimName": "models"}
    assert mounts["/more"] == {"name": "store", "mountPath": "/more", "subPath": "x"}
    assert volumes[mounts["/etc/flags"]["name"]]["configMap"] == {"name": "flags"}
    variable = {"name": "FLAG", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "k"}}}
    assert variable in made["spec"]["trainer"]["env"]


def test_the_queue_admits_the_job(run, api, monkeypatch):
    queued = GPU.model_dump(mode="json") | {"queue": "gpu-jobs", "priority": "high"}
    monkeypatch.setitem(PLACE, "resources", queued)
    run("running", "complete")
    (job,) = api.all("TrainJob")
    labels = job["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "gpu-jobs"
    assert labels["kueue.x-k8s.io/priority-class"] == "high"


@pytest.mark.slow
def test_a_job_is_made_followed_and_its_progress_passed_on(run, api, capsys):
    trainer = run("created", "running", "halfway", "complete")
    assert trainer.seen == ["created", "running", "halfway", "complete"]
    (job,) = api.all("TrainJob")
    told = [
        json.loads(line.partition(PROGRESS)[2]) for line in capsys.readouterr().out.splitlines() if PROGRESS in line
    ]
    assert [(t["done"], t["total"]) for t in told][-1] == (3, 6) and "2 nodes: waiting" in told[0]["note"]
    assert told[-1]["note"] == "raft loss 1.2" and job["metadata"]["name"].endswith("-1")


def test_the_processes_find_everything_on_the_claim(run, tmp_path, monkeypatch, jobs):
    cache, found = tmp_path / "store" / "cache", {}

    def look(self, name):
        (folder,) = (cache / "nodes").iterdir()
        found.update(read_json(folder / "job.json"), files=sorted(path.name for path in folder.iterdir()))

    starter = tmp_path / "starter" / "raft"
    starter.mkdir(parents=True)
    (starter / "adapter_model.safetensors").write_text("w")
    jobs[0] = OneJob("raft", jobs[0].conversations, jobs[0].work, starter)
    monkeypatch.setattr(Trainer, "created", look)
    run("created", "complete", config=CONFIG.model_copy(update={"init_from": str(tmp_path / "starter")}))
    assert found["files"] == ["job.json", "raft.jsonl", "start"] and found["cache"] == str(cache)
    assert found["train"]["init_from"].startswith(str(cache / "nodes"))
    assert list((cache / "nodes").iterdir()) == [], "nothing is left on the claim"


def test_a_failure_names_the_pod_its_code_and_its_last_lines(run, api):
    with pytest.raises(StepError, match=r"train-\w+-1 failed: jobset failed") as raised:
        run("running", "failed")
    assert "-node-0-1 ended with code 137, OOMKilled" in str(raised.value)
    assert "CUDA out of memory" in str(raised.value) and "goes on where it was" in raised.value.next_step


def test_after_a_failure_the_next_run_is_a_new_try(run, api):
    with pytest.raises(StepError):
        run("failed")
    run("running", "complete")
    assert sorted(job["metadata"]["name"][-2:] for job in api.all("TrainJob")) == ["-1", "-2"]


def test_a_step_that_is_started_again_follows_the_job_that_runs(run, api, monkeypatch):
    def loses_its_rights(self, name):
        self.api.rights = {}

    with monkeypatch.context() as patch, pytest.raises(ClusterError, match="401"):
        patch.setattr(Trainer, "halfway", loses_its_rights)
        run("running", "halfway")
    api.rights = None
    run("halfway", "complete")
    assert len(api.all("TrainJob")) == 1


@pytest.mark.slow
def test_a_suspended_job_is_waited_for(run, capsys):
    run("running", "suspended", "suspended", "running", "complete")
    assert "2 nodes: suspended" in capsys.readouterr().out


def test_a_step_that_is_ended_suspends_its_job_and_the_next_one_resumes_it(run, ended, api):
    assert ended() == 128 + signal.SIGTERM
    (job,) = api.all("TrainJob")
    assert job["spec"]["suspend"] is True and job["metadata"]["annotations"][HELD] == "true"
    run("complete")
    (job,) = api.all("TrainJob")
    assert job["spec"]["suspend"] is False


def test_what_somebody_else_suspended_is_not_resumed_by_a_step(run, ended, api, cluster):
    assert ended() == 128 + signal.SIGTERM
    (job,) = api.all("TrainJob")
    name = job["metadata"]["name"]
    resume(cluster, name)
    suspend(cluster, name)
    before = signal.getsignal(signal.SIGTERM)
    run("complete")
    assert signal.getsignal(signal.SIGTERM) == before
    assert api.get("TrainJob", name)["spec"]["suspend"] is True


def test_a_job_that_somebody_deleted_is_said(run, monkeypatch):
    monkeypatch.setattr(Trainer, "complete", lambda self, name: self.api.remove("TrainJob", name))
    with pytest.raises(StepError, match="is gone"):
        run("running", "complete")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, "waiting"),
        ({"conditions": [{"type": "Suspended", "status": "False"}], "jobsStatus": [{"active": 1}]}, "running"),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, "suspended"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "complete"),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "failed"),
    ],
)
def test_the_state_is_read_from_the_conditions(status, state):
    assert state_of({"spec": {}, "status": status}) == state
