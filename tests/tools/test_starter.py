"""The starter's rows: golden units answer, the others do not, and the loss lies on answers alone."""

import json
import random

import pytest

from raftops.answer.prompt import cited_numbers
from raftops.files import write_jsonl
from raftops.spec.model.knowledge import Models
from raftops.training.base import load_tokenizer
from raftops.training.dataset import IGNORED
from raftops.training.tune import find_base
from tools.starter import Question, abstaining, answered, as_served, easy, questions, several, single, tokens_of

TOPICS = ("badges", "travel", "laptops", "leave", "gifts", "parking")
LINES = {topic: f"Handbook > {topic}: Whoever asks about {topic} gets an answer here." for topic in TOPICS}


def question(topic, split="train"):
    wrong = tuple(text for other, text in LINES.items() if other != topic)
    shown = (wrong[0], LINES[topic], *wrong[1:4])
    return Question(f"nq-{topic}", split, f"What about {topic}?", (LINES[topic],), frozenset(), wrong, shown)


def line_of(content, number):
    (found,) = [line for line in content.splitlines() if line.startswith(f"[{number}] ")]
    return found.removeprefix(f"[{number}] ")


def test_each_of_several_questions_is_answered_by_the_number_of_its_own_unit():
    rows = list(several([question(topic) for topic in TOPICS], random.Random(1)))
    assert len(rows) == len(TOPICS)
    for row in rows:
        evidence, *_ = [m["content"] for m in row["messages"] if m["role"] == "user"]
        asked = [m["content"] for m in row["messages"] if m["role"] == "user"]
        said = [m["content"] for m in row["messages"] if m["role"] == "assistant"] + [row["answer"]]
        assert len(asked) == len(said) == 4
        for one, reply in zip(asked, said, strict=True):
            (topic,) = [t for t in TOPICS if f"Question: What about {t}?" in one]
            assert line_of(evidence, *cited_numbers(reply)) == LINES[topic]


def test_a_unit_that_may_answer_is_never_shown_as_wrong():
    doubtful = LINES["travel"]
    one = question("badges")
    one = Question(one.id, one.split, one.question, one.golden, frozenset({doubtful}), one.wrong, one.served)
    for seed in range(20):
        made = [single(one, random.Random(seed)), abstaining(one, random.Random(seed))]
        made += list(several([one, question("gifts"), question("travel")], random.Random(seed)))[:1]
        assert not [row for row in made if doubtful in row["messages"][1]["content"]]


def test_an_easy_choice_is_among_units_of_other_subjects():
    asked = [question(topic) for topic in TOPICS]
    for seed in range(10):
        row = easy(asked[0], asked, random.Random(seed))
        evidence = row["messages"][-1]["content"]
        assert line_of(evidence, *cited_numbers(row["answer"])) == LINES["badges"]
        assert evidence.count(LINES["badges"]) == 1 and evidence.count("\n[") >= 3


def test_abstaining_rows_lack_what_answers():
    row = abstaining(question("badges"), random.Random(3))
    assert LINES["badges"] not in row["messages"][-1]["content"] and not cited_numbers(row["answer"])


def test_an_answer_is_cited_from_the_unit_that_holds_it():
    long = ("Whoever asks about the badges gets an answer in the very same handbook of this very company",)
    assert answered(question("badges"), long) is None and answered(question("badges"), ("a motorcycle",)) is None
    assert answered(question("badges"), ("an answer",)) == ("an answer", LINES["badges"])
    row = single(question("badges"), random.Random(2), "an answer", LINES["badges"])
    assert line_of(row["messages"][-1]["content"], *cited_numbers(row["answer"])) == LINES["badges"]


def test_a_held_out_choice_shows_what_is_served_in_an_order_of_its_own():
    row = as_served(question("badges", "dev"))
    assert row["numbers"] == cited_numbers(row["answer"]) and row["messages"][-1]["content"].count("\n[") == 5
    assert line_of(row["messages"][-1]["content"], *row["numbers"]) == LINES["badges"]
    missed = question("badges", "dev")
    assert as_served(Question("a", "dev", "?", missed.golden, frozenset(), missed.wrong, missed.wrong)) is None


def test_rows_of_the_reranker_are_read_with_their_doubts(tmp_path):
    candidates = [
        {"text": LINES[t], "golden": g, "signals": [0, 0, 0]}
        for t, g in zip(TOPICS, (False, True, None, False, False, False), strict=True)
    ]
    write_jsonl(tmp_path / "rows.jsonl", [{"id": "nq-1", "split": "train", "question": "?", "candidates": candidates}])
    (one,) = questions(tmp_path / "rows.jsonl")
    assert one.golden == (LINES["travel"],) and one.may_answer(LINES["laptops"]) and LINES["laptops"] not in one.served
    assert one.wrong == tuple(LINES[t] for t in ("badges", "leave", "gifts", "parking"))


@pytest.mark.model
def test_loss_lies_on_every_turn_of_the_assistant_and_on_nothing_else(tmp_path):
    tokenizer = load_tokenizer(find_base(Models().base, tmp_path).folder)
    (row, *_) = several([question(topic) for topic in TOPICS], random.Random(1))
    made = tokens_of(json.loads(json.dumps(row)), tokenizer)
    said = tokenizer.decode([label for label in made.labels if label != IGNORED])
    replies = [m["content"] for m in row["messages"] if m["role"] == "assistant"] + [row["answer"]]
    assert said == "".join(f"{reply}<|im_end|>" for reply in replies)
    whole = tokenizer.apply_chat_template(
        [*row["messages"], {"role": "assistant", "content": row["answer"]}], tokenize=False
    )
    assert tokenizer.decode(made.input_ids) == whole.rstrip("\n")
    (number,) = cited_numbers(row["answer"])
    alone = tokens_of({**row, "messages": row["messages"][:2]}, tokenizer, digits=True)
    assert [tokenizer.decode([label]) for label in alone.labels if label != IGNORED] == [str(number)]
