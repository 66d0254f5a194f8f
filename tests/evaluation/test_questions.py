from raftops.access import AccessPolicies
from raftops.data.records import Example
from raftops.evaluation.questions import held_out
from raftops.spec.model.learning import Evaluate
from tests.evaluation.doubles import ACCESS, EXAMPLES, SOURCES, knowledge


def held(**limits):
    return held_out(Evaluate(**limits), EXAMPLES, ACCESS, SOURCES)


def by_id(found):
    return {q.example.id: q for q in found.questions}


def test_only_the_test_split_is_asked():
    found = held()
    assert {e.split for e in found.every} == {"test"}
    assert "k-train" not in by_id(found) and len(found.questions) == 6


def test_a_question_is_asked_by_the_widest_group_and_one_more_where_its_evidence_needs_it():
    asked = by_id(held())
    assert asked["k-ie"].groups == ("employees",)
    assert asked["k-pay"].groups == ("employees", "managers")
    assert asked["k-pay"].policies == {"all-staff", "workforce", "managers-only"}


def test_an_unanswerable_question_is_asked_by_a_member_of_every_group():
    assert by_id(held())["u-1"].groups == ("contractors", "employees", "managers")


def test_every_asker_may_read_the_evidence():
    for question in held().questions:
        for proof in question.proofs:
            assert ACCESS.may_read(question.groups, SOURCES[proof.doc_id].policy_id)


def test_limits_are_counted_and_a_longer_draw_begins_with_the_shorter_one():
    two, three = held(questions=2, unanswerable=0), held(questions=3)
    assert two.counts == {"answerable": (2, 4), "unanswerable": (0, 2), "behaviour": (2, 2)}
    assert [q.example.id for q in three.questions][:2] == [q.example.id for q in two.questions]
    assert [q.example.id for q in held(questions=4, seed=8).questions] != [q.example.id for q in held().questions][:4]


def test_a_question_whose_evidence_nobody_may_read_or_find_is_left_out_and_named():
    shut = AccessPolicies.model_validate(ACCESS.model_dump() | {"groups": {"employees": ""}})
    quote = [{"doc_id": "it/laptop.md", "quote": "Not a word of it."}]
    lost = Example(id="k-lost", kind="knowledge", question="Lost?", answer="Yes.", evidence=quote, split="test")
    found = held_out(
        Evaluate(), [*EXAMPLES, lost, knowledge("k-pay2", "Pay?", "3.2", "managers/pay.md")], shut, SOURCES
    )
    reasons = dict(found.left_out)
    assert reasons["k-pay"] == reasons["k-pay2"] == "no group may read managers/pay.md"
    assert "not verbatim" in reasons["k-lost"]
    assert not {"k-pay", "k-lost"} & set(by_id(found))


def test_dev_questions_are_bounded_and_a_quarter_of_them_may_be_unanswerable():
    known = [e for e in EXAMPLES if e.kind == "knowledge" and e.split == "test"]
    dev = [e.model_copy(update={"id": f"{n}-{e.id}", "split": "dev"}) for n in range(4) for e in known]
    drawn = held_out(Evaluate(dev_questions=8), [*EXAMPLES, *dev], ACCESS, SOURCES).dev
    assert [question.kind for question in drawn] == ["answerable"] * 6 + ["unanswerable"] * 2
    assert {question.example.split for question in drawn} == {"dev"}
    longer = held_out(Evaluate(dev_questions=12), [*EXAMPLES, *dev], ACCESS, SOURCES).dev
    assert longer[:6] == drawn[:6], "a longer draw begins with the shorter one"
    assert held_out(Evaluate(dev_questions=0), [*EXAMPLES, *dev], ACCESS, SOURCES).dev == ()
