"""A repository with the workflow that `raftops init --ci` wrote, and the forge, the Kubeflow and the bucket behind it.

Real: bash, git, pip, raftops from its wheel, Kubeflow's command line, an S3 server. Stand-ins: the forges, Kubeflow.
Conditions and expressions are actionlint's business: a test names the steps that it runs; of what is in `${{ }}`
only plain names get a value.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from raftops.release.release import write_release
from raftops.release.store import push_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from raftops.spec.template import write_project
from tests.service.release_files import fake_parts
from tests.standin.runs import Run, Scripted
from tests.standin.server import Cluster, Server
from tests.storage import Storage

ROOT = Path(__file__).parents[2]
TOKEN = "kubeflow-token-of-the-test"
REPORT = json.loads((ROOT / "docs" / "handbook-report" / "report.json").read_text(encoding="utf-8"))


def read_workflow(path: Path) -> dict[str, Any]:
    """A workflow as a mapping; YAML 1.1 reads its key `on` as true."""
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in body.items()}


def named_steps(workflow: dict[str, Any], job: str) -> dict[str, dict[str, Any]]:
    """The shell steps of a job, by name."""
    return {step["name"]: step for step in workflow["jobs"][job]["steps"] if "run" in step}


def with_values(section: dict[str, Any], values: dict[str, str]) -> dict[str, str]:
    """An `env:` of a workflow with its `${{ }}` replaced; a name without a value is an error."""
    return {name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda m: values[m[1]], str(v)) for name, v in section.items()}


def bash(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A script as both forges start it: it ends at the first command that fails, in a pipe, too."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=folder, env=environment, text=True,
        timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


@dataclass
class Repository:
    """A project under git on a forge with its settings, and the Kubeflow and the bucket behind it."""

    root: Path
    tools: Path
    """First on the path: stand-ins of what a runner has."""
    python: Path
    """The bin folder of a virtual environment in which raftops is its wheel."""
    storage: Storage
    scratch: Path
    kubeflow: str = ""
    ends: list[str] = field(default_factory=list)
    """How the coming runs end, by the share of right answers of their release; FAILED for one that fails."""

    @property
    def package(self) -> str:
        """What pip installs."""
        return f"{next(self.python.parent.glob('*.whl'))}[ci]"

    def environment(self, **more: str) -> dict[str, str]:
        """What every step is given."""
        home = self.scratch / "home"
        return {"PATH": f"{self.tools}:{self.python}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"} | more

    def commit(self, message: str) -> str:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def keep_data_in_the_bucket(self) -> None:
        """Name a bucket for the data, which git keeps."""
        overlay = yaml.safe_load((self.root / "cluster.yaml").read_text())
        section = {name: value for name, value in self.storage.section().items() if name != "push"}
        overlay["spec"]["platform"]["dvc"] = section | {"uri": "s3://team/data"}
        (self.root / "cluster.yaml").write_text(json.dumps(overlay))

    def start(self, run: Run) -> Scripted:
        """A run on the cluster, whose deploy step pushes its release as ours does."""
        end = self.ends.pop(0)
        if end != "FAILED":
            self._release(float(end))
        return Scripted(run, [{"run": "RUNNING"}, {"run": "FAILED" if end == "FAILED" else "SUCCEEDED"}])

    def _release(self, right: float) -> None:
        parts = fake_parts(self.scratch / f"parts {right}", weights=str(right))
        parts = type(parts)(**{**vars(parts), "name": "guide"})
        body = REPORT | {"identity": str(right)}
        body["metrics"] = REPORT["metrics"] | {"served.answer_contained": right}
        (parts.report / "report.json").write_text(json.dumps(body))
        (parts.report / "report.html").write_text("<h1>report</h1>")
        rows = [
            {"id": f"q{i}", "arm": "served", "kind": "answerable", "question": "?", "reference": "!", "groups": [],
             "scores": {"answer_contained": float(i < 20 * right)}} for i in range(20)
        ]  # fmt: skip
        (parts.report / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        push_release(
            write_release(Deploy(), Prompt(), Router(), parts, self.scratch / "releases"), self.storage.bucket()
        )


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that sees the packages of this one, and of raftops only what its wheel holds."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (packages / "here.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    pip = "[global]\nno-index = true\nno-build-isolation = false\ndisable-pip-version-check = true\n"
    (folder / "pip.conf").write_text(pip, encoding="utf-8")
    build = [str(folder / "bin" / "python"), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return folder / "bin"


@pytest.fixture
def repository(tmp_path: Path, storage: Storage, python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A new project in git, with an overlay `cluster.yaml` that names the bucket, and a Kubeflow that answers."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    made = Repository(tmp_path / "guide", tmp_path / "tools", python, storage, tmp_path / "scratch")
    write_project(made.root, "guide")
    overlay = {"spec": {"platform": {"artifacts": storage.section() | {"push": True}}}}
    (made.root / "cluster.yaml").write_text(yaml.safe_dump(overlay))
    made.scratch.mkdir()
    made.tools.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    with Server(Cluster(made.start, token=TOKEN)) as server:
        made.kubeflow = server.url
        yield made


def executable(path: Path, text: str) -> None:
    """A tool that a runner has."""
    path.write_text(text)
    path.chmod(0o755)


def copied(name: str, folder: Path) -> None:
    """A stand-in of this folder, onto the path."""
    shutil.copy(Path(__file__).with_name(name), folder / name)
    (folder / name).chmod(0o755)
