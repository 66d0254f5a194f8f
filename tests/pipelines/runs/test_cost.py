from __future__ import annotations

from typing import Any

import pytest

from pipelines.runs.cost import PastStep, StepCost, cluster_plan, keep_to_budget, price_of, total
from pipelines.runs.cost_shown import cost_lines, cost_row, cost_table, costs_json, costs_markdown
from pipelines.runs.plan import PlannedStep
from raftops.errors import BudgetExceeded
from raftops.spec.model.base import STEPS
from raftops.spec.model.platform import Prices, Resources

PRICES = {"currency": "EUR", "cpu_hour": 0.05, "gib_hour": 0.01, "accelerator_hour": {"nvidia.com/gpu": 2.0}}
GPU = {"cpu": 8, "memory": "32Gi", "accelerator": {"count": 1}, "timeout_minutes": 480, "retries": 1}


class Priced:
    """A project with prices, and what its cluster remembers."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.platform: dict[str, Any] = {"prices": PRICES, "resources": {"train": GPU}}
        self.past: list[PastStep] = []
        self.seconds: dict[str, float] = {}
        self.unknown = ""

    @property
    def assistant(self) -> Any:
        self.project.spec["spec"]["platform"] = self.platform
        return self.project.load().assistant

    def plan(self) -> dict[str, StepCost]:
        planned = [PlannedStep(s, True, ("x",), "work", self.seconds.get(s), f"key of {s}") for s in STEPS]
        return {step.step: step for step in cluster_plan(self.assistant, planned, self.past, self.unknown)}


@pytest.fixture
def priced(project: Any) -> Priced:
    return Priced(project)


def test_an_hour_costs_what_it_asks_for() -> None:
    assert price_of(Resources(**GPU), Prices(**PRICES)) == pytest.approx(8 * 0.05 + 32 * 0.01 + 2.0)


def test_a_key_that_the_cluster_has_is_skipped_and_costs_nothing(priced: Priced) -> None:
    priced.past = [PastStep("train", "key of train", 7200.0, "11112222-3333")]
    train = priced.plan()["train"]
    assert (train.runs, train.hours, train.cost) == (False, 0.0, 0.0)
    assert "run 11112222 made it" in train.why


def test_another_key_runs_as_long_as_last_time_there(priced: Priced) -> None:
    priced.past = [PastStep("train", "old", None, "r2"), PastStep("train", "older", 7200.0, "r1")]
    train = priced.plan()["train"]
    assert (train.runs, train.why, train.hours) == (True, "another key than before", 2.0)
    assert train.cost == pytest.approx(2 * 2.72) and train.accelerator_hours == 2.0


def test_without_a_past_the_time_is_unknown_and_bounded(priced: Priced) -> None:
    train = priced.plan()["train"]
    assert (train.hours, train.cost, train.why) == (None, None, "never run on this cluster")
    assert train.limit_hours == 16.0 and train.limit_cost == pytest.approx(16 * 2.72)


def test_time_of_this_machine_counts_only_without_an_accelerator(priced: Priced) -> None:
    priced.seconds = {"train": 3600.0, "index": 1800.0}
    steps = priced.plan()
    assert steps["train"].hours is None
    assert (steps["index"].hours, steps["index"].hours_from) == (0.5, "runs on this machine")


def test_several_nodes_multiply_what_training_costs(priced: Priced) -> None:
    priced.past = [PastStep("train", "old", 3600.0, "r1")]
    priced.project.spec["spec"]["train"]["nodes"] = 4
    priced.platform["workspace"] = "shared"
    train = priced.plan()["train"]
    assert train.cost == pytest.approx(4 * 2.72) and train.accelerator_hours == 4.0


def candidates(priced: Priced, count: int, at_once: int) -> None:
    made = [{"name": f"c{n}", "seed": n} for n in range(count)]
    priced.project.spec["spec"]["train"] |= {"candidates": made, "candidates_at_once": at_once}


@pytest.mark.parametrize(("at_once", "hours", "cost"), [(1, 4.0, 4.0), (2, 2.0, 4.0), (4, 1.0, 4.0)])
def test_candidates_multiply_what_training_costs_and_side_by_side_they_take_less_time(
    priced: Priced, at_once: int, hours: float, cost: float
) -> None:
    priced.past = [PastStep("train", "old", 3600.0, "r1")]
    candidates(priced, 4, at_once)
    train = priced.plan()["train"]
    assert (train.hours, train.cost) == (hours, pytest.approx(cost * 2.72))
    assert cost_row(train, priced.assistant)[4].startswith(f"{at_once} x 8 cpu" if at_once > 1 else "8 cpu")


def test_time_that_candidates_took_is_shared_out_among_those_of_now(priced: Priced) -> None:
    priced.past = [PastStep("train", "old", 7200.0, "r1", rounds=2)]
    candidates(priced, 6, 2)
    assert priced.plan()["train"].hours == 3.0
    priced.past, priced.seconds = [], {"train": 3600.0}
    priced.platform["resources"] = {"train": {"cpu": 8, "memory": "32Gi"}}
    assert priced.plan()["train"].hours == 0.5, "six one after the other here, three times two there"


def test_the_limit_of_candidates_counts_every_pod_and_the_one_that_chooses(priced: Priced) -> None:
    candidates(priced, 5, 2)
    train = priced.plan()["train"]
    assert train.limit_hours == (3 + 1) * 16.0
    assert train.limit_cost == pytest.approx((5 + 1) * 16 * 2.72)


def test_shards_cost_what_all_their_pods_cost_and_take_less_time(priced: Priced) -> None:
    priced.seconds = {"ingest": 7200.0}
    alone = priced.plan()
    priced.platform |= {"shards": 8, "shards_at_once": 4}
    shared = priced.plan()
    hour = price_of(shared["ingest"].resources, Prices(**PRICES))
    assert (alone["ingest"].hours, shared["ingest"].hours, shared["ingest"].nodes) == (2.0, 0.5, 4)
    assert shared["ingest"].cost == pytest.approx(2 * hour) == alone["ingest"].cost
    assert shared["ingest"].limit_hours == 4 * alone["ingest"].limit_hours, "the list, two rounds, and the merge"
    assert shared["index"].limit_hours == 3 * alone["index"].limit_hours, "two rounds, and the merge"
    assert shared["index"].limit_cost == pytest.approx(9 * (alone["index"].limit_cost or 0))
    assert shared["augment"] == alone["augment"]


def test_two_adapters_side_by_side_cost_the_time_of_both_pods(priced: Priced) -> None:
    priced.project.spec["spec"]["train"]["plain_beside"] = True
    priced.past = [PastStep("train", "old", 7200.0, "r1")]
    train = priced.plan()["train"]
    assert train.hours == 2.0 and train.cost == pytest.approx(2 * 2.72)
    assert (train.limit_hours, train.limit_cost) == (2 * 16.0, pytest.approx(2 * 16 * 2.72))


def test_a_cluster_that_cannot_be_asked_is_said_and_nothing_is_guessed(priced: Priced) -> None:
    priced.unknown = "Kubeflow at http://x cannot be reached"
    steps = priced.plan()
    assert {step.runs for step in steps.values()} == {None}
    assert cost_row(steps["train"], priced.assistant)[1:3] == ("?", "unknown: the cluster could not be asked")
    assert cost_lines(priced.assistant, list(steps.values()), priced.unknown)[0].endswith(priced.unknown)


def test_the_sum_leaves_out_what_is_not_known_and_says_so(priced: Priced) -> None:
    priced.past = [PastStep(s, "old", 3600.0, "r") for s in STEPS if s != "train"]
    sums = total(list(priced.plan().values()))
    assert sums.hours == 6.0 and sums.untimed == ("train",)
    assert sums.ceiling == pytest.approx(sums.cost + 16 * 2.72)
    text = "\n".join(cost_lines(priced.assistant, list(priced.plan().values()), ""))
    assert "no past run tells the time of train" in text and "EUR" in text


def test_gpu_hours_stand_beside_each_step_and_count_up_to_the_time_limit_where_no_run_tells(priced: Priced) -> None:
    priced.past = [PastStep("train", "old", 7200.0, "r1")]
    columns, rows = cost_table(priced.assistant, list(priced.plan().values()))
    shown = {row[0]: row[columns.index("GPU hours")] for row in rows}
    assert (shown["train"], shown["index"]) == ("about 2.00", "-")
    priced.past, priced.platform["resources"] = [], {"train": GPU | {"accelerator": {"count": 3}}}
    priced.project.spec["spec"]["train"]["plain_beside"] = True
    steps = list(priced.plan().values())
    columns, rows = cost_table(priced.assistant, steps)
    assert {row[columns.index("GPU hours")] for row in rows} == {"-", "at most 96"}, "2 pods, 2 tries of 8 h, 3 GPUs"
    [line] = [text for text in cost_lines(priced.assistant, steps, "") if "of 7 steps" in text]
    assert line.endswith("EUR and 96 GPU hours by the time limits")
    assert costs_json(priced.assistant, steps, "")["total"]["accelerator_ceiling"] == 96.0


def test_a_plan_without_accelerators_has_no_column_for_them(priced: Priced) -> None:
    priced.platform["resources"] = {}
    columns, rows = cost_table(priced.assistant, list(priced.plan().values()))
    assert "GPU hours" not in columns and {len(row) for row in rows} == {len(columns)}


def test_without_prices_hours_are_told_and_no_cost(priced: Priced) -> None:
    priced.platform = {"resources": {"train": GPU}}
    priced.past = [PastStep(s, "old", 3600.0, "r") for s in STEPS]
    [line, *_] = cost_lines(priced.assistant, list(priced.plan().values()), "")
    assert "of 7 steps 7 run" in line and "platform.prices is not set" in line and "1.00 GPU hours" in line


class TestTheBudget:
    def test_a_run_within_it_is_let_through(self, priced: Priced) -> None:
        priced.platform["budget"] = 10
        priced.past = [PastStep(s, "old", 3600.0, "r") for s in STEPS]
        keep_to_budget(priced.assistant, list(priced.plan().values()))
        assert "budget 10.00 EUR: kept" in cost_lines(priced.assistant, list(priced.plan().values()), "")

    def test_a_dearer_one_is_stopped_and_the_dearest_step_named(self, priced: Priced) -> None:
        priced.platform["budget"] = 5
        priced.past = [PastStep(s, "old", 7200.0, "r") for s in STEPS]
        with pytest.raises(BudgetExceeded, match=r"may cost 6\.92 EUR, train alone 5\.44; .*budget is 5\.00") as caught:
            keep_to_budget(priced.assistant, list(priced.plan().values()))
        assert "platform.resources.train" in caught.value.next_step

    def test_a_step_of_unknown_time_counts_with_its_limit(self, priced: Priced) -> None:
        priced.platform["budget"] = 20
        priced.past = [PastStep(s, "old", 60.0, "r") for s in STEPS if s != "train"]
        with pytest.raises(BudgetExceeded, match=r"\(train counted at the time limit"):
            keep_to_budget(priced.assistant, list(priced.plan().values()))

    def test_no_budget_stops_nothing(self, priced: Priced) -> None:
        keep_to_budget(priced.assistant, list(priced.plan().values()))


def test_machines_and_pull_requests_get_the_same_figures(priced: Priced) -> None:
    priced.past = [PastStep("train", "old", 3600.0, "r")]
    steps = list(priced.plan().values())
    told = costs_json(priced.assistant, steps, "")
    assert told["currency"] == "EUR" and told["total"]["accelerator_hours"] == 1.0
    assert next(s for s in told["steps"] if s["step"] == "train")["cost"] == pytest.approx(2.72)
    assert "about 2.72 EUR" in costs_markdown(priced.assistant, steps, "")


def test_what_is_kept_behind_a_step_that_runs_is_said_to_need_a_server_that_reads_keys(priced: Priced) -> None:
    priced.past = [PastStep(step, f"key of {step}", 60.0, "11112222-3333") for step in STEPS if step != "index"]
    by_key = {step for step, planned in priced.plan().items() if "servers before 2.18" in planned.why}
    assert by_key == {"augment", "train", "evaluate", "deploy"}
    priced.past.append(PastStep("index", "key of index", 60.0, "11112222-3333"))
    assert not [step for step in priced.plan().values() if "2.18" in step.why]
