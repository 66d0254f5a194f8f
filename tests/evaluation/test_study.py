from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.evaluation.arms import Quote
from raftops.evaluation.questions import held_out
from raftops.evaluation.scores import Judge
from raftops.evaluation.summary import CITED
from raftops.spec.model.learning import Evaluate
from tests.evaluation.doubles import (
    ACCESS,
    EXAMPLES,
    SOURCES,
    TEXTS,
    Turned,
    babbles,
    chooses,
    cites_blindly,
    models_of,
    reads,
    study,
)


def test_a_good_reader_wins_with_right_answers_citations_and_abstentions(tmp_path):
    found, summary, _ = study(tmp_path)
    metrics = summary.metrics
    assert found.winner == "raft"
    assert metrics["raft.answer_contained"] == metrics["raft.citation_precision"] == metrics["raft.abstention"] == 1
    assert metrics["raft.over_refusal"] == metrics["raft.wrong"] == 0
    assert metrics["base+rag.answer_contained"] == metrics["base+rag.citation_precision"] == 0
    assert metrics["base+rag.wrong"] == 1
    assert metrics["paired.answer_contained.delta"] == 1


def test_retrieval_is_measured_for_the_served_weights_and_for_each_signal_alone(tmp_path):
    _, summary, _ = study(tmp_path)
    for name in ("retrieval", "bm25", "dense"):
        assert {f"{name}.hit@1", f"{name}.hit@10", f"{name}.ndcg@10"} <= summary.metrics.keys()
    assert summary.metrics["retrieval.unit_hit"] == 1


def test_no_model_is_shown_a_training_question_or_a_reference(tmp_path):
    _, _, made = study(tmp_path)
    for model in made.values():
        for messages in model.seen:
            said = " ".join(m.content for m in messages)
            assert "Trained on" not in said
            if "Evidence:" not in said:
                assert not any(e.answer in said for e in EXAMPLES if e.kind == "knowledge" and e.answer)


def test_evidence_is_only_what_the_asker_may_read(tmp_path):
    found, _, made = study(tmp_path)
    for shown in found.shown:
        assert {unit.policy_id for unit in shown.units} <= shown.question.policies
    ireland = [m[-1].content for m in made["raft"].seen if "in Ireland?" in m[-1].content]
    assert ireland and not any("merit budget" in asked for asked in ireland)


def test_the_arms_that_read_are_shown_the_same_evidence(tmp_path):
    _, _, made = study(tmp_path, Evaluate(bootstrap=100, probe_questions=0, arms=CITED, canaries=0))
    shown = {name: {m[-1].content for m in model.seen if "Evidence:" in m[-1].content} for name, model in made.items()}
    assert shown["base"] == shown["plain"] == shown["raft"] != set()


def test_wrong_numbers_cost_citation_precision_and_the_service_mends_them(tmp_path):
    _, summary, _ = study(tmp_path, base=babbles, plain=babbles, raft=cites_blindly)
    assert summary.metrics["raft.citation_precision"] < 0.5
    assert summary.metrics["raft.quote_validity"] == 1, "a wrong unit is still a verbatim one"
    assert summary.metrics["served.citation_precision"] == summary.metrics["served.answer_contained"] == 1


def test_the_service_withholds_what_no_evidence_carries(tmp_path):
    found, _, _ = study(tmp_path, base=babbles, plain=babbles, raft=babbles)
    said = {reply.text for reply in found.replies["raft"]}
    assert said and not any(word in reply.text for word in said for reply in found.replies["served"])


def test_the_better_cited_arm_wins_over_raft(tmp_path):
    found, summary, _ = study(tmp_path, base=reads, plain=babbles, raft=babbles)
    assert found.winner == "base+rag" and found.replies["served"]
    assert summary.metrics["paired.answer_contained.delta"] == -1


def test_equal_answers_are_decided_by_citations_and_a_full_tie_goes_to_raft(tmp_path):
    found, _, _ = study(tmp_path / "citations", base=cites_blindly, plain=babbles, raft=reads)
    assert found.winner == "raft"
    found, _, _ = study(tmp_path / "against", base=reads, plain=babbles, raft=cites_blindly)
    assert found.winner == "base+rag"
    found, _, _ = study(tmp_path / "tie", base=reads, plain=reads, raft=reads)
    assert found.winner == "raft"


def test_an_arm_without_a_model_is_left_out_and_said(tmp_path):
    found, summary, _ = study(tmp_path, base=babbles, raft=reads)
    assert found.missing == ("fine-tuned", "fine-tuned+rag")
    assert not any(name.startswith("fine-tuned") for name in summary.metrics)


def test_only_the_arms_of_the_spec_are_asked(tmp_path):
    found, summary, _ = study(tmp_path, Evaluate(arms=("base",), bootstrap=100, forgetting=0))
    assert list(found.replies) == ["extract", "base"] and found.winner is None and not summary.paired


def test_form_and_memory_are_measured_for_each_model(tmp_path):
    _, summary, _ = study(tmp_path)
    assert (summary.metrics["behaviour.base"], summary.metrics["behaviour.raft"]) == (0, 1)
    assert summary.metrics["behaviour_values.raft"] == 1
    assert summary.metrics["forgetting.base"] == 0


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path):
    class Killed(Exception):
        pass

    asked = []

    def dies(question):
        asked.append(question)
        if len(asked) == 9:
            raise Killed
        return reads(question)

    with pytest.raises(Killed):
        study(tmp_path, base=babbles, plain=babbles, raft=dies)
    first, _, made = study(tmp_path, base=babbles, plain=babbles, raft=reads)
    fresh, _, _ = study(tmp_path / "fresh", base=babbles, plain=babbles, raft=reads)
    assert made["base"].seen == []
    assert len(asked) == 9 and [m[-1].content for m in made["raft"].seen][0] == asked[-1]
    assert [r.text for r in first.replies["raft"]] == [r.text for r in fresh.replies["raft"]]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), st.integers(0, 40), st.integers(1, 40), st.booleans(), st.booleans())
def test_a_quote_is_valid_only_word_for_word_and_for_a_reader(doc_id, start, length, manager, changed):
    held = held_out(Evaluate(), EXAMPLES, ACCESS, SOURCES)
    question = next(q for q in held.questions if q.example.id == ("k-pay" if manager else "k-ie"))
    text = SOURCES[doc_id].text[start : start + length]
    quote = Quote(1, doc_id, "v1", start, start + len(text), text + "!" * changed)
    readable = manager or doc_id != "managers/pay.md"
    assert Judge(ACCESS, SOURCES).valid(quote, question) == (readable and bool(text.strip()) and not changed)


def test_models_are_found_by_name(tmp_path):
    models, _ = models_of(tmp_path, base=reads)
    assert "base" in models and "raft" not in models


def test_the_first_unit_is_quoted_word_for_word_and_no_model_is_asked(tmp_path):
    found, summary, made = study(tmp_path, Evaluate(arms=("base",), bootstrap=100, forgetting=0, probe_questions=0))
    assert [r.own for r in found.replies["extract"]][:4] == [shown.units[0].text for shown in found.shown[:4]]
    assert set(r.own for r in found.replies["extract"]) <= set(TEXTS.values())
    assert all(r.completion_tokens == 0 for r in found.replies["extract"])
    assert not any("Evidence:" in m[-1].content for model in made.values() for m in model.seen)
    # right for all four, and for the two that nothing answers there is a first unit, too
    assert summary.metrics["extract.right"] == 1 and summary.metrics["extract.wrong"] == pytest.approx(2 / 6)
    assert summary.metrics["extract.over_refusal"] == 0 and summary.metrics["extract.citation_lift"] == 0


def test_a_constant_1_has_no_lift_and_a_model_that_chooses_has(tmp_path):
    config = Evaluate(bootstrap=200, forgetting=0, probe_questions=4)
    lazy = study(tmp_path / "lazy", config, Turned, base=babbles, plain=babbles, raft=reads)[1]
    assert lazy.metrics["raft.citation_lift"] == 0 and lazy.metrics["raft.cites_first"] == 1
    eager = study(tmp_path / "eager", config, Turned, base=babbles, plain=babbles, raft=chooses)[1]
    first = eager.metrics["extract.citation_precision"]
    assert first < 1 and eager.metrics["raft.citation_precision"] == 1
    assert eager.metrics["raft.citation_lift"] == pytest.approx(1 - first)
    assert eager.pairs["paired_extract"]["right"].delta > 0
    assert eager.metrics["shuffled.citation_precision"] == 1 > eager.metrics["shuffled.always_first"]
    assert lazy.metrics["shuffled.citation_precision"] == lazy.metrics["shuffled.always_first"]
    assert lazy.metrics["shuffled.citation_lift"] == 0 < eager.metrics["shuffled.citation_lift"]


class Level:
    """A re-ranker that prefers nothing."""

    name = "level"
    mix = 0.5

    def score(self, question, texts):
        return np.zeros(len(texts), dtype=np.float32)


@dataclass(frozen=True)
class Ranked(Turned):
    """An answerer with a re-ranker that puts the worst first."""

    reranker: object = field(default_factory=Level)


def test_a_re_ranker_is_measured_against_the_order_before_it(tmp_path):
    config = Evaluate(bootstrap=100, forgetting=0, probe_questions=0)
    found, summary, _ = study(tmp_path, config, Ranked, base=babbles, plain=babbles, raft=reads)
    assert summary.metrics["retrieval.unit_first_before"] == 1
    after = sum(1 in shown.golden for shown in found.shown) / 4
    assert summary.metrics["retrieval.rerank_gain"] == pytest.approx(after - 1) and after < 1
    assert summary.metrics["choice.gain"] == 0, "always [1] has no lift, which is the better of the two"
    assert "retrieval.rerank_gain" not in study(tmp_path / "none", config)[1].metrics


def test_right_answers_are_counted_by_the_place_of_the_proof(tmp_path):
    config = Evaluate(bootstrap=200, forgetting=0, probe_questions=0)
    found, summary, _ = study(tmp_path, config, Turned, base=babbles, plain=babbles, raft=reads)
    places = found.places["as served"]
    assert len(places) == 4 and any(place > 1 for place, _ in places)
    assert all(right == (place == 1) for place, right in places), "this reader looks at the first unit only"
    assert summary.metrics["raft.right_gold_later"] == 0
    assert summary.figures["raft.right_gold_later"].n == sum(place > 1 for place, _ in places)


def test_with_the_proof_alone_a_reader_of_the_first_unit_is_right(tmp_path):
    config = Evaluate(bootstrap=200, forgetting=0, probe_questions=4)
    found, summary, _ = study(tmp_path, config, Turned, base=babbles, plain=babbles, raft=reads)
    assert summary.metrics["oracle.right"] == 1 > summary.metrics["raft.right"]
    assert [len(given.units) for given in found.alone] == [1, 1, 1, 1, 0, 0], "nothing answers the last two"
    assert summary.metrics["distractors.0"] == 1
    assert 4 not in [len(given.units) - 1 for given in found.shown], "there are four documents"
    assert "distractors.4" not in summary.metrics, "so nobody finds four units that do not answer"


def test_the_base_asked_twice_says_how_much_means_nothing(tmp_path):
    config = Evaluate(bootstrap=100, forgetting=0, probe_questions=4)
    steady = study(tmp_path / "steady", config, base=babbles, raft=reads)[1].metrics
    assert (steady["noise.flips"], steady["noise.delta"]) == (0, 0)
    moved = study(tmp_path / "moved", config, base=reads, raft=reads)[1].metrics
    assert moved["noise.flips"] == pytest.approx(-moved["noise.delta"]) and moved["noise.flips"] > 0


def test_what_is_known_without_evidence_is_measured_for_each_model(tmp_path):
    def learnt(asked):
        return "25 days of annual leave." if "Evidence:" not in asked and "Ireland" in asked else babbles(asked)

    config = Evaluate(bootstrap=100, forgetting=0, probe_questions=4)
    metrics = study(tmp_path, config, base=babbles, plain=babbles, raft=learnt)[1].metrics
    assert (metrics["memory.base"], metrics["memory.plain"], metrics["memory.raft"]) == (0, 0, 0.25)


def test_near_misses_are_told_from_absent_topics_where_the_examples_do(tmp_path):
    near = [e.model_copy(update={"near_miss": True}) if e.id == "u-2" else e for e in EXAMPLES]

    def declines_the_dog(asked):
        return reads(asked) if "Spain" not in asked else reads(asked.replace("Spain", "Ireland"))

    config = Evaluate(bootstrap=100, forgetting=0, probe_questions=0)
    told = study(tmp_path / "told", config, examples=near, base=babbles, raft=declines_the_dog)[1].metrics
    assert (told["raft.abstention_near_miss"], told["raft.abstention_absent"], told["raft.abstention"]) == (0, 1, 0.5)
    untold = study(tmp_path / "untold", config, base=babbles, raft=declines_the_dog)[1].metrics
    assert "raft.abstention_near_miss" not in untold and "raft.abstention_absent" not in untold


def test_dev_questions_choose_the_kind_of_answer_and_none_is_reported(tmp_path):
    dev = [
        e.model_copy(update={"id": f"dev-{n}-{e.id}", "split": "dev"})
        for n in range(3) for e in EXAMPLES if e.kind == "knowledge" and e.split == "test"
    ]  # fmt: skip
    config = Evaluate(bootstrap=100, forgetting=0, probe_questions=0, dev_questions=16)
    found, _, _ = study(tmp_path, config, examples=[*EXAMPLES, *dev], base=babbles, raft=reads)
    assert found.answering.on == 16, "twelve that are answerable, and four of the six that are not"
    assert not any(reply.question.startswith("dev-") for replies in found.replies.values() for reply in replies)


def test_questions_without_an_answer_are_no_reason_to_call_the_service_slow(tmp_path):
    _, summary, _ = study(tmp_path)
    assert 0 < summary.latencies["latency.retrieval_p50_seconds"] <= summary.latencies["latency.retrieval_p95_seconds"]
