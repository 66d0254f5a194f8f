"""The store of one project (`.raftops`): what was run with which key, where its results are, and how long it took."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from kfp.dsl import Artifact
from kfp.local.cache import LocalCache
from pydantic import TypeAdapter

from pipelines.wiring.steps import PARTS
from raftops.errors import RaftopsError, StepError
from raftops.files import read_json, write_json
from raftops.spec.model.base import STEPS, StepName

RECORDS = 50
"""Records of runs that are kept; plans take times and reasons from them."""
ORPHANS_SECONDS = 10.0
"""How long a run waits for the steps of one that was killed: they are being ended."""
_PARTS = ("-iteration-", *(task for tasks in PARTS.values() for task in tasks))
"""In the names of folders where KFP's local runner puts what parts of a step made; one turn of a loop has its name."""


@dataclass(frozen=True)
class Result:
    """What a step made: its artifacts by name, and its figures."""

    artifacts: Mapping[str, Path]
    metrics: Mapping[str, float]
    note: str = ""
    """What a plan says of it: that its release is marked bad, so that no run serves it again."""


@dataclass
class StepRecord:
    """One step of one run."""

    key: str
    parts: dict[str, str]
    status: str = "waiting"
    """waiting, skipped, done or failed."""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)


@dataclass
class RunRecord:
    """One run of a spec."""

    run_id: str
    name: str
    spec: str
    started: str
    steps: dict[str, StepRecord]
    """By name; records of earlier versions lack some."""
    documents: dict[str, str]
    examples: dict[str, str]
    dvc: str = ""
    seconds: float = 0.0
    status: str = "running"
    settings: dict[str, float] = field(default_factory=dict)
    """What the spec said about the amount of training (see `effort`); empty in records of earlier versions."""
    sequence: int = 0
    """The how manieth run of the store, by which runs are ordered: a clock may be set back. 0 in earlier records."""


class Store:
    """The folder and its parts."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()  # a run changes the working directory
        self.artifacts = self.root / "artifacts"
        self.runs = self.root / "runs"
        self.latest = root / "latest"
        self.cache = self.root / "cache"
        self.keys = self.root / "keys"
        """Where KFP keeps what it made with which key."""
        self.held: tuple[int, ...] = ()
        """The open file of the lock, while this process has it; who inherits it keeps the store locked."""

    def result(self, step: StepName, key: str) -> Result | None:
        """What a step made with this key; None where it never did, the result is gone, or is not served any more."""
        if not self.keys.is_dir():
            return None
        cache = LocalCache(str(self.keys))
        outputs = cache.get(self._entry(cache, step, key))
        if outputs is None:
            return None
        artifacts = {name: Path(value.uri) for name, value in outputs.items() if isinstance(value, Artifact)}
        metrics = outputs.get("metrics")
        figures = dict(metrics.metadata) if isinstance(metrics, Artifact) else {}
        values = {k: float(v) for k, v in figures.items() if isinstance(v, int | float)}
        pointer = artifacts["release"] / "release.json" if "release" in artifacts else None
        if pointer is None or not pointer.is_file():
            return Result(artifacts, values)
        # A spec that goes back to what it was finds all its keys known, and has to be promoted again: a release counts
        # while it is the current one of its assistant, or one that no run is to serve again.
        name, release = Path(read_json(pointer)["path"]).parts[-2:]
        releases = self.root / "releases" / name
        current = read_json(releases / "current") if (releases / "current").is_file() else {}
        bad = current.get("bad", {}).get(release, "")
        if not (releases / release).is_dir() or not (bad or current.get("hash") == release):
            return None
        return Result(artifacts, values, f"release {release} is marked bad: {bad}" if bad else "")

    def forget(self, step: StepName, key: str) -> None:
        """Let a step run again although its key is known."""
        name = self._entry(LocalCache(str(self.keys)), step, key)
        (self.keys / f"{name}.json").unlink(missing_ok=True)

    @staticmethod
    def _entry(cache: LocalCache, step: StepName, key: str) -> str:
        return str(cache.compute_key(f"comp-{step}", "", [], {}, custom_cache_key=key))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time in a project. The steps of a run that was killed count until the last of them has ended.

        Raises:
            RaftopsError: another run is at work, or what a killed one left does not end.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "run.lock").open("a+", encoding="ascii") as file:
            self._lock(file)
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            self.held = (file.fileno(),)
            try:
                yield
            finally:
                self.held = ()
                fcntl.flock(file, fcntl.LOCK_UN)  # whoever else holds the file: this run is over

    def _lock(self, file: IO[str]) -> None:
        until = time.monotonic() + ORPHANS_SECONDS
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                written = file.read(20).strip()
                alive = written.isdigit()
                with suppress(PermissionError):  # somebody else's, and there
                    try:
                        os.kill(int(written or 0), 0)
                    except ProcessLookupError:
                        alive = False
                if alive:
                    raise RaftopsError(
                        f"another run is at work in {self.root} (process {written})",
                        next_step=f"wait for it, or stop it: kill {written}",
                    ) from error
                if time.monotonic() > until:
                    raise RaftopsError(
                        f"steps of a run that was killed are still at work in {self.root}",
                        next_step=f"wait for them, or end them: fuser {self.root / 'run.lock'} says which they are",
                    ) from error
            time.sleep(0.1)

    def next_sequence(self) -> int:
        """The place of the next run in the order of all."""
        return 1 + max((_sequence(path) for path in self.runs.glob("*/run.json")), default=0)

    def write(self, record: RunRecord) -> None:
        """Keep a run's record."""
        write_json(self.runs / record.run_id / "run.json", asdict(record))

    def link(self, record: RunRecord) -> None:
        """Point `latest/<assistant>/<step>/<artifact>` at what the run made or used: short paths for people."""
        for step, state in record.steps.items():
            for name, uri in state.artifacts.items():
                link = self.latest / record.name / step / name
                link.parent.mkdir(parents=True, exist_ok=True)
                draft = link.with_name(f".{name}")
                draft.unlink(missing_ok=True)
                draft.symlink_to(os.path.relpath(uri, link.parent))
                os.replace(draft, link)

    def records(self, name: str) -> list[RunRecord]:
        """The runs of an assistant, newest first."""
        return [record for record in self.read()[0] if record.name == name]

    def read(self) -> tuple[list[RunRecord], dict[Path, RaftopsError]]:
        """Every record, newest first; and those that cannot be read, by their file: the others are none the worse."""
        records, broken = list[RunRecord](), dict[Path, RaftopsError]()
        for folder in self._runs():
            try:
                records.append(read_record(folder / "run.json"))
            except RaftopsError as error:
                broken[folder / "run.json"] = error
        return records, broken

    def prune(self, keep: int = 5) -> None:
        """Delete results that none of the newest runs of any assistant made or used, and records of long ago."""
        for folder in self.unused(keep):
            shutil.rmtree(folder, ignore_errors=True)
        for run in self.artifacts.glob("*"):
            if not any(run.iterdir()):
                run.rmdir()
        for record in self.read()[0][RECORDS:]:
            shutil.rmtree(self.runs / record.run_id, ignore_errors=True)

    def unused(self, keep: int, whole: bool = False) -> list[Path]:
        """Folders of results that none of the newest `keep` runs of any assistant made or used.

        `whole`: only runs that went to their end count, and the newest run stays, however it ended. What the release
        that is served was made of stays, too. Where a record cannot be read, what no other record names may be its.
        """
        kept, known, seen = set[Path](), set[Path](), Counter[str]()
        records, broken = self.read()
        for record in records:
            newest = record.name not in seen
            ended = all(step.status in ("done", "skipped") for step in record.steps.values())
            seen[record.name] += ended or not whole
            made = {self._task(Path(uri)) for step in record.steps.values() for uri in step.artifacts.values()}
            known |= {folder.parent for folder in made}
            kept |= made if newest or seen[record.name] <= keep or self._made_what_is_served(record) else set()
        runs = {folder.parent for folder in kept}
        results = sorted(folder for folder in self.artifacts.glob("*/*") if folder not in kept)
        results = [folder for folder in results if folder.parent in known] if broken else results
        return [f for f in results if not (f.parent in runs and any(part in f.name for part in _PARTS))]

    def _made_what_is_served(self, record: RunRecord) -> bool:
        """Whether `current` names the release that a run made: after a rollback that is not the newest run's."""
        release = record.steps["deploy"].artifacts.get("release", "") if "deploy" in record.steps else ""
        pointer = Path(release) / "release.json"
        if not release or not pointer.is_file():
            return False
        name, short = Path(read_json(pointer)["path"]).parts[-2:]
        current = self.root / "releases" / name / "current"
        return current.is_file() and read_json(current).get("hash") == short

    def _task(self, artifact: Path) -> Path:
        """The task's folder (run/step) that an artifact lies in; in a store that was moved, by the same names."""
        if artifact.is_relative_to(self.artifacts):
            return self.artifacts.joinpath(*artifact.relative_to(self.artifacts).parts[:2])
        return self.artifacts.joinpath(*artifact.parts[-3:-1])

    def _runs(self) -> list[Path]:
        """Folders of runs that have a record, newest first."""
        return [path.parent for path in run_files(self.runs)]


def run_files(runs: Path) -> list[Path]:
    """The records of the runs in a folder, newest first: in the order in which they came, not by their times."""
    return sorted(runs.glob("*/run.json"), key=lambda path: (_sequence(path), path.parent.name), reverse=True)


def _sequence(path: Path) -> int:
    """The place of a run by its record; the first where the record has none, or cannot be read."""
    try:
        return int(read_json(path).get("sequence", 0))
    except (RaftopsError, TypeError, ValueError, AttributeError):
        return 0


_RECORD = TypeAdapter(RunRecord)


def read_record(path: Path) -> RunRecord:
    """A run's record from its file.

    Raises:
        RaftopsError: it cannot be read, or is not a record of this version.
    """
    try:
        raw: Any = read_json(path)
        # Records of earlier versions may name steps that there are no more, and lack others.
        steps = {name: StepRecord(**step) for name, step in raw.pop("steps").items() if name in STEPS}
        record = RunRecord(**raw, steps=steps)
        if record.run_id and record.run_id != path.parent.name and path.parent.parent.name == "runs":
            raise ValueError(f"it is the record of {record.run_id}")
        return _RECORD.validate_python(asdict(record))
    except StepError as error:
        raise RaftopsError(str(error), next_step="run the spec again, and remove that file's folder") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RaftopsError(f"{path}: not a run record of this version", next_step="run the spec again") from error
