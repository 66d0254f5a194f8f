"""What a run on the cluster would take: resources, hours, money. By past runs, or else up to the time limit.

Cached steps cost nothing here. The driver pods of Kubeflow, storage and traffic are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.runs.effort import rounds
from pipelines.runs.plan import PlannedStep
from pipelines.wiring.quantities import GIB, quantity
from pipelines.wiring.steps import TABLE, downstream
from raftops.errors import BudgetExceeded
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import StepName
from raftops.spec.model.platform import Prices, Resources


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
    """None where it is unknown: the server could not be asked."""
    why: str
    work: str
    resources: Resources
    nodes: int
    """Machines that these resources are taken on at the same time."""
    hours: float | None
    """Expected time; None without a past run to go by."""
    hours_from: str
    """Which past runs it is from."""
    limit_hours: float
    """Longest that the step may take: its time limit, for each retry and each pod that follows another."""
    cost: float | None
    """Expected cost, in the currency of the prices; None without prices or without expected hours."""
    limit_cost: float | None
    """Cost of the longest time; None without prices."""
    limit_accelerator_hours: float = 0.0
    """Longest time of accelerators, of all pods together."""

    @property
    def accelerator_hours(self) -> float | None:
        """Expected time of accelerators; None without a past run to go by."""
        return None if self.hours is None else self.hours * _devices(self.resources) * self.nodes


def _devices(resources: Resources) -> int:
    return resources.accelerator.count if resources.accelerator else 0


def cluster_plan(
    assistant: Assistant, planned: Sequence[PlannedStep], past: Sequence[PastStep], unknown: str = ""
) -> list[StepCost]:
    """What each step would do, take and cost. `past`: the server's good steps; `unknown`: why it could not be asked."""
    steps = [_step(assistant, step, past, not unknown) for step in planned]
    # Downstream of a step that runs, an older server meets an input that its cache has no result for.
    rerun = downstream([step.step for step in steps if step.runs])
    by_key = "; by its key, which servers before 2.18 do not read: there it runs"
    return [replace(s, why=s.why + by_key) if s.runs is False and s.step in rerun else s for s in steps]


def _step(assistant: Assistant, step: PlannedStep, past: Sequence[PastStep], asked: bool) -> StepCost:
    """One line: cached, by the keys that the cluster has results of, or else what running it takes."""
    platform = assistant.spec.platform
    resources, pods = platform.resources[step.step], _pods(assistant, step.step)
    cached = next((p for p in past if asked and p.step == step.step and p.key == step.key), None)
    if cached:
        nothing = 0.0 if platform.prices else None
        why = f"run {cached.run_id[:8]} made it; skipped while Kubeflow keeps that result"
        return StepCost(
            step=step.step, runs=False, why=why, work="", resources=resources, nodes=pods.at_once,
            hours=0.0, hours_from="", limit_hours=0.0, cost=nothing, limit_cost=nothing,
        )  # fmt: skip
    why = "another key than before" if any(p.step == step.step for p in past) else "never run on this cluster"
    hours, hours_from = _hours(step, past, resources, pods)
    limit = resources.timeout_minutes / 60 * (1 + resources.retries)
    price = price_of(resources, platform.prices) if platform.prices else None
    return StepCost(
        step=step.step,
        runs=True if asked else None,
        why=why if asked else "unknown: the cluster could not be asked",
        work=step.work,
        resources=resources,
        nodes=pods.at_once,
        hours=hours,
        hours_from=hours_from,
        limit_hours=limit * pods.in_turn,
        cost=None if price is None or hours is None else price * hours * pods.at_once,
        # Each pod may take its whole limit, at once with others or after them.
        limit_cost=None if price is None else price * limit * pods.all,
        limit_accelerator_hours=_devices(resources) * limit * pods.all,
    )


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
    platform, train = assistant.spec.platform, assistant.spec.train
    if step == "train" and train.plain_beside:
        # A pod for each adapter; how far they overlap depends on the index: their hours are those of both pods.
        return _Pods(in_turn=2, all=2)
    if step == "train":
        count, turns = len(train.candidates), rounds(len(train.candidates), train.candidates_at_once)
        at_once = min(count, train.candidates_at_once)
        if at_once > 1:  # a pod for each candidate, and one that finishes the best
            return _Pods(at_once, in_turn=turns + 1, all=count + 1, candidates=count, rounds=turns)
        return _Pods(train.nodes, all=train.nodes, candidates=max(1, count), rounds=turns)
    if TABLE[step].sharded and platform.shards > 1:
        at_once = min(platform.shards, platform.shards_at_once)
        # A pod for each shard, one that merges, and for documents one that lists them before.
        more = 2 if any(part.listing for part in TABLE[step].parts) else 1
        in_turn = rounds(platform.shards, at_once) + more
        # One process, as on this machine, would take as long as all that work side by side.
        return _Pods(at_once, in_turn=in_turn, all=platform.shards + more, candidates=at_once)
    return _Pods()


def _hours(step: PlannedStep, past: Sequence[PastStep], resources: Resources, pods: _Pods) -> tuple[float | None, str]:
    """The last time on this cluster, or on this machine where the step asks for no accelerator."""
    timed = (p.seconds / p.rounds for p in past if p.step == step.step and p.seconds is not None)
    last = next(timed, None)
    if last is not None:
        return last * pods.rounds / 3600, "the last run on this cluster"
    if step.seconds is not None and resources.accelerator is None:
        return step.seconds * pods.rounds / pods.candidates / 3600, "runs on this machine"
    return None, ""


def price_of(resources: Resources, prices: Prices) -> float:
    """Money for an hour of a step's pod."""
    accelerator = resources.accelerator
    devices = accelerator.count * prices.accelerator_hour.get(accelerator.type, 0.0) if accelerator else 0.0
    return quantity(resources.cpu) * prices.cpu_hour + quantity(resources.memory) / GIB * prices.gib_hour + devices


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
    """Steps that may run and whose time is unknown."""
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
        hours=sum(s.hours or 0.0 for s in timed),
        accelerator_hours=devices,
        cost=cost,
        untimed=tuple(s.step for s in untimed),
        ceiling=cost + sum(s.limit_cost or 0.0 for s in untimed),
        accelerator_ceiling=devices + sum(s.limit_accelerator_hours for s in untimed),
    )


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
