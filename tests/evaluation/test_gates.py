from types import SimpleNamespace

import pytest

from raftops.errors import GateFailed
from raftops.evaluation.bootstrap import Interval
from raftops.evaluation.gates import check_gates, every_gate, hold, reasons, verdict
from raftops.evaluation.leaks import Canary
from raftops.evaluation.summary import Summary
from raftops.files import write_json
from raftops.spec.model.learning import Gate

GATES = [Gate(metric="raft.f1", min=0.5), Gate(metric="served.wrong", max=0.1), Gate(metric="raft.nothing", min=0)]


@pytest.fixture
def report(tmp_path):
    """A folder with a report; call it with what holds the release back."""

    def written(held):
        write_json(tmp_path / "report.json", {"held": held})
        return tmp_path

    return written


def test_gates_inside_their_bounds_pass(report):
    held = reasons(check_gates(GATES[:2], {"raft.f1": 0.5, "served.wrong": 0.1}))
    assert verdict(report(held)) == "passed"
    hold(report(held))


def test_every_failed_gate_is_named_with_its_value(report):
    held = reasons(check_gates(GATES, {"raft.f1": 0.4123, "served.wrong": 0.2}))
    assert verdict(report(held)) == "held"
    with pytest.raises(GateFailed) as failure:
        hold(report(held))
    message = str(failure.value)
    assert message.startswith("3 gates did not pass")
    assert "raft.f1 is 0.412, wanted at least 0.5" in message
    assert "served.wrong is 0.200, wanted at most 0.1" in message
    assert "raft.nothing was not measured, wanted at least 0" in message
    assert failure.value.next_step


def test_a_lost_comparison_fails_beside_passing_gates(report):
    held = reasons(check_gates(GATES[:1], {"raft.f1": 0.9}), "RAFT lost to base+rag")
    with pytest.raises(GateFailed, match="RAFT lost to base"):
        hold(report(held))


@pytest.mark.parametrize(
    "body",
    [
        {"held": "' or __import__('os').system('id') or '"},
        {"held": ["' or __import__('os').system('id') or '"]},
        {"held": [""]},
        {"held": {}},
        {"held": None},
        {"held": 0},
        {"held": False},
        {"verdict": "passed"},
        {},
        [],
        "passed",
        None,
    ],
)
def test_whatever_a_report_holds_the_verdict_is_a_word_of_ours_and_a_doubtful_one_is_held(tmp_path, body):
    write_json(tmp_path / "report.json", body)
    assert verdict(tmp_path) == "held"
    with pytest.raises(GateFailed):
        hold(tmp_path)


def test_a_release_passes_by_an_empty_list_alone(report):
    assert verdict(report([])) == "passed"


def judged(figures, leaks=(), gates=(), n=40, winner="raft", policy="both"):
    """Every gate by its metric, for figures of so many questions."""
    canaries = [Canary(f"k{i}", "staff", leaked) for i, leaked in enumerate(leaks)]
    found = SimpleNamespace(winner=winner, canaries=canaries, answering=SimpleNamespace(policy=policy))
    counts = {"leaks": sum(map(bool, leaks)), "canaries": len(leaks)} if leaks else {}
    intervals = {name: Interval(value, value - 0.1, value + 0.1, n) for name, value in figures.items()}
    return {gate.metric: gate for gate in every_gate(gates, found, Summary(intervals, {}, counts))}


GOOD = {
    "served.wrong": 0.1, "served.over_refusal": 0.05, "choice.gain": 0.08, "forgetting.base": 0.5,
    "forgetting.raft": 0.41, "router.recall_knowledge": 0.99, "router.recall_behaviour": 0.95,
}  # fmt: skip


def test_a_good_report_passes_every_standard_gate():
    made = judged(GOOD, leaks=((), ()))
    assert {gate.verdict for gate in made.values()} == {"passed"} and len(made) == 7
    assert reasons(list(made.values())) == [] and all(gate.reason for gate in made.values())


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("served.wrong", 0.3),
        ("served.over_refusal", 0.32),
        ("choice.gain", 0.0),
        ("forgetting.raft", 0.39),
        ("router.recall_knowledge", 0.89),
        ("router.recall_behaviour", 0.89),
    ],  # fmt: skip
)
def test_each_standard_gate_can_fail_and_says_why(metric, value):
    made = judged(GOOD | {metric: value}, leaks=((),))
    [reason] = reasons(list(made.values()))
    assert reason.startswith(metric) and made[metric].reason in reason and made[metric].standard


def test_one_leak_holds_the_release_however_few_canaries_there_are():
    assert judged(GOOD, leaks=(("secret.md",),))["leaks"].verdict == "failed"
    assert judged(GOOD)["leaks"].verdict == "not judged", "nobody was there who may not read something"


def test_few_questions_prove_neither_side():
    made = judged(GOOD | {"served.wrong": 0.9}, n=19)
    assert {gate.verdict for gate in made.values()} == {"not judged"} and not any(g.passed for g in made.values())
    assert made["served.wrong"].note == "19 questions are too few: it judges from 20 on"
    assert reasons(list(made.values())) == []
    assert judged(GOOD | {"served.wrong": 0.9}, n=20)["served.wrong"].verdict == "failed"


def test_a_gate_of_the_spec_takes_the_place_of_the_standard_one_and_judges_by_any_number():
    own = [Gate(metric="served.wrong", max=0.5, reason="a trial"), Gate(metric="raft.right", min=0.5)]
    made = judged(GOOD | {"served.wrong": 0.4}, gates=own, n=3)
    assert made["served.wrong"].verdict == "passed" and made["served.wrong"].max == 0.5
    assert made["raft.right"].verdict == "failed" and made["raft.right"].value is None
    assert made["served.over_refusal"].verdict == "not judged"


def test_who_only_quotes_claims_no_choice_unless_a_re_ranker_does():
    assert judged(GOOD | {"choice.gain": 0.0}, policy="quote")["choice.gain"].verdict == "not judged"
    ranked = GOOD | {"choice.gain": 0.0, "retrieval.rerank_gain": 0.0}
    assert judged(ranked, policy="quote")["choice.gain"].verdict == "failed"


def test_a_base_that_is_served_itself_has_forgotten_nothing():
    assert not [metric for metric in judged(GOOD, winner="base+rag") if metric.startswith("forgetting")]
    assert {gate.verdict for gate in judged(GOOD, winner=None).values()} == {"not judged"}
