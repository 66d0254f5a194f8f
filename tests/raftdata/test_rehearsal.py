from raftops.evaluation.forgetting import probes
from raftops.evaluation.metrics import normalised
from raftops.raftdata.rehearsal import rehearsals, rehearsals_for
from raftops.spec.model.knowledge import Models


def test_no_question_of_the_forgetting_probe_is_rehearsed():
    _, rows = rehearsals()
    rehearsed = {" ".join(normalised(row.question)) for row in rows}
    asked = {" ".join(normalised(probe.question)) for probe in probes()}
    assert len(rows) >= 24 and len(asked) >= 24 and not rehearsed & asked


def test_no_answer_of_the_forgetting_probe_is_given_away():
    """A probe whose answer could be learned here would measure the rehearsal."""
    capitals = [row.answer for row in rehearsals()[1] if "capital of" in row.question]
    assert capitals and not any(city in said for said in capitals for city in ("Paris", "Tokyo", "Rome", "Berlin"))


def test_another_base_has_none():
    base, rows = rehearsals()
    assert list(rehearsals_for(base, 3)) == list(rows[:3]) and len(rehearsals_for(base, 64)) == len(rows)
    assert not rehearsals_for("hf://org/other@0123456789", 3)


def test_the_answers_are_those_of_the_base_that_specs_have_by_default():
    assert rehearsals()[0] == Models().base
