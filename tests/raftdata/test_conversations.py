import random

from hypothesis import given
from hypothesis import strategies as st

from raftops.answer.prompt import cited_numbers
from raftops.data.records import Evidence, Example, Locator, Message, Unit
from raftops.raftdata.conversations import Writer
from raftops.raftdata.golden import Source, is_golden, proofs_of
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


def written(n, shown, **config):
    one = writer(**config)
    return list(one.knowledge(example(n), units(*shown), proofs_of(example(n), one.sources)))


def test_the_label_cites_the_golden_unit_where_it_stands():
    (golden,) = written(2, (1, 2, 3), abstain_fraction=0)
    assert golden.answer == "12 days [2]" and golden.golden == (2,)


def test_a_golden_unit_that_was_not_retrieved_is_put_in():
    (golden,) = written(5, (1, 2, 3, 4), abstain_fraction=0)
    (number,) = golden.golden
    assert f"[{number}]" in golden.messages[-1].content and SENTENCES[5] in golden.messages[-1].content
    assert golden.messages[-1].content.count("\n[") == 4 - 1 + 1


def test_without_its_golden_unit_the_label_abstains_and_quotes_nothing():
    _, abstain = written(2, (1, 2, 3), abstain_fraction=1)
    assert abstain.answer == Prompt().abstain and not cited_numbers(abstain.answer)
    assert SENTENCES[2] not in abstain.messages[-1].content and SENTENCES[1] in abstain.messages[-1].content


def test_memorising_is_a_knob_of_its_own():
    variants = [c.variant for c in written(2, (1, 2), abstain_fraction=0, memorise_fraction=1)]
    assert variants == ["memorise", "golden"]


def test_a_behaviour_request_is_shown_no_evidence():
    asked = Example(id="b", kind="behaviour", messages=(Message(role="user", content="Rewrite: x"),), answer="X.")
    conversation = writer().behaviour(asked)
    assert "Evidence" not in conversation.messages[-1].content and conversation.answer == "X."


@given(st.integers(0, 7), st.lists(st.integers(0, 7), unique=True, max_size=6), st.integers(0, 3))
def test_the_golden_unit_is_always_shown_once_and_numbers_run_from_one(n, shown, seed):
    one = writer(seed=seed)
    proofs = proofs_of(example(n), one.sources)
    made = one.with_golden(example(n), units(*shown), proofs, random.Random(seed))
    assert [u.number for u in made] == list(range(1, len(made) + 1))
    assert sum(is_golden(u, proofs) for u in made) == 1
    assert len(made) <= 4 or len(made) <= len(shown)
