"""A repository with the workflow that `raftops init --ci` wrote, and the forge, the Kubeflow and the bucket behind it.

Real: git, bash, pip, raftops from its wheel, Kubeflow's own command line, an S3 server. Stand-ins: GitHub, Kubeflow.
"""

from __future__ import annotations

import json
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
from raftops.spec.template import CI, write_ci, write_project
from tests.ci.act import Ended, Machine, read_workflow, run_job
from tests.service.release_files import fake_parts
from tests.standin.runs import Run, Scripted
from tests.standin.server import Cluster, Server
from tests.storage import KEYS, Storage

ROOT = Path(__file__).parents[2]
TOKEN = "kubeflow-token-of-the-test"
REPORT = json.loads((ROOT / "docs" / "handbook-report" / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
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


@dataclass
class Forge:
    """A repository on GitHub with its settings, and the Kubeflow and the bucket behind it."""

    root: Path
    machine: Machine
    storage: Storage
    wheel: Path
    kubeflow: str = ""
    ends: list[str] = field(default_factory=list)
    """How the coming runs end, by the share of right answers of their release; FAILED for one that fails."""

    def git(self, *words: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; the commit belongs to pull request 7."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        sha = self.git("rev-parse", "HEAD")
        self.state(pulls=self.state()["pulls"] | {sha: "7"})
        return sha

    def state(self, **changes: Any) -> dict[str, Any]:
        """What GitHub knows."""
        path = self.machine.tools / "github.json"
        known = json.loads(path.read_text()) if path.exists() else {"pulls": {}, "comments": []}
        path.write_text(json.dumps(known | changes))
        return known | changes

    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.state()["comments"]]

    def event(  # noqa: PLR0913  what happened, by whom, and where
        self,
        job: str,
        name: str,
        sha: str,
        head: str = "team/guide",
        workflow: str = CI["github"],
        actor: str = "someone",
    ) -> Ended | None:
        """What GitHub does on a pull request or a push."""
        pull = {"number": 7, "head": {"repo": {"full_name": head}}}
        github = {
            "event_name": name, "repository": "team/guide", "sha": sha, "ref": "refs/heads/main", "ref_name": "main",
            "token": "github-token-of-the-test", "actor": actor,
            "event": {"pull_request": pull} if name == "pull_request" else {},
        }  # fmt: skip
        context = {
            "github": github, "secrets": {"KFP_TOKEN": TOKEN, **KEYS},
            "vars": {"KFP_ENDPOINT": self.kubeflow, "RAFTOPS_PACKAGE": f"{self.wheel}[ci]"},
        }  # fmt: skip
        return run_job(read_workflow(self.root / workflow), job, context, self.machine)

    def start(self, run: Run) -> Scripted:
        """A run on the cluster, whose deploy step pushes its release as ours does."""
        end = self.ends.pop(0)
        if end != "FAILED":
            self._release(float(end))
        return Scripted(run, [{"run": "RUNNING"}, {"run": "FAILED" if end == "FAILED" else "SUCCEEDED"}])

    def _release(self, right: float) -> None:
        parts = fake_parts(self.machine.scratch / f"parts {right}", weights=str(right))
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
        made = write_release(Deploy(), Prompt(), Router(), parts, self.machine.scratch / "releases")
        push_release(made, self.storage.bucket())


@pytest.fixture
def forge(tmp_path: Path, storage: Storage, python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    root, tools = tmp_path / "guide", tmp_path / "tools"
    write_project(root, "guide")
    write_ci(root, "github", "raftops.yaml", "guide")
    artifacts = storage.section() | {"push": True}
    (root / "cluster.yaml").write_text(yaml.safe_dump({"spec": {"platform": {"artifacts": artifacts}}}))
    workflow = root / CI["github"]
    workflow.write_text(workflow.read_text().replace('FLAGS: "" ', "FLAGS: -f cluster.yaml "))
    tools.mkdir()
    shutil.copy(Path(__file__).with_name("gh"), tools / "gh")
    (tools / "gh").chmod(0o755)
    (tools / "kfp").symlink_to(Path(sys.executable).parent / "kfp")
    forge = Forge(root, Machine(root, python, tools, tmp_path / "work"), storage, next(python.parent.glob("*.whl")))
    forge.machine.scratch.mkdir()
    forge.git("init", "--quiet", "--initial-branch=main")
    forge.state()
    with Server(Cluster(forge.start, token=TOKEN)) as server:
        forge.kubeflow = server.url
        yield forge
