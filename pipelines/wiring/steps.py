"""The seven steps, one row each: what a step reads, what its identity is made of, what it is given and what it shows.

Everything that lists steps reads this table. Not here: what a step is called and in which order steps come
(`raftops.spec.model.base.STEPS`), what its pod asks for by default (`raftops.spec.model.platform.USUAL`: the library
does not know pipelines), and how the tasks are joined (`raft.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from raftops.spec.figures import RUN
from raftops.spec.model.base import STEPS, StepName

Unit = Literal["documents", "passages", "examples", "tokens", "questions", "releases"]


@dataclass(frozen=True)
class Part:
    """A task that does a part of a step's work in a pod of its own."""

    name: str
    """Of the part: its task in the pipeline is called `<step>-<name>`."""
    listing: bool = False
    """It only lists what others share out: no part of the work, so none that is counted."""


@dataclass(frozen=True)
class Step:
    """One row of the table."""

    needs: tuple[StepName, ...]
    """Upstream by data: the steps whose artifacts it reads. Forcing one of them forces this one."""
    follows: tuple[StepName, ...]
    """Upstream by identity: the steps whose key is a part of its own. Fewer than `needs`: a changed document does not
    retrain, a changed example does not re-index."""
    content: tuple[str, ...]
    """Parts of its key beside its settings, its code and `follows`, as `keys.py` names them."""
    given: tuple[str, ...]
    """Sections of the spec and other settings in its `config` argument, as `config.py` names them."""
    unit: Unit
    """What its work is counted in."""
    starts: float
    """Seconds that it takes on two quiet cores, whatever its work is: imports, models, files."""
    figures: tuple[str, ...]
    """Metrics shown at the end of a run."""
    page: str
    """What a person opens to see its result: artifact/file."""
    parts: tuple[Part, ...] = ()
    incremental: frozenset[str] = frozenset()
    """Parts of a key whose change leaves its work on unchanged documents valid; empty where it starts afresh."""
    reads: Literal["", "data", "init_from"] = ""
    """Which files of the project it reads, so that a pod has to get them from a bucket or a claim."""
    searches: bool = False
    """Whether it talks to Milvus."""

    @property
    def sharded(self) -> bool:
        """Whether `platform.shards` splits its work."""
        return any(part.name == SHARD for part in self.parts)


SHARD = "shard"
LEARNED = "quoted documents that left the audience"
"""Weights remember what an example quotes: when such a document is deleted, moves, or closes to somebody of the
audience, they are trained again without it. One that comes back has the key, and so the weights, of before."""
_CONTENT = frozenset({"documents", "document policies", "step ingest", "spec.validate", "spec.data.documents.uri"})

TABLE: Mapping[StepName, Step] = {
    "validate": Step(
        needs=(), follows=(), content=("documents", "examples", "access"), given=("validate", "data"),
        unit="documents", starts=4, reads="data", page="report/index.html",
        figures=("documents_accepted", "examples_accepted", "documents_quarantined", "examples_quarantined"),
    ),
    "ingest": Step(
        needs=("validate",), follows=(), given=("ingest", "embedder", "cache"),
        content=("documents", "document policies", "spec.data.documents.uri", "spec.validate", "model embedder"),
        parts=(Part("documents", listing=True), Part(SHARD)), incremental=_CONTENT, unit="documents", starts=1,
        reads="data",
        figures=("documents", "passages", "parsed", "skipped"), page="passages/ingest.json",
    ),
    "index": Step(
        needs=("ingest",), follows=("ingest",), content=("model embedder",),
        given=("index", "embedder", "milvus", "name", "cache"),
        parts=(Part(SHARD),), incremental=_CONTENT, unit="passages", starts=2, searches=True,
        figures=("rows", "embedded", "reused"), page="built/index.json",
    ),
    "augment": Step(
        needs=("validate", "index"), follows=(),
        content=(
            "examples", "readable by the audience", LEARNED, "spec.data.splits", "spec.validate", "spec.ingest",
            "spec.index", "model embedder", "model base",
        ),
        given=("augment", "prompt", "dev", "title", "audience", "base", "cache"),
        parts=(Part("plain"),), unit="examples", starts=2, searches=True,
        figures=("examples", "conversations", "refused"), page="conversations/raft.jsonl",
    ),
    "train": Step(
        needs=("augment",), follows=("augment",), content=("model base", "model init_from"),
        given=("train", "base", "embedder", "cache"), parts=(Part("candidate"), Part("plain")), unit="tokens",
        starts=45, reads="init_from",
        figures=("tokens", "tokens_per_second", "raft_final_loss", "raft_dev_loss", "peak_memory_mib"),
        page="adapters/loss.svg",
    ),
    "evaluate": Step(
        needs=("validate", "index", "train"), follows=("index", "train"),
        content=("examples", "access", "spec.data.splits", "spec.validate", "model base"),
        given=("evaluate", "prompt", "router", "title", "cache"), unit="questions", starts=10, searches=True,
        figures=RUN,
        page="report/report.html",
    ),
    "deploy": Step(
        needs=("evaluate",), follows=("index", "train", "evaluate"), content=("access",),
        given=("deploy", "prompt", "router", "artifacts", "name", "title", "releases"), unit="releases", starts=12,
        searches=True,
        figures=("start_seconds", "slowest_answer_seconds", "sources_trained"), page="release/release.json",
    ),
}  # fmt: skip

HOLD, FINISH = "hold", "finish"
BESIDE: Mapping[str, StepName] = {HOLD: "evaluate", FINISH: "validate"}
"""Tasks that do no part of a step's work, and the step in whose image they run: one ends a run whose gates did not
pass, one records how a run ended."""


PARTS: Mapping[str, tuple[str, ...]] = {
    step: tuple(f"{step}-{part.name}" for part in row.parts) for step, row in TABLE.items()
}
"""The tasks that do parts of each step's work."""
LISTING = frozenset(f"{step}-{part.name}" for step, row in TABLE.items() for part in row.parts if part.listing)
"""Tasks that only list what others share out."""


def step_of(task: str) -> StepName | None:
    """The step that a task is, or does a part of, or whose gates it holds a run for; None where it is of no step."""
    if task == HOLD:
        return "evaluate"
    return next((step for step in STEPS if task == step or task in PARTS[step]), None)


def upstream(step: StepName) -> frozenset[StepName]:
    """A step itself and every step whose artifacts it needs, however far above."""
    return frozenset({step}).union(*(upstream(needed) for needed in TABLE[step].needs))


def downstream(steps: Iterable[StepName]) -> frozenset[StepName]:
    """The steps themselves and every step that reads what they make."""
    again = set(steps)
    for step in STEPS:
        if again & set(TABLE[step].needs):
            again.add(step)
    return frozenset(again)
