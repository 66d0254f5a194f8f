"""`kfp run create` on the compiled quickstart, as a person would: the stand-in runs it for real, all arms. Minutes.

The stand-in's pods begin in an empty folder: what they read of the project comes from a bucket that DVC pushed it to.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from raftops.spec.model.base import STEPS
from tests.standin.runs import locally
from tests.standin.server import Cluster, Server
from tests.storage import KEYS, storage

pytestmark = [pytest.mark.local, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SMALL = {
    "spec": {
        "prompt": {"units": 2, "evidence_tokens": 100},
        "augment": {"max_examples": 8},
        "train": {"max_steps": 2, "batch_size": 1, "plain_beside": True},
        "evaluate": {
            "questions": 2, "unanswerable": 1, "behaviour": 1, "forgetting": 1, "bootstrap": 100, "max_new_tokens": 8
        },
        "platform": {"shards": 2},
    }
}  # fmt: skip


def said(*words, code=0, **environment):
    command = [str(word) for word in words]
    env = {**os.environ, **KEYS, "PYTHONWARNINGS": "ignore", "OMP_WAIT_POLICY": "PASSIVE", **environment}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == code, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


@contextmanager
def standin(tmp_path_factory):
    """Kubeflow's API, whose pods begin in an empty folder with the keys of the bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        with Server(Cluster(locally(elsewhere, tmp_path_factory.mktemp("cluster")))) as server:
            yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with standin(tmp_path_factory) as server:
        yield server


bucket = pytest.fixture(scope="module")(storage)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, bucket):
    """An overlay with a store of its own, and the data in a bucket."""
    section = {name: value for name, value in bucket.section().items() if name != "push"} | {"uri": "s3://team/dvc"}
    platform = {"store": str(tmp_path_factory.mktemp("store")), "dvc": section}
    path = tmp_path_factory.mktemp("overlay") / "kept.yaml"
    path.write_text(yaml.safe_dump({"spec": {"data": {"dvc": "data.dvc"}, "platform": platform}}), encoding="utf-8")
    said(BIN / "raftops", "data", "push", "specs/quickstart.yaml", "-f", path)
    return path


@pytest.fixture(scope="module")
def overlays(tmp_path_factory, kept):
    """The same, and small."""
    path = tmp_path_factory.mktemp("overlay") / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return ["-f", path, "-f", kept]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, overlays):
    path = tmp_path_factory.mktemp("build") / "quickstart.yaml"
    said(BIN / "raftops", "compile", "specs/quickstart.yaml", *overlays, "-o", path)
    return path


def created(server, pipeline, experiment):
    """The states of a run's tasks, after `kfp run create` saw it succeed."""
    command = [BIN / "kfp", "--endpoint", server.url, "run", "create", "-e", experiment, "-f", pipeline, "-w"]
    assert "Run is finished with state SUCCEEDED." in said(*command)
    [run] = server.cluster.runs.values()
    return {task.name: task.state for task in run.tasks.values()}


def test_kfp_run_create_runs_the_compiled_quickstart_to_its_end(server, pipeline):
    states = created(server, pipeline, "quickstart")
    assert states["deploy"] == states["train-plain"] == states["ingest-documents"] == "SUCCEEDED"


def test_the_same_pipeline_submitted_by_raftops_is_all_cached(server, pipeline, overlays):
    raftops = (BIN / "raftops", "--output", "json")
    shown = said(*raftops, "submit", "specs/quickstart.yaml", *overlays, "--wait", KFP_ENDPOINT=server.url)
    assert '"event": "ended"' in shown.splitlines()[-1]
    assert shown.count('"event": "skipped"') == 7


@pytest.mark.long
def test_kfp_run_create_runs_the_compiled_handbook_to_its_end(tmp_path_factory, tmp_path, kept):
    pipeline = tmp_path / "handbook.yaml"
    said(BIN / "raftops", "compile", "specs/handbook.yaml", "-f", kept, "-o", pipeline)
    with standin(tmp_path_factory) as server:
        states = created(server, pipeline, "handbook")
    assert {states[step] for step in STEPS} == {"SUCCEEDED"}
