"""A pipeline of seven tiny real components: KFP runs it as it runs ours, without models."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from kfp import compiler

from pipelines.local.run import run_local
from pipelines.runs.record import RunRecord, StepRecord, Store
from pipelines.wiring.compile import Compiled
from pipelines.wiring.inputs import Inputs
from pipelines.wiring.keys import Key
from raftops.access import AccessPolicies
from raftops.spec.load import LoadedSpec
from raftops.spec.model.base import STEPS, StepName

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / "tiny" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    events: list[tuple[Any, ...]] = field(default_factory=list)

    def skipped(self, step: StepName, record: StepRecord) -> None:
        self.events.append(("skipped", step))

    def started(self, step: StepName) -> None:
        self.events.append(("started", step))

    def progressed(self, step: StepName, done: int, total: int, note: str) -> None:
        self.events.append(("progressed", step, done, total, note))

    def finished(self, step: StepName, record: StepRecord) -> None:
        self.events.append((record.status, step))

    def steps(self, event: str) -> list[str]:
        """The steps that something happened to."""
        return [heard[1] for heard in self.events if heard[0] == event]


def compiled_of(file: Path, keys: dict[StepName, Key], inputs: Inputs) -> Compiled:
    """What `compile_spec` makes, of a file that KFP's compiler wrote."""
    text = file.read_text(encoding="utf-8")
    pipeline, *platform = yaml.safe_load_all(text)
    return Compiled(text, keys, inputs, pipeline, platform[0] if platform else {})


@dataclass
class TinyRun:
    """Seven steps whose keys and manners a test chooses."""

    loaded: LoadedSpec
    store: Store
    heard: Heard = field(default_factory=Heard)
    manners: dict[str, str] = field(default_factory=dict)
    """How a step behaves: see tiny/work.py."""
    parts: dict[str, str] = field(default_factory=dict)
    """What stands for a step's inputs."""

    def compiled(self) -> Compiled:
        """The pipeline with the present keys."""
        keys = {step: Key({"code": f"{step} {self.parts.get(step, '1')}"}) for step in STEPS}
        config = {step: {"step": step, "manner": self.manners.get(step, "well")} for step in STEPS}
        script = str(HERE / "tiny" / "work.py")
        pipeline = _module("pipeline").tiny(script, config, {step: key.digest for step, key in keys.items()})
        target = self.store.root.parent / "tiny-pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(target))
        inputs = Inputs(documents={}, examples={}, access=AccessPolicies(), models={})
        return compiled_of(target, keys, inputs)

    def run(self, again: tuple[StepName, ...] = ()) -> RunRecord:
        """Run it; what the listener heard before is forgotten."""
        self.heard.events.clear()
        return run_local(self.loaded, self.compiled(), self.store, self.heard, again)

    def ran(self) -> list[str]:
        """The steps that really ran, over all runs."""
        log = self.loaded.root / "ran.log"
        return log.read_text(encoding="utf-8").split() if log.exists() else []


@pytest.fixture
def tiny_run(project: Any) -> TinyRun:
    """A run of the tiny pipeline in the tiny project."""
    return TinyRun(project.load(), Store(project.root / ".raftops"))


@pytest.fixture
def compile_project() -> Callable[[Any], Compiled]:
    """Compile a project's spec as it stands."""
    from pipelines.wiring.compile import compile_spec

    return lambda project: compile_spec(project.load())
