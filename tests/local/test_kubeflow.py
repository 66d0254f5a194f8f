"""`kfp run create` on the compiled quickstart, as a person would: the stand-in runs it for real, all arms. Minutes.

The stand-in's pods begin in an empty folder: what they read of the project comes from a bucket that DVC pushed it to.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
    }
}  # fmt: skip


def said(*words, code=0, **environment):
    command = [str(word) for word in words]
    env = {**os.environ, **KEYS, "PYTHONWARNINGS": "ignore", "OMP_WAIT_POLICY": "PASSIVE", **environment}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == code, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        with Server(Cluster(locally(elsewhere, tmp_path_factory.mktemp("cluster")))) as server:
            yield server


bucket = pytest.fixture(scope="module")(storage)


@pytest.fixture(scope="module")
def overlays(tmp_path_factory, bucket):
    """Small, with a store of its own, and its data in a bucket."""
    folder = tmp_path_factory.mktemp("overlay")
    store = str(tmp_path_factory.mktemp("store"))
    section = {name: value for name, value in bucket.section().items() if name != "push"} | {"uri": "s3://team/dvc"}
    kept = {"data": {"dvc": "data.dvc"}, "platform": {"dvc": section}}
    (folder / "data.yaml").write_text(yaml.safe_dump({"spec": kept}), encoding="utf-8")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    (folder / "store.yaml").write_text(yaml.safe_dump({"spec": {"platform": {"store": store}}}), encoding="utf-8")
    overlays = ["-f", folder / "small.yaml", "-f", folder / "store.yaml", "-f", folder / "data.yaml"]
    said(BIN / "raftops", "data", "push", "specs/quickstart.yaml", *overlays)
    return overlays


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, overlays):
    path = tmp_path_factory.mktemp("build") / "quickstart.yaml"
    said(BIN / "raftops", "compile", "specs/quickstart.yaml", *overlays, "-o", path)
    return path


def test_kfp_run_create_runs_the_compiled_quickstart_to_its_end(server, pipeline):
    ended = said(
        BIN / "kfp", "--endpoint", server.url, "run", "create", "-e", "quickstart", "-f", pipeline, "-w"
    )  # fmt: skip
    assert "Run is finished with state SUCCEEDED." in ended
    [run] = server.cluster.runs.values()
    states = {task.name: task.state for task in run.tasks.values()}
    assert states["deploy"] == states["train-plain"] == "SUCCEEDED"


def test_the_same_pipeline_submitted_by_raftops_is_all_cached(server, pipeline, overlays):
    raftops = (BIN / "raftops", "--output", "json")
    shown = said(*raftops, "submit", "specs/quickstart.yaml", *overlays, "--wait", KFP_ENDPOINT=server.url)
    assert '"event": "ended"' in shown.splitlines()[-1]
    assert shown.count('"event": "skipped"') == 7
