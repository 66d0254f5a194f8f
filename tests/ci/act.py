"""Runs the jobs of a GitHub workflow here: expressions, conditions, environments and shells as GitHub documents them.

Only what our workflows use; anything else is an error. Of the actions, `actions/checkout` clones a local repository,
`actions/setup-python` puts a virtual environment on the path, and `actions/upload-artifact` copies what it is told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_TOKEN = re.compile(r"\s*(\|\||&&|==|!=|!|\(|\)|'(?:[^']|'')*'|[A-Za-z_][\w.-]*(?:\(\))?)")


class Expressions:
    """Evaluates `${{ ... }}`: paths, quoted strings, == != && || !, parentheses, always() success() failure()."""

    def __init__(self, context: Mapping[str, Any], failed: bool = False) -> None:
        self._context, self._failed = context, failed
        self._left: list[str] = []

    def value(self, text: str) -> Any:
        """The value of one expression."""
        self._left, rest = [], text.strip()
        while rest:
            match = _TOKEN.match(rest)
            assert match, f"not understood: {rest!r} in {text!r}"
            self._left.append(match[1])
            rest = rest[match.end() :].strip()
        value = self._either()
        assert not self._left, f"left over: {self._left} in {text!r}"
        return value

    def filled(self, text: str) -> str:
        """A text with its expressions replaced."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: _text(self.value(found[1])), text)

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        for sign in ("==", "!="):
            if self._take(sign):
                return (_text(value) == _text(self._single())) == (sign == "==")
        return value

    def _single(self) -> Any:
        token = self._left.pop(0)
        if token == "!":
            return not self._single()
        if token == "(":
            value = self._either()
            assert self._take(")")
            return value
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.endswith("()"):
            return {"always()": True, "failure()": self._failed, "success()": not self._failed}[token]
        return self._path(token)

    def _path(self, name: str) -> Any:
        value: Any = self._context
        head = name.split(".", 1)[0]
        assert head in self._context, f"{name}: no context {head}"
        for part in name.split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return value

    def _take(self, token: str) -> bool:
        if self._left[:1] == [token]:
            self._left.pop(0)
            return True
        return False


def _text(value: Any) -> str:
    return {True: "true", False: "false", None: ""}.get(value, str(value)) if not isinstance(value, str) else value


@dataclass(frozen=True)
class Machine:
    """Where jobs run: the repository, the Python that `setup-python` gives, and what is on the path before it."""

    repository: Path
    python: Path
    """The bin folder of a virtual environment."""
    tools: Path
    """Stand-ins of what a GitHub runner has: gh, docker."""
    scratch: Path


@dataclass
class Ended:
    """A job's end."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """By step: success, failure or skipped."""
    log: str = ""
    workspace: Path = Path()
    summary: str = ""
    uploaded: list[str] = field(default_factory=list)

    @property
    def result(self) -> str:
        """success, or failure if any step failed."""
        return "failure" if "failure" in self.outcomes.values() else "success"


def read_workflow(path: Path) -> dict[str, Any]:
    """A workflow as a mapping; YAML 1.1 reads its key `on` as true."""
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in body.items()}


def run_job(workflow: dict[str, Any], name: str, context: dict[str, Any], machine: Machine) -> Ended | None:
    """Run one job; None where its condition says no."""
    job = workflow["jobs"][name]
    steps: dict[str, Any] = {}
    context = {"vars": {}, "secrets": {}, **context, "steps": steps, "env": {}}
    if "if" in job and not Expressions(context).value(job["if"]):
        return None
    work = machine.scratch / name
    shutil.rmtree(work, ignore_errors=True)
    ended = Ended(workspace=work / "repository")
    ended.workspace.mkdir(parents=True)
    (work / "summary").touch()
    environment = _base(machine, context, work)
    for scope in (workflow.get("env", {}), job.get("env", {})):
        environment |= {key: Expressions(context).filled(_text(value)) for key, value in scope.items()}
    shell = workflow.get("defaults", {}).get("run", {}).get("shell")
    for number, step in enumerate(job["steps"]):
        label = step.get("name") or step.get("uses", str(number)).partition("@")[0]
        outcome = _step(step, label, context, environment, (machine, ended, shell))
        ended.outcomes[label] = outcome
        if "id" in step:
            steps[step["id"]] = {"outcome": outcome}
    ended.summary = (work / "summary").read_text(encoding="utf-8")
    return ended


def _base(machine: Machine, context: dict[str, Any], work: Path) -> dict[str, str]:
    github = context["github"]
    return {
        "PATH": f"{machine.tools}:/usr/bin:/bin", "HOME": str(work / "home"), "LANG": "C.UTF-8", "CI": "true",
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": github["repository"], "GITHUB_SHA": github["sha"],
        "GITHUB_REF_NAME": github["ref_name"], "GITHUB_ACTOR": github.get("actor", "someone"),
        "GITHUB_STEP_SUMMARY": str(work / "summary"),
    }  # fmt: skip


def _step(
    step: dict[str, Any], label: str, context: dict[str, Any], environment: dict[str, str], where: tuple[Any, ...]
) -> str:
    machine, ended, shell = where
    failed = ended.result == "failure"
    condition = str(step.get("if", "success()"))
    if not re.search(r"\b(always|failure|success)\(\)", condition):
        condition = f"success() && ({condition})"
    expressions = Expressions(context, failed)
    if not expressions.value(condition):
        return "skipped"
    if "uses" in step:
        given = {key: expressions.filled(_text(value)) for key, value in step.get("with", {}).items()}
        _action(step["uses"].partition("@")[0], given, environment, machine, ended)
        return "success"
    variables = environment | {key: expressions.filled(_text(value)) for key, value in step.get("env", {}).items()}
    flags = ["--noprofile", "--norc", "-eo", "pipefail"] if shell == "bash" else ["-e"]
    script = ended.workspace.parent / "step.sh"
    script.write_text(step["run"], encoding="utf-8")
    done = subprocess.run(
        ["bash", *flags, str(script)], cwd=ended.workspace, env=variables, text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    ended.log += f"--- {label}\n{done.stdout}"
    return "success" if done.returncode == 0 else "failure"


def _action(name: str, given: dict[str, str], environment: dict[str, str], machine: Machine, ended: Ended) -> None:
    if name == "actions/checkout":
        command = ["git", "clone", "--quiet", str(machine.repository), str(ended.workspace)]
        subprocess.run(command, check=True, capture_output=True)
        assert given.get("persist-credentials") == "false"
    elif name == "actions/setup-python":
        environment["PATH"] = f"{machine.python}:{environment['PATH']}"
    elif name == "actions/upload-artifact":
        found = sorted(path for line in given["path"].split() for path in ended.workspace.glob(line))
        assert found or given.get("if-no-files-found") != "error", f"{given['path']}: no file"
        ended.uploaded += [path.relative_to(ended.workspace).as_posix() for path in found]
    else:
        raise AssertionError(f"{name}: not an action that is known here")


def clean_environment() -> dict[str, str]:
    """For git and pip of the tests themselves."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI_", "RAFTOPS_"))}
