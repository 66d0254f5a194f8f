from time import sleep

import pytest

from raftops.data.records import Message
from raftops.errors import StepError
from raftops.evaluation.generations import Model, Models
from tests.evaluation.doubles import Says, models_of

ASKED = [Message(role="user", content="How much?\u2028And why?")]


def test_what_was_written_is_not_written_again_by_the_next_run(tmp_path):
    models, made = models_of(tmp_path, base=lambda asked: "ü 25\u2028days")
    first = models["base"].timed(ASKED, 8)
    again, fresh = models_of(tmp_path, base=lambda asked: "other")
    assert again["base"].timed(ASKED, 8) == first
    assert first.generation.text == "ü 25\u2028days"
    assert (len(made["base"].seen), fresh["base"].seen) == (1, [])


def test_remembered_answers_keep_the_seconds_they_took(tmp_path):
    models, _ = models_of(tmp_path, base=lambda asked: sleep(0.02) or "25")
    first = models["base"].timed(ASKED, 8)
    models["base"].generate(ASKED, 8)
    assert first.seconds >= 0.02 and models["base"].spent == 2 * first.seconds


def test_another_limit_another_question_or_another_model_is_asked(tmp_path):
    models, made = models_of(tmp_path, base=lambda asked: "a", raft=lambda asked: "b")
    models["base"].generate(ASKED, 8)
    models["base"].generate(ASKED, 9)
    models["base"].generate([*ASKED, *ASKED], 8)
    assert models["raft"].generate(ASKED, 8).text == "b"
    assert (len(made["base"].seen), len(made["raft"].seen)) == (3, 1)


def test_a_line_torn_by_a_kill_is_written_again_and_breaks_nothing(tmp_path):
    models, _ = models_of(tmp_path, base=lambda asked: "25")
    models["base"].generate(ASKED, 8)
    (file,) = (tmp_path / "generations").iterdir()
    file.write_bytes(file.read_bytes() + b'{"key": "torn \xc3')
    again, made = models_of(tmp_path, base=lambda asked: "30")
    assert again["base"].generate(ASKED, 8).text == "25"
    again["base"].generate(ASKED, 9)
    last, _ = models_of(tmp_path, base=lambda asked: "never")
    assert last["base"].generate(ASKED, 9).text == "30"


def test_one_model_is_loaded_at_a_time_and_none_before_it_is_needed(tmp_path):
    opened = []

    def opens(name):
        return lambda: opened.append(name) or Says(lambda asked: name)

    models = Models({name: Model(name, opens(name)) for name in ("base", "raft")}, tmp_path)
    assert not opened and "base" in models and "plain" not in models
    for name in ("base", "base", "raft"):
        models[name].generate([Message(role="user", content=f"{len(opened)}")], 8)
    assert opened == ["base", "raft"]


def test_a_model_that_was_not_trained_is_named(tmp_path):
    models, _ = models_of(tmp_path, base=lambda asked: "")
    with pytest.raises(StepError, match="'plain'"):
        models["plain"]
