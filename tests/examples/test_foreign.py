"""Other people's formats to questions and answers: each row with its line, the unusable ones with their reason."""

import json
from pathlib import Path

import pytest

from raftops.errors import StepError
from raftops.examples.foreign import Foreign, detected, read_foreign

CHAT = [
    {"messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "When is payday?"},
        {"role": "assistant", "content": "On the 25th."},
    ]},
    {"messages": [
        {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "And in Spain?"}, {"role": "assistant", "content": "On the 28th."},
    ]},
    {"messages": [{"role": "user", "content": "When?"}]},
]  # fmt: skip
RAFT = {
    "id": "seed_task_0", "type": "general", "question": "When is payday?", "context": {"sentences": [["x"]]},
    "oracle_context": "Payday is the 25th. Cake is free.", "instruction": "<DOCUMENT>x</DOCUMENT>",
    "cot_answer": "##Reason: ##begin_quote## Payday is the 25th. ##end_quote## so.\n##Answer: The\n25th",
}  # fmt: skip
SQUAD = {"version": "v2.0", "data": [{"title": "Pay", "paragraphs": [{
    "context": "Cake is free. Payday is the 25th. Ask in Rota.",
    "qas": [
        {"id": "q1", "question": "When is payday?", "answers": [{"text": "the 25th", "answer_start": 24}]},
        {"id": "q2", "question": "Is tea free?", "answers": [], "is_impossible": True},
        {"id": "q3", "question": "", "answers": []},
    ],
}]}]}  # fmt: skip


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def lines(*rows: object) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def read(path: Path) -> list[Foreign]:
    return list(read_foreign(path))


def test_openai_chat_rows_lose_their_system_message_and_keep_their_turns(tmp_path: Path) -> None:
    one, turns, bad = read(write(tmp_path / "chat.jsonl", lines(*CHAT)))
    assert (one.question, one.answer, one.where.rpartition(":")[2]) == ("When is payday?", "On the 25th.", "1")
    assert turns.turns[-1] == ("user", "And in Spain?") and turns.answer == "On the 28th." and not turns.question
    assert "an assistant turn as the last one" in bad.problem and bad.where.endswith(":3")


def test_a_line_that_is_no_json_is_a_row_with_a_problem(tmp_path: Path) -> None:
    one, bad = read(write(tmp_path / "chat.jsonl", lines(CHAT[0]) + "{broken\n"))
    assert not one.problem and "not valid JSON" in bad.problem and bad.where.endswith(":2")


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("b.csv", ";"), ("c.tsv", "\t")])
def test_csv_columns_are_known_by_many_names_and_rows_by_their_line(tmp_path: Path, name: str, delimiter: str) -> None:
    header = delimiter.join(["Query", "Ground truth", "Source text", "File", "Accepted", "Unanswerable"])
    rows = (
        ['"When is\npayday?"', "the 25th", "Payday is the 25th.", "pay.md", "25th|day 25", ""],
        ["Tea?", *[""] * 4, "yes"],
    )
    text = "\ufeff" + "\n".join([header, *map(delimiter.join, rows), delimiter.join(["", "x", "", "", "", ""])]) + "\n"
    one, none, bad = read(write(tmp_path / name, text))
    assert (one.question, one.answer, one.quotes) == ("When is\npayday?", "the 25th", ("Payday is the 25th.",))
    assert (one.document, one.accepted) == ("pay.md", ("25th", "day 25"))
    assert none.unanswerable and bad.problem == "the question is empty"
    assert [row.where.rpartition(":")[2] for row in (one, none, bad)] == ["2", "4", "5"]


def test_csv_without_a_question_says_what_the_header_has(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="no column is the question; the header has foo, bar"):
        read(write(tmp_path / "a.csv", "foo,bar\n1,2\n"))


def test_squad_answers_have_their_sentence_and_impossible_questions_are_near_misses(tmp_path: Path) -> None:
    one, none, bad = read(write(tmp_path / "dev.json", json.dumps(SQUAD, indent=1)))
    assert (one.answer, one.quotes, one.document) == ("the 25th", ("Payday is the 25th.",), "Pay")
    assert none.unanswerable and none.near_miss and bad.problem == "has no question"
    text = (tmp_path / "dev.json").read_text().splitlines()
    assert '"q1"' in text[int(one.where.partition(" ")[0].rpartition(":")[2]) - 1]


def test_rows_of_rafts_authors_have_their_answer_and_quotes(tmp_path: Path) -> None:
    (one,) = read(write(tmp_path / "raft.jsonl", lines(RAFT)))
    assert (one.answer, one.quotes) == ("The 25th", ("Payday is the 25th.",)) and one.context.endswith("free.")
    (bad,) = read(write(tmp_path / "raft.json", json.dumps([{**RAFT, "cot_answer": "Well."}])))
    assert "no part behind ##Answer:" in bad.problem


def test_our_own_rows_and_unknown_ones_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="examples of ours already"):
        detected(write(tmp_path / "ours.jsonl", lines({"id": "a", "kind": "knowledge"})))
    with pytest.raises(StepError, match="of no format that is known"):
        detected(write(tmp_path / "what.jsonl", lines({"x": 1})))
    with pytest.raises(StepError, match="not UTF-8"):
        (tmp_path / "latin.csv").write_bytes("Frage\nWo ist das Büro?\n".encode("latin-1"))
        read(tmp_path / "latin.csv")


def test_a_cell_too_many_is_no_shorter_answer(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "question,answer\nWhen?,By 25, or before\nWho?,HR,\n")
    wrong, right = read_foreign(file)
    assert wrong.where.endswith("a.csv:2") and "3 cells under a header of 2" in wrong.problem
    assert (right.answer, right.problem) == ("HR", "")


def test_a_quotation_mark_that_nothing_closes_swallows_no_rows(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", 'question,answer\nWhen?,"On the 25th\nWho?,HR\nWhy?,Because\n')
    with pytest.raises(StepError, match=r"a.csv:2: not readable as CSV"):
        list(read_foreign(file))


def test_a_json_list_is_known_whatever_its_file_is_called(tmp_path: Path) -> None:
    for indent in (None, 1):
        file = write(tmp_path / "chat.jsonl", json.dumps(CHAT, indent=indent))
        assert detected(file) == "openai" and len(list(read_foreign(file))) == len(CHAT)


def test_lists_line_by_line_are_named_not_dropped(tmp_path: Path) -> None:
    rows = list(read_foreign(write(tmp_path / "a.jsonl", "[1]\n[2]\n"), "openai"))
    assert [row.problem for row in rows] == ["a row must be a JSON object"] * 2


@pytest.mark.parametrize("wrong", [None, 5, "text", [5], {"qas": None}, {"qas": 7}])
def test_squad_in_another_shape_is_named(tmp_path: Path, wrong: object) -> None:
    file = write(tmp_path / "a.json", json.dumps({"data": [{"paragraphs": [wrong]}, {"paragraphs": wrong}]}))
    rows = list(read_foreign(file))
    assert len(rows) == 2 and all(row.problem == "a question must be a JSON object" for row in rows)
