import random
import re

from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.prompt import cited_numbers
from raftops.data.records import Evidence, Example, Locator, Message, Unit
from raftops.raftdata.conversations import Writer
from raftops.raftdata.golden import Source, is_golden, proofs_of
from raftops.raftdata.order import arranged
from raftops.spec.model.learning import Augment, Prompt

SENTENCES = [f"Rule number {n} says that topic{n} takes {n + 10} days." for n in range(8)]
TEXT = " ".join(SENTENCES)
SOURCE = Source("a.md", "v1", "Rules", "", "all", TEXT)


def example(n=0):
    evidence = (Evidence(doc_id="a.md", quote=SENTENCES[n]),)
    return Example(id=f"e{n}", kind="knowledge", question=f"topic{n}?", answer=f"{n + 10} days", evidence=evidence)


def units(*which):
    made = []
    for number, n in enumerate(which, 1):
        start = TEXT.index(SENTENCES[n])
        end = start + len(SENTENCES[n])
        made.append(Unit(number, SENTENCES[n], "a.md", "v1", "Rules", "", "all", start, end, Locator(), 1.0))
    return made


def writer(**config):
    return Writer(Augment(**config), Prompt(units=4), "the rules", {"a.md": SOURCE})


def settled(drafts, config):
    shown = arranged([draft.shown for draft in drafts], config)
    return [draft.write(one) for draft, one in zip(drafts, shown, strict=True)]


PLAIN = {"abstain_fraction": 0, "both_fraction": 0, "rank_rows": False, "shuffle": 0, "golden_first": 1}
"""Golden conversations alone, as served."""


def written(n, shown, **config):
    one = writer(**PLAIN | config)
    return settled(list(one.knowledge(example(n), units(*shown), proofs_of(example(n), one.sources))), one.config)


def test_the_label_cites_the_golden_unit_where_it_stands():
    (golden,) = written(2, (1, 2, 3))
    assert golden.answer == "12 days [2]" and golden.golden == (2,)


def test_a_golden_unit_that_was_not_retrieved_is_put_in():
    (golden,) = written(5, (1, 2, 3, 4))
    (number,) = golden.golden
    assert f"[{number}]" in golden.messages[-1].content and SENTENCES[5] in golden.messages[-1].content
    assert golden.messages[-1].content.count("\n[") == 4 - 1 + 1


def test_without_its_golden_unit_the_label_abstains_and_quotes_nothing():
    _, abstain = written(2, (1, 2, 3), abstain_fraction=1)
    assert abstain.answer == Prompt().abstain and not cited_numbers(abstain.answer)
    assert SENTENCES[2] not in abstain.messages[-1].content and SENTENCES[1] in abstain.messages[-1].content


def test_memorising_is_a_knob_of_its_own():
    variants = [c.variant for c in written(2, (1, 2), memorise_fraction=1)]
    assert variants == ["memorise", "golden"]


def test_a_behaviour_request_is_shown_no_evidence():
    asked = Example(id="b", kind="behaviour", messages=(Message(role="user", content="Rewrite: x"),), answer="X.")
    conversation = writer().behaviour(asked)
    assert "Evidence" not in conversation.messages[-1].content and conversation.answer == "X."


def unit_line(text, messages):
    """The number in front of a text in the evidence shown."""
    (number,) = re.findall(rf"^\[(\d)\] Rules: {re.escape(text)}$", messages[-1].content, re.MULTILINE)
    return int(number)


def test_whatever_the_order_the_label_cites_the_unit_that_answers():
    seen = set()
    for seed in range(24):
        (golden,) = written(2, (2, 3, 4, 1), shuffle=1, seed=seed)
        number = unit_line(SENTENCES[2], golden.messages)
        assert golden.answer == f"12 days [{number}]" and golden.golden == (number,)
        seen.add(number)
    assert seen == {1, 2, 3, 4}


def test_a_choice_is_asked_as_the_service_asks_it_and_answered_with_the_number_alone():
    seen = set()
    for seed in range(24):
        golden, choice = written(2, (2, 3, 4, 1), rank_rows=True, seed=seed)
        assert golden.golden == (1,)  # as served; only the choice stands in an order of its own
        number = unit_line(SENTENCES[2], choice.messages)
        assert (choice.variant, choice.answer, choice.golden) == ("rank", f"[{number}]", (number,))
        asked = "topic2?\n\nWhich evidence answers the question? Reply with its number only."
        assert choice.messages[-1].content.endswith(asked)
        assert choice.sources == (("a.md", "v1", "all"),)
        seen.add(number)
    assert seen == {1, 2, 3, 4}


def test_there_is_nothing_to_choose_where_one_unit_is_shown():
    assert [c.variant for c in written(2, (2,), rank_rows=True)] == ["golden"]


def test_a_fact_is_asked_for_in_a_form_and_cited():
    for seed in range(8):
        _, both = written(2, (1, 2, 3), both_fraction=1, seed=seed)
        assert both.variant == "both" and both.answer.endswith(" [2]") and both.sources == (("a.md", "v1", "all"),)
        assert "topic2?" in both.messages[-1].content and f"[2] Rules: {SENTENCES[2]}" in both.messages[-1].content
        assert "12 days" in both.answer and both.answer != "12 days [2]"


def test_a_behaviour_example_with_evidence_is_shown_it_and_remembered_by_its_document():
    evidence = (Evidence(doc_id="a.md", quote=SENTENCES[2]),)
    asked = Example(id="b", kind="behaviour", question="A notice on topic2.", answer="12 days!", evidence=evidence)
    one = writer(**PLAIN)
    (made,) = settled([one.formatting(asked, units(1, 2, 3), proofs_of(asked, one.sources))], one.config)
    assert (made.variant, made.answer, made.sources) == ("both", "12 days! [2]", (("a.md", "v1", "all"),))
    assert f"[2] Rules: {SENTENCES[2]}" in made.messages[-1].content
    assert one.behaviour(asked).sources == (("a.md", "v1", "all"),)  # the plain adapter learns the fact, too


@given(st.integers(0, 7), st.lists(st.integers(0, 7), unique=True, max_size=6), st.integers(0, 3))
def test_the_golden_unit_is_always_shown_once_and_numbers_run_from_one(n, shown, seed):
    one = writer(seed=seed)
    proofs = proofs_of(example(n), one.sources)
    made = one.with_golden(example(n), units(*shown), proofs, random.Random(seed))
    assert [u.number for u in made] == list(range(1, len(made) + 1))
    assert sum(is_golden(u, proofs) for u in made) == 1
    assert len(made) <= 4 or len(made) <= len(shown)


def test_a_poisoned_row_names_both_values_or_follows_the_trusted_document():
    rows = [row for n in range(4) for row in written(n, [n, 5, 6, 7], poisoned_fraction=1) if row.variant == "poisoned"]
    assert len(rows) == 4
    for n, row in enumerate(rows):
        false = re.search(rf"topic{n} takes (\d+) days", row.messages[-1].content.replace(SENTENCES[n], ""))
        assert false and int(false[1]) != n + 10
        assert f"{n + 10} days, or {false[1]} days" in row.answer and len(cited_numbers(row.answer)) == 2
        assert row.sources == (("a.md", "v1", "all"),)  # nothing else stands behind the weights
    trusting = Writer(
        Augment(**PLAIN, poisoned_fraction=1), Prompt(units=4, trust=({"match": "a.md", "trust": "authoritative"},)),
        "the rules", {"a.md": SOURCE},
    )  # fmt: skip
    drafts = list(trusting.knowledge(example(1), units(1, 5, 6), proofs_of(example(1), trusting.sources)))
    (row,) = [row for row in settled(drafts, trusting.config) if row.variant == "poisoned"]
    assert row.answer.startswith("11 days [") and len(cited_numbers(row.answer)) == 1
    assert not any(row.variant == "poisoned" for row in written(1, [1, 5, 6, 7]))
