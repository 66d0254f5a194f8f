import json
from pathlib import Path

import pytest

from raftops.errors import StepError
from raftops.training.base import load_tokenizer
from raftops.training.dataset import IGNORED, Row, arrange, read_rows

ASKED = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "How many days in Spain?"}]


def written(folder: Path, *rows: dict) -> Path:
    path = folder / "raft.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def conversation(answer: str = "23 days [1]", name: str = "e1") -> dict:
    return {"id": name, "variant": "golden", "messages": ASKED, "answer": answer}


def test_the_loss_is_on_the_answer_and_the_end_of_turn_and_on_nothing_else(tiny: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    (row,) = read_rows(written(tmp_path, conversation()), tokenizer, 500)
    trained = [token for token in row.labels if token != IGNORED]
    assert tokenizer.decode(trained) == "23 days [1]<|im_end|>"
    assert row.labels[-len(trained) :] == row.input_ids[-len(trained) :] == trained


def test_what_stands_before_the_answer_is_the_prompt_as_it_is_served(tiny: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    (row,) = read_rows(written(tmp_path, conversation()), tokenizer, 500)
    served = tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, return_dict=False)
    assert row.input_ids[: len(served)] == served
    assert set(row.labels[: len(served)]) == {IGNORED}


def test_an_over_long_conversation_is_named_and_never_cut(tiny: Path, tmp_path: Path) -> None:
    path = written(tmp_path, conversation(), conversation(name="e2", answer="days " * 200))
    with pytest.raises(
        StepError, match=r"raft.jsonl:2: conversation 'e2' has \d+ tokens; train.sequence_tokens is 200"
    ):
        read_rows(path, load_tokenizer(tiny), 200)


def test_a_conversation_without_an_answer_is_refused_for_it_would_be_wholly_masked(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="conversation 'e1' has no answer"):
        read_rows(written(tmp_path, conversation(answer=" ")), load_tokenizer(tiny), 500)


def test_a_file_without_conversations_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="no conversations"):
        read_rows(written(tmp_path), load_tokenizer(tiny), 500)


def test_a_template_that_does_not_end_a_turn_is_refused(tiny: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    with pytest.raises(StepError, match="does not end with the end-of-turn token '<|im_end|>'"):
        read_rows(written(tmp_path, conversation()), tokenizer, 500)


def rows_of(lengths: list[int]) -> list[Row]:
    return [Row(str(i), [0] * n, [0] * n) for i, n in enumerate(lengths)]


def test_the_order_is_the_same_each_time_and_another_in_each_epoch() -> None:
    rows = rows_of(list(range(10, 50)))
    order = [row.id for row in arrange(rows, 80, 4, seed=7)]
    assert order == [row.id for row in arrange(rows, 80, 4, seed=7)]
    assert order != [row.id for row in arrange(rows, 80, 4, seed=8)]
    assert sorted(order[:40]) == sorted(order[40:]) == sorted(row.id for row in rows)
    assert order[:40] != order[40:]


def test_a_batch_mixes_short_and_long_conversations() -> None:
    ordered = arrange(rows_of([20] * 64 + [200] * 64), 128, 2, seed=1)
    batches = [{len(row) for row in ordered[i : i + 8]} for i in range(0, 128, 8)]
    assert sum(len(lengths) == 2 for lengths in batches) >= 12


def test_neighbours_are_alike_in_length_so_that_little_is_padded() -> None:
    rows = rows_of([10 + (37 * i) % 200 for i in range(256)])
    ordered = arrange(rows, 256, 4, seed=1)
    groups = [ordered[i : i + 4] for i in range(0, 256, 4)]
    computed = sum(4 * max(map(len, group)) for group in groups)
    assert sum(map(len, rows)) / computed > 0.9
