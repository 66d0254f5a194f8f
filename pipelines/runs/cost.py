"""What a run on the cluster would take: resources, hours, money. By past runs; where none tells, up to the time limit.

Cached steps cost nothing here. The driver pods of Kubeflow, storage and traffic are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.runs.effort import rounds
from pipelines.runs.plan import PlannedStep
from pipelines.wiring.steps import TABLE, downstream
from raftops.errors import BudgetExceeded
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import StepName
from raftops.spec.model.learning import Train
from raftops.spec.model.platform import Prices, Resources

_GIB = 2**30
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class PastStep:
    """A step of a run on the cluster that ended well."""

    step: StepName
    key: str
    seconds: float | None
    """Time of its work, of both pods where the plain adapter had one; None where the result came from the cache."""
    run_id: str
    rounds: int = 1
    """Candidates of training one after the other in that time."""


@dataclass(frozen=True)
class StepCost:
    """One line of a plan for the cluster."""

    step: StepName
    runs: bool | None
    """None where nobody knows: the server could not be asked."""
    why: str
    work: str
    resources: Resources
    nodes: int
    """Machines that these resources are taken on at the same time."""
    hours: float | None
    """Expected time; None where no past run tells it."""
    hours_from: str
    """Which past tells it."""
    limit_hours: float
    """Longest that the step may take: its time limit, for each try and each pod that follows another."""
    cost: float | None
    """Expected cost, in the currency of the prices; None without prices or without expected hours."""
    limit_cost: float | None
    """Cost of the longest time; None without prices."""
    limit_accelerator_hours: float = 0.0
    """Longest time of accelerators, of all pods together."""

    @property
    def accelerator_hours(self) -> float | None:
        """Expected time of accelerators; None where no past run tells it."""
        return None if self.hours is None else self.hours * _devices(self.resources) * self.nodes


def _devices(resources: Resources) -> int:
    return resources.accelerator.count if resources.accelerator else 0


def cluster_plan(
    assistant: Assistant, planned: Sequence[PlannedStep], past: Sequence[PastStep], unknown: str = ""
) -> list[StepCost]:
    """What each step would do, take and cost. `past`: the server's good steps; `unknown`: why it could not be asked."""
    steps = [_step(assistant, step, past, not unknown) for step in planned]
    behind = downstream([step.step for step in steps if step.runs])
    return [replace(s, why=s.why + _BY_KEY) if s.runs is False and s.step in behind else s for s in steps]


_BY_KEY = "; by its key, which servers before 2.18 do not read: there it runs"
"""Behind a step that runs, such a server finds an input that it does not know."""


def _step(assistant: Assistant, step: PlannedStep, past: Sequence[PastStep], asked: bool) -> StepCost:
    platform = assistant.spec.platform
    resources = platform.resources[step.step]
    pods = _pods(assistant, step.step)
    runs, why = _decision(step, past, asked)
    hours, told_by = (0.0, "") if runs is False else _hours(step, past, resources, pods)
    limit = 0.0 if runs is False else resources.timeout_minutes / 60 * (1 + resources.retries)
    price = price_of(resources, platform.prices) if platform.prices else None
    return StepCost(
        step.step, runs, why, step.work if runs is not False else "", resources, pods.at_once, hours, told_by,
        limit * pods.in_turn, None if price is None or hours is None else price * hours * pods.at_once,
        None if price is None else price * limit * pods.all, _devices(resources) * limit * pods.all,
    )  # fmt: skip


@dataclass(frozen=True)
class _Pods:
    """What the work of a step is shared among."""

    at_once: int = 1
    in_turn: int = 1
    """One after the other, at most."""
    all: int = 1
    candidates: int = 1
    rounds: int = 1
    """Candidates one after the other."""


def _pods(assistant: Assistant, step: StepName) -> _Pods:
    platform = assistant.spec.platform
    if step == "train":
        return _pods_of_training(assistant.spec.train)
    if TABLE[step].sharded and platform.shards > 1:
        listed = any(part.listing for part in TABLE[step].parts)
        return _pods_of_shards(platform.shards, min(platform.shards, platform.shards_at_once), listed)
    return _Pods()


def _pods_of_shards(count: int, at_once: int, listed: bool) -> _Pods:
    """A pod for each shard, one that merges, and for documents one that lists them before.

    One process would take as long as all that work side by side.
    """
    more = 2 if listed else 1
    return _Pods(at_once, rounds(count, at_once) + more, count + more, candidates=at_once)


def _pods_of_training(train: Train) -> _Pods:
    """Nodes that train together, a pod for each candidate and one that finishes what goes on, or one for each adapter.

    How far two adapters are trained at the same time depends on the index: their hours are those of both pods.
    """
    if train.plain_beside:
        return _Pods(in_turn=2, all=2)
    count = len(train.candidates)
    at_once, turns = min(count, train.candidates_at_once), rounds(count, train.candidates_at_once)
    if at_once > 1:
        return _Pods(at_once, turns + 1, count + 1, count, turns)
    return _Pods(train.nodes, 1, train.nodes, max(1, count), turns)


def _decision(step: PlannedStep, past: Sequence[PastStep], asked: bool) -> tuple[bool | None, str]:
    """Whether a step runs on the cluster, and why: by the keys that its cache has results of."""
    if not asked:
        return None, "unknown: the cluster could not be asked"
    same = next((p for p in past if p.step == step.step and p.key == step.key), None)
    if same:
        return False, f"run {same.run_id[:8]} made it; skipped while Kubeflow keeps that result"
    return True, "another key than before" if any(p.step == step.step for p in past) else "never run on this cluster"


def _hours(step: PlannedStep, past: Sequence[PastStep], resources: Resources, pods: _Pods) -> tuple[float | None, str]:
    """The last time on this cluster, or here; a machine without the accelerator tells nothing."""
    timed = (p.seconds / p.rounds for p in past if p.step == step.step and p.seconds is not None)
    there = next(timed, None)
    if there is not None:
        return there * pods.rounds / 3600, "the last run on this cluster"
    if step.seconds is not None and resources.accelerator is None:
        return step.seconds * pods.rounds / pods.candidates / 3600, "runs on this machine"
    return None, ""


def price_of(resources: Resources, prices: Prices) -> float:
    """Money for an hour of a step's pod."""
    accelerator = resources.accelerator
    devices = accelerator.count * prices.accelerator_hour.get(accelerator.type, 0.0) if accelerator else 0.0
    return cpus(resources.cpu) * prices.cpu_hour + gibibytes(resources.memory) * prices.gib_hour + devices


def cpus(quantity: str) -> float:
    """A Kubernetes CPU quantity as a number of CPUs."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gibibytes(quantity: str) -> float:
    """A Kubernetes memory quantity in GiB."""
    number = quantity.rstrip("KMGTi")
    return int(number) * _UNITS[quantity.removeprefix(number)] / _GIB


@dataclass(frozen=True)
class Total:
    """A whole run."""

    hours: float
    """Expected, of the steps whose time is known."""
    accelerator_hours: float
    """Expected, of the same steps."""
    cost: float
    """Expected cost of the steps whose time is known."""
    untimed: tuple[StepName, ...]
    """Steps that may run and whose time nobody knows."""
    ceiling: float
    """Expected cost, with those steps at their time limit."""
    accelerator_ceiling: float = 0.0
    """Expected time of accelerators, with those steps at their time limit."""


def total(steps: Sequence[StepCost]) -> Total:
    """Sum of the steps that run or may run."""
    timed = [s for s in steps if s.runs is not False and s.hours is not None]
    untimed = [s for s in steps if s.runs is not False and s.hours is None]
    cost = sum(s.cost or 0.0 for s in timed)
    devices = sum(s.accelerator_hours or 0.0 for s in timed)
    return Total(
        sum(s.hours or 0.0 for s in timed), devices, cost, tuple(s.step for s in untimed),
        cost + sum(s.limit_cost or 0.0 for s in untimed), devices + sum(s.limit_accelerator_hours for s in untimed),
    )  # fmt: skip


def keep_to_budget(assistant: Assistant, steps: Sequence[StepCost]) -> None:
    """Raise `BudgetExceeded` where a run may be expected to cost more than the spec allows.

    A step of known time counts with it, one of unknown time with its time limit.
    """
    platform = assistant.spec.platform
    if platform.budget is None or platform.prices is None:
        return
    sums, currency = total(steps), platform.prices.currency
    if sums.ceiling <= platform.budget:
        return
    counted: Mapping[StepName, float] = {
        s.step: (s.cost if s.cost is not None else s.limit_cost) or 0.0 for s in steps if s.runs is not False
    }
    dearest = max(counted, key=lambda step: counted[step])
    guess = (
        f" ({', '.join(sums.untimed)} counted at the time limit: no run on this cluster tells)" if sums.untimed else ""
    )
    raise BudgetExceeded(
        f"the run may cost {sums.ceiling:.2f} {currency}{guess}, {dearest} alone {counted[dearest]:.2f}; "
        f"platform.budget is {platform.budget:.2f} {currency}",
        next_step=f"lower platform.resources.{dearest} (timeout_minutes counts), or raise platform.budget",
    )
