"""What every `Retriever` must do. A test class inherits it and gives a `retriever` fixture over `tiny.corpus()`."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.retrieval.tiny import TOPICS, corpus

ALL = frozenset({"policy0", "policy1", "policy2"})


class RetrieverContract:
    def test_the_passage_about_the_question_comes_first(self, retriever):
        for number, topic in enumerate(TOPICS):
            assert (
                retriever.search(f"the {topic} rule number {number}", ALL, 3)[0].passage.passage_id == f"p{number:03}"
            )

    def test_a_hit_is_the_whole_passage_as_it_went_in(self, retriever):
        known = {p.passage_id: p for p in corpus()}
        hits = retriever.search("laptop rule", ALL, 5)
        assert len(hits) == 5
        assert all(h.passage == known[h.passage.passage_id] for h in hits)

    def test_hits_come_best_first_within_bounds_and_at_most_top_k(self, retriever):
        for top_k in (1, 4, 50):
            hits = retriever.search("salary and bonus", ALL, top_k)
            assert len(hits) == min(top_k, len(corpus()))
            scores = [h.score for h in hits]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= s <= 1 for s in scores)
            assert all(-1.001 <= h.dense <= 1.001 and h.sparse >= 0 for h in hits)

    def test_no_policy_finds_nothing(self, retriever):
        assert retriever.search("leave", frozenset(), 5) == []

    def test_an_unknown_policy_finds_nothing(self, retriever):
        for name in ("nobody", "", '"] or true or policy_id in ["', "policy0 ", "POLICY0", "policy%", "*"):
            assert retriever.search("leave", frozenset({name}), 5) == []

    def test_an_empty_question_finds_nothing(self, retriever):
        assert retriever.search("  ", ALL, 5) == []

    def test_a_question_without_a_known_word_still_gets_neighbours(self, retriever):
        assert len(retriever.search("zzz qqq", ALL, 3)) == 3

    def test_the_same_question_gives_the_same_hits(self, retriever):
        assert retriever.search("visa", ALL, 9) == retriever.search("visa", ALL, 9)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        policies=st.frozensets(st.sampled_from(sorted(ALL)) | st.text(max_size=12), max_size=5),
        question=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4).map(" ".join),
        top_k=st.integers(1, 20),
    )
    def test_no_hit_is_outside_the_allowed_policies(self, retriever, policies, question, top_k):
        hits = retriever.search(question, policies, top_k)
        assert {h.passage.policy_id for h in hits} <= policies & ALL
        expected = [p for p in corpus() if p.policy_id in policies]
        assert len(hits) == min(top_k, len(expected))
