from collections import Counter

import pytest

from raftops.evaluation.forgetting import knows, probes


def test_the_probe_has_24_questions_with_kinds_in_turn():
    found = probes()
    assert len(found) == 24 == len({p.question for p in found})
    assert set(Counter(p.kind for p in found[:12]).values()) == {2}


@pytest.mark.parametrize(("text", "right"), [("It is Paris.", True), ("Parisian food", False), ("", False)])
def test_a_known_answer_stands_as_a_whole_word(text, right):
    assert knows(probes()[0], text) is right


def test_no_probe_gives_its_answer_away():
    given_away = [p.id for p in probes() if p.kind != "instruction" and knows(p, p.question)]
    assert given_away == []
