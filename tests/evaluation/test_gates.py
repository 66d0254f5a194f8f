import pytest

from raftops.errors import GateFailed
from raftops.evaluation.gates import check_gates, hold
from raftops.spec.model import Gate

GATES = [Gate(metric="raft.f1", min=0.5), Gate(metric="served.wrong", max=0.1), Gate(metric="raft.nothing", min=0)]


def test_gates_inside_their_bounds_pass():
    hold(check_gates(GATES[:2], {"raft.f1": 0.5, "served.wrong": 0.1}))


def test_every_failed_gate_is_named_with_its_value():
    with pytest.raises(GateFailed) as failure:
        hold(check_gates(GATES, {"raft.f1": 0.4123, "served.wrong": 0.2}))
    message = str(failure.value)
    assert message.startswith("3 gates did not pass")
    assert "raft.f1 is 0.412, wanted at least 0.5" in message
    assert "served.wrong is 0.200, wanted at most 0.1" in message
    assert "raft.nothing was not measured, wanted at least 0" in message
    assert failure.value.next_step


def test_a_lost_comparison_fails_beside_passing_gates():
    with pytest.raises(GateFailed, match="RAFT lost to base"):
        hold(check_gates(GATES[:1], {"raft.f1": 0.9}), "RAFT lost to base+rag")
