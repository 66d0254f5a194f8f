"""A stranger's machine: the wheel in an environment of its own, the command line, and what the service says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from raftops.service.launch import free_port

ROOT = Path(__file__).parents[2]
ACCESS = """groups:
  staff: Everyone at the clinic
policies:
  everyone: {groups: [staff]}
documents:
  - {match: "**", policy: everyone}
"""


@dataclass(frozen=True)
class Stranger:
    """Somebody in a new project, with the wheel installed."""

    bin: Path
    folder: Path
    port: int

    def raftops(self, *words: str, code: int = 0) -> str:
        """What a command shows."""
        command = [str(self.bin / "raftops"), *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=_environment(self.folder))
        assert done.returncode == code, done.stderr[-4000:] + done.stdout[-4000:]
        assert "Traceback" not in done.stderr + done.stdout
        return done.stdout

    def run(self) -> str:
        """A run of the spec, with the port of this machine."""
        return self.raftops("run", "raftops.yaml", "-f", "here.yaml")

    @contextmanager
    def served(self) -> Iterator[None]:
        """The service, for the time of the block."""
        command = [str(self.bin / "raftops"), "serve", "raftops.yaml", "-f", "here.yaml"]
        environment = _environment(self.folder)
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True, env=environment) as service:
            try:
                assert service.stdout and any("serving on http" in line for line in service.stdout)
                yield
            finally:
                service.terminate()

    def ask(self, question: str) -> dict[str, Any]:
        """The answer in full."""
        words = ("--output", "json", "ask", "raftops.yaml", question, "-f", "here.yaml")
        return dict(json.loads(self.raftops(*words).splitlines()[-1]))


@dataclass(frozen=True)
class Tally:
    """What became of questions."""

    right: int
    wrong: int
    declined: int
    told: tuple[str, ...]
    """A line for each."""

    @staticmethod
    def of(replies: Mapping[str, Mapping[str, Any]], questions: Sequence[tuple[str, tuple[str, ...]]]) -> Tally:
        """Right is an answer that says what it has to, and a refusal where nothing answers."""
        found = {"right": 0, "wrong": 0, "declined": 0}
        told = []
        for question, accepted in questions:
            text = str(replies[question]["choices"][0]["message"]["content"])
            if replies[question]["abstained"]:
                verdict = "declined" if accepted else "right"
            else:
                verdict = "right" if any(says.lower() in text.lower() for says in accepted) else "wrong"
            found[verdict] += 1
            told.append(f"{verdict:9}{question} -> {text}")
        return Tally(**found, told=tuple(told))


def environment_of_the_wheel(folder: Path) -> Path:
    """The programs of an environment that holds the wheel, and sees what is installed here but for this checkout."""
    pip = [sys.executable, "-m", "pip"]
    build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build, str(ROOT)], check=True)
    venv.create(folder / "venv", symlinks=True)
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    # A path in a .pth is searched, and no .pth in it is read: the editable install stays out.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    python = folder / "venv" / "bin" / "python"
    install = ["--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, *install, *map(str, folder.glob("*.whl"))], check=True)
    asked = [str(python), "-c", "import raftops; print(raftops.__file__)"]
    where = subprocess.run(asked, capture_output=True, text=True, check=True, env=_environment(folder))
    assert str(site) in where.stdout, where
    return python.parent


def arrive(bin_: Path, folder: Path, *words: str) -> Stranger:
    """`raftops init`, and the bookshop's data are gone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    here = Stranger(bin_, folder.parent, free_port())
    here.raftops("init", str(folder), *words)
    for path in sorted((folder / "data").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "data" / "documents").mkdir(parents=True)
    (folder / "data" / "access.yaml").write_text(ACCESS, encoding="utf-8")
    # Two tests may run at once: the port is the machine's, the rest is as init wrote it.
    (folder / "here.yaml").write_text(yaml.safe_dump({"spec": {"deploy": {"port": here.port}}}), encoding="utf-8")
    return Stranger(bin_, folder, here.port)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(folder), "NO_COLOR": "1", "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "200"}
