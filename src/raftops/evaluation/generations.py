"""Models by name, one loaded at a time and none before it is needed; what they wrote is kept between runs.

A killed evaluation goes on where it was, and a model that did not change is not asked the same thing again.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raftops.data.records import Generation, Message
from raftops.errors import StepError
from raftops.files import sha256_json
from raftops.generation.shape import Held, Shape
from raftops.retrieval.protocols import Generator


@dataclass(frozen=True)
class Timed:
    """A generation and the seconds it took when it was made."""

    generation: Generation
    seconds: float


@dataclass(frozen=True)
class Model:
    """A model that can be loaded: what it is (a digest of weights and engine) and how it is opened."""

    digest: str
    open: Callable[[], Generator]
    holds: bool = False
    """Whether its replies can be held to a shape."""


class Models:
    """Models by name (`base`, `plain`, `raft`) that remember what they wrote; one is loaded at a time."""

    def __init__(self, models: Mapping[str, Model], cache: Path) -> None:
        self._models = models
        self._loaded: tuple[str, Generator] | None = None
        self._known = {name: self._remembered(name, model, cache) for name, model in models.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._models

    def __getitem__(self, name: str) -> Remembered:
        """A model with its memory."""
        if name not in self._known:
            raise StepError(f"the step train left no model {name!r}", next_step="run the train step again")
        return self._known[name]

    def _remembered(self, name: str, model: Model, cache: Path) -> Remembered:
        path = cache / "generations" / f"{model.digest}.jsonl"
        return Remembered(path, lambda: self._load(name), model.holds)

    def _load(self, name: str) -> Generator:
        if self._loaded is None or self._loaded[0] != name:
            if self._loaded is not None:
                self._loaded = None
                gc.collect()  # the memory of one model, before the next
            self._loaded = (name, self._models[name].open())
        return self._loaded[1]


class Remembered:
    """A `Generator` that keeps what it wrote in a file of JSON Lines; a torn last line of a killed run is dropped."""

    def __init__(self, path: Path, load: Callable[[], Generator], holds: bool = False) -> None:
        self.holds = holds
        self.spent = 0.0
        """Seconds of everything it gave, as they were when it was made."""
        self._path, self._load = path, load
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = {row["key"]: row for row in self._read()}
        self._end_last_line()

    def timed(self, messages: Sequence[Message], max_new_tokens: int) -> Timed:
        """The answer and how long it took to make."""
        asked = [[m.model_dump() for m in messages], max_new_tokens]
        return self._made(asked, lambda generator: generator.generate(messages, max_new_tokens))

    def generate(self, messages: Sequence[Message], max_new_tokens: int) -> Generation:
        """Greedy decoding, or what it gave before."""
        return self.timed(messages, max_new_tokens).generation

    def generate_held(self, messages: Sequence[Message], max_new_tokens: int, shape: Shape) -> Generation:
        """What a shape allows, or what it gave before."""

        def make(generator: Generator) -> Generation:
            if not isinstance(generator, Held):
                raise StepError(
                    "this model's engine cannot hold a reply to a format", next_step="say so in its `Model`"
                )
            return generator.generate_held(messages, max_new_tokens, shape)

        asked = [[m.model_dump() for m in messages], max_new_tokens, asdict(shape)]
        return self._made(asked, make).generation

    def _made(self, asked: Any, make: Callable[[Generator], Generation]) -> Timed:
        key = sha256_json(asked)
        if key not in self._known:
            generator = self._load()
            started = time.perf_counter()
            made = make(generator)
            self._keep({"key": key, "seconds": round(time.perf_counter() - started, 4), "generation": asdict(made)})
        row = self._known[key]
        self.spent += row["seconds"]
        return Timed(Generation(**row["generation"]), row["seconds"])

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """The same text, in one piece."""
        yield self.generate(messages, max_new_tokens).text

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and {"key", "seconds", "generation"} <= row.keys():
                yield row

    def _end_last_line(self) -> None:
        with self._path.open("ab+") as file:
            if file.seek(0, 2):
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def _keep(self, row: dict[str, Any]) -> None:
        self._known[row["key"]] = row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
