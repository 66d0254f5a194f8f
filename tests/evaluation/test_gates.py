import pytest

from raftops.errors import GateFailed
from raftops.evaluation.gates import check_gates, hold, reasons, verdict
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
