import json
import math
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from raftops.cancellation import Cancelled, cancelled_by
from raftops.data.records import Message
from raftops.errors import ModelError
from raftops.generation.openvino import OpenVinoGenerator
from raftops.generation.shape import Shape, one_of, schema_shape, select_over, words_of
from raftops.generation.transformers import TransformersGenerator
from raftops.retrieval.protocols import Generator

ASKED = [Message(role="user", content="Question: How many days of paid leave are there in Spain?")]


class StopsAfter(threading.Event):
    """Is set when it was asked some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.asked = times, 0

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > self.times


class GeneratorContract:
    """What every generator keeps; a random model never ends its turn by itself, so the limit does."""

    def test_the_same_question_gives_the_same_answer(self, generator: Generator) -> None:
        assert generator.generate(ASKED, 12) == generator.generate(ASKED, 12)

    def test_the_limit_is_kept_and_reported(self, generator: Generator) -> None:
        result = generator.generate(ASKED, 5)
        assert result.completion_tokens == 5
        assert not result.stopped

    def test_the_prompt_is_counted_with_its_template(self, generator: Generator) -> None:
        more = [Message(role="system", content="x"), *ASKED]
        assert 0 < generator.generate(ASKED, 1).prompt_tokens != generator.generate(more, 1).prompt_tokens

    def test_the_stream_gives_the_same_text(self, generator: Generator) -> None:
        assert "".join(generator.stream(ASKED, 12)).rstrip("\ufffd") == generator.generate(ASKED, 12).text

    def test_a_stream_can_be_left_and_the_next_question_is_answered(self, generator: Generator) -> None:
        stream = generator.stream(ASKED, 200)
        next(stream)
        stream.close()
        assert generator.generate(ASKED, 3).completion_tokens == 3

    def test_a_reply_that_nobody_wants_is_not_begun(self, generator: Generator) -> None:
        stop = StopsAfter(0)
        with cancelled_by(stop), pytest.raises(Cancelled):
            generator.generate(ASKED, 200)
        assert stop.asked == 1

    def test_a_reply_ends_between_two_tokens_when_nobody_waits_any_more(self, generator: Generator) -> None:
        stop = StopsAfter(5)
        with cancelled_by(stop), pytest.raises(Cancelled):
            generator.generate(ASKED, 200)
        assert 5 < stop.asked < 12
        assert generator.generate(ASKED, 3).completion_tokens == 3

    def test_questions_asked_at_once_get_their_own_answers(self, generator: Generator) -> None:
        asked = [[Message(role="user", content=f"Hotel {i * 'night '}?")] for i in range(4)]
        alone = [generator.generate(messages, 6) for messages in asked]
        together: dict[int, object] = {}
        threads = [
            threading.Thread(target=lambda i=i: together.update({i: generator.generate(asked[i], 6)})) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [together[i] for i in range(4)] == alone

    def test_confidence_is_a_probability(self, generator: Generator) -> None:
        confidence = generator.generate(ASKED, 8).confidence
        assert confidence is not None
        assert 0 < confidence <= 1


class TestOpenVino(GeneratorContract):
    @pytest.fixture(scope="class")
    def generator(self, tiny_gguf: Path) -> OpenVinoGenerator:
        return OpenVinoGenerator(tiny_gguf)

    def test_a_prompt_longer_than_the_model_reads_is_refused(self, generator: OpenVinoGenerator) -> None:
        with pytest.raises(ModelError, match="with 12 to come; the model reads 512"):
            generator.generate([Message(role="user", content="days " * 600)], 12)

    def test_the_first_token_and_its_probability_are_those_of_transformers(
        self, generator: OpenVinoGenerator, tiny: Path
    ) -> None:
        other = TransformersGenerator(tiny, tiny).generate(ASKED, 1)
        own = generator.generate(ASKED, 1)
        assert (own.text, own.prompt_tokens) == (other.text, other.prompt_tokens)
        assert own.confidence is not None
        assert math.isclose(own.confidence, other.confidence or 0, rel_tol=0.2)


class TestTransformers(GeneratorContract):
    @pytest.fixture(scope="class")
    def generator(self, tiny: Path) -> TransformersGenerator:
        return TransformersGenerator(tiny, tiny)

    def test_a_gguf_file_is_a_base_too(self, generator: TransformersGenerator, tiny: Path, tiny_gguf: Path) -> None:
        assert TransformersGenerator(tiny_gguf, tiny).generate(ASKED, 2).text == generator.generate(ASKED, 2).text

    def test_a_folder_without_a_model_is_named(self, tiny: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="transformers cannot load it"):
            TransformersGenerator(tmp_path, tiny)


def test_the_serving_engine_imports_neither_torch_nor_transformers() -> None:
    code = "import sys, raftops.generation.openvino; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_serving_engine_loads_from_a_read_only_mount(tiny_gguf: Path, tmp_path: Path) -> None:
    inside = f"mount --bind {tiny_gguf.parent} {tmp_path} && mount -o remount,bind,ro {tmp_path} && exec"
    if subprocess.run(["unshare", "-rm", "sh", "-c", f"{inside} true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount of its own for a process here (needs user namespaces)")
    code = (
        "import sys; from pathlib import Path; from raftops.generation.openvino import OpenVinoGenerator; "
        "from raftops.data.records import Message; "
        "print(OpenVinoGenerator(Path(sys.argv[1])).generate([Message(role='user', content='Hello')], 3))"
    )
    command = f'{inside} "{sys.executable}" -c "$0" "{tmp_path / tiny_gguf.name}"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command, code], capture_output=True, text=True, check=False)
    assert "completion_tokens=3" in done.stdout, done.stderr


SCHEMA = {"type": "object", "properties": {"type": {"enum": ["annual", "sick"]}}, "required": ["type"]}


class TestHeld:
    """A random model says nothing by itself: what is right here is the engine's holding."""

    @pytest.fixture(scope="class")
    def generator(self, tiny_gguf: Path) -> OpenVinoGenerator:
        return OpenVinoGenerator(tiny_gguf, words=True)

    def test_one_of_some_texts(self, generator: OpenVinoGenerator) -> None:
        assert generator.generate_held(ASKED, 40, one_of([' "2026-05-04"', ' "2026-05-08"'])).text in (
            ' "2026-05-04"', ' "2026-05-08"',
        )  # fmt: skip

    def test_what_is_begun_is_not_said_again(self, generator: OpenVinoGenerator) -> None:
        assert generator.generate_held(ASKED, 40, one_of([" yes"], begun="Well,")).text == " yes"

    def test_a_json_schema(self, generator: OpenVinoGenerator) -> None:
        closed = SCHEMA | {"additionalProperties": False}
        assert json.loads(generator.generate_held(ASKED, 60, schema_shape(closed)).text)["type"] in ("annual", "sick")

    def test_words_of_a_text_in_a_row(self, generator: OpenVinoGenerator) -> None:
        said = json.loads(generator.generate_held(ASKED, 60, words_of('Say "hello" to all')).text)
        assert said and f" {said} " in ' Say "hello" to all '

    def test_a_query_over_some_names(self, generator: OpenVinoGenerator) -> None:
        said = generator.generate_held(ASKED, 60, select_over(["city", "name"])).text
        assert said.startswith("SELECT ")

    def test_a_free_answer_is_the_same_as_without_words(self, generator: OpenVinoGenerator, tiny_gguf: Path) -> None:
        assert generator.generate(ASKED, 8).text == OpenVinoGenerator(tiny_gguf).generate(ASKED, 8).text

    def test_a_grammar_that_the_engine_does_not_read_is_said(self, generator: OpenVinoGenerator) -> None:
        with pytest.raises(ModelError, match="cannot hold a reply to this grammar"):
            generator.generate_held(ASKED, 8, Shape("grammar", "root ::= nowhere"))
