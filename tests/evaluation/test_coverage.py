from raftops.evaluation.coverage import covered


def test_risk_is_the_share_of_wrong_ones_among_the_likeliest():
    pairs = [(0.2, False), (0.9, True), (0.8, False), (0.7, True)]
    assert covered(pairs) == [(0.25, 0.0), (0.5, 0.5), (0.75, 1 / 3), (1.0, 0.5)]


def test_questions_of_one_likelihood_are_answered_together():
    assert covered([(0.5, True), (0.5, False), (0.1, False)]) == [(2 / 3, 0.5), (1.0, 2 / 3)]
    assert covered([(0.5, False), (0.5, True)]) == covered([(0.5, True), (0.5, False)])


def test_no_questions_make_no_curve():
    assert covered([]) == []
