import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.evaluation.arms import Quote
from raftops.evaluation.questions import held_out
from raftops.evaluation.scores import Judge
from raftops.spec.model.learning import Evaluate
from tests.evaluation.doubles import ACCESS, EXAMPLES, SOURCES, babbles, cites_blindly, models_of, reads, study


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
    _, _, made = study(tmp_path)
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
    assert list(found.replies) == ["base"] and found.winner is None and not summary.paired


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
