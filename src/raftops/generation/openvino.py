"""Generation on a CPU by openvino-genai over a GGUF that the step train wrote.

The text is made by our own template and tokenizer and handed over as token ids, so the file's template cannot add a
turn. One generation at a time; others wait. Adapters are not applied here: they are merged into the file.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai
from tokenizers.decoders import DecodeStream

from raftops.cancellation import check, watch
from raftops.data.records import Generation, Message
from raftops.errors import ModelError
from raftops.generation.header import read_header
from raftops.generation.shape import Shape
from raftops.generation.stream import Emit, pieces
from raftops.generation.tokens import ChatTokenizer


class OpenVinoGenerator:
    """A `Generator` over one GGUF file."""

    holds = True

    def __init__(self, gguf: Path, threads: int = 0, words: bool = False) -> None:
        """Load a served GGUF; `threads` 0 takes all. `words` loads at once what holding a reply to a shape needs."""
        started = time.perf_counter()
        self.tokenizer = ChatTokenizer.of(gguf)
        self.context = _context(gguf)
        self._properties = {"INFERENCE_NUM_THREADS": threads} if threads else {}
        self._gguf, self._knows_words = gguf, words
        self._pipeline: Any = _load(gguf, self._properties, words)
        self._turn = Lock()
        self.load_seconds = time.perf_counter() - started
        """Seconds that loading took."""

    def generate(self, messages: Sequence[Message], max_new_tokens: int) -> Generation:
        """Greedy decoding to the end of the turn or the limit; confidence is the geometric mean token probability."""
        prompt = self._prompt(messages, max_new_tokens)
        with self._turn:
            result = self._wanted(prompt, max_new_tokens)
        return self._generation(prompt, result)

    def generate_held(self, messages: Sequence[Message], max_new_tokens: int, shape: Shape) -> Generation:
        """Greedy decoding of what a shape allows, behind what it says is begun; the text is what was added."""
        prompt = self._prompt(messages, max_new_tokens, shape.begun)
        with self._turn:
            self._know_words()
            try:
                result = self._wanted(prompt, max_new_tokens, shape)
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise ModelError(f"the engine cannot hold a reply to this {shape.kind} ({reason})") from error
        return self._generation(prompt, result)

    def _know_words(self) -> None:
        """Load the model with its words, which the engine has to know to hold a reply to a shape: seconds, once."""
        if not self._knows_words:
            self._pipeline = None  # the memory of one model
            self._pipeline = _load(self._gguf, self._properties, words=True)
            self._knows_words = True

    def _generation(self, prompt: Sequence[int], result: genai.EncodedResults) -> Generation:
        tokens = list(result.tokens[0])
        return Generation(
            text=self.tokenizer.decode(tokens),
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
            stopped=bool(tokens) and tokens[-1] in self.tokenizer.stop_ids,
            confidence=math.exp(result.scores[0] / len(tokens)) if tokens else None,
        )

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """The same text, piece by piece; closing the iterator stops the engine."""
        prompt = self._prompt(messages, max_new_tokens)

        def produce(emit: Emit) -> None:
            with self._turn:
                if not emit(""):
                    self._run(prompt, max_new_tokens, _Pieces(self.tokenizer, emit))

        return pieces(produce)

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return self.tokenizer.count_tokens(text)

    def _prompt(self, messages: Sequence[Message], max_new_tokens: int, begun: str = "") -> list[int]:
        ids = self.tokenizer.prompt_ids(messages) + self.tokenizer.encode(begun)
        if len(ids) + max_new_tokens > self.context:
            raise ModelError(
                f"the prompt has {len(ids)} tokens, with {max_new_tokens} to come; the model reads {self.context}",
                next_step="lower prompt.evidence_tokens or prompt.units, or send a shorter conversation",
            )
        return ids

    def _wanted(self, prompt: list[int], max_new_tokens: int, shape: Shape | None = None) -> genai.EncodedResults:
        """A whole reply, unless it is cancelled: before it is begun, or between two tokens."""
        check()
        result = self._run(prompt, max_new_tokens, _Watched(watch()), shape)
        check()
        return result

    def _run(
        self, prompt: list[int], max_new_tokens: int, streamer: genai.StreamerBase | None, shape: Shape | None = None
    ) -> genai.EncodedResults:
        config = genai.GenerationConfig()
        config.max_new_tokens = max_new_tokens
        config.do_sample = False
        config.logprobs = 1
        config.eos_token_id = min(self.tokenizer.stop_ids)
        config.stop_token_ids = set(self.tokenizer.stop_ids)
        if shape:
            config.structured_output_config = genai.StructuredOutputConfig(**{shape.kind: shape.text})
        return self._pipeline.generate(ov.Tensor(np.array([prompt], dtype=np.int64)), config, streamer)


def _load(gguf: Path, properties: dict[str, int], words: bool = False) -> genai.LLMPipeline:
    """The engine gets an empty tokenizer: prompts are token ids, and to make one of the file took 4.1 of 6.6 s.

    With `words` it makes one, to know which tokens a shape allows.
    """
    with TemporaryDirectory(prefix="raftops-model-") as place:
        (empty := Path(place, "tokenizer")).mkdir()
        if not os.access(gguf, os.W_OK):  # the engine opens it for writing, and writes nothing
            gguf = Path(shutil.copyfile(gguf, Path(place, gguf.name)))
        try:
            tokenizer = () if words else (genai.Tokenizer(os.fspath(empty)),)
            return genai.LLMPipeline(os.fspath(gguf), *tokenizer, "CPU", **properties)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"{gguf}: openvino-genai cannot load it ({reason})") from error


class _Watched(genai.StreamerBase):
    """Looks after each token whether the reply is still wanted."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        super().__init__()
        self._cancelled = cancelled

    def write(self, token: int | Sequence[int]) -> genai.StreamingStatus:
        return genai.StreamingStatus.CANCEL if self._cancelled() else genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Nothing is held back."""


class _Pieces(genai.StreamerBase):
    """Token ids to whole characters, handed on until nobody listens."""

    def __init__(self, tokenizer: ChatTokenizer, emit: Emit) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._emit: Callable[[str], bool] = emit
        self._decoder = DecodeStream(skip_special_tokens=True)

    def write(self, token: int | Sequence[int]) -> genai.StreamingStatus:
        ids = [token] if isinstance(token, int) else list(token)
        steps = [self._decoder.step(self._tokenizer.tokenizer, i) or "" for i in ids]
        return genai.StreamingStatus.CANCEL if self._emit("".join(steps)) else genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Nothing is held back: a character that never became whole is not text."""


def _context(gguf: Path) -> int:
    architecture = read_header(gguf, {"general.architecture"}).get("general.architecture", "llama")
    key = f"{architecture}.context_length"
    return int(read_header(gguf, {key}).get(key, 2048))
