"""Passages to evidence: the sentences, list items and table rows that the model reads, best first, within a budget.

Scores are a weighted sum of likeness to the question (dense), words shared with it (stemmed, weighted by how rare they
are among the candidates) and the passage's own score. The weights are not tuned: a grid over NQ-open-oracle found none
that is better on questions it was not chosen on (`benchmarks/evidence.py`). A re-ranker, where there is one, reads the
first candidates again, and its logit counts beside the score.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from raftops.answer.conflicts import asks_only
from raftops.answer.orders import order_in
from raftops.answer.prompt import evidence_block
from raftops.cancellation import check
from raftops.data.records import Hit, Locator, Passage, Unit
from raftops.retrieval.bm25 import term_ids
from raftops.retrieval.memo import of_units
from raftops.retrieval.protocols import Embedder, Reranker
from raftops.spec.model.learning import Prompt

Signals = npt.NDArray[np.float64]
LEAST_WORDS = 3
"""A shorter span never stands alone."""


@dataclass(frozen=True)
class Weights:
    """How much each signal counts."""

    dense: float = 1.0
    words: float = 0.4
    passage: float = 0.3


WEIGHTS = Weights()


def select_units(  # noqa: PLR0913  what is asked, what was found, and what ranks and counts it
    question: str,
    hits: Sequence[Hit],
    embedder: Embedder,
    prompt: Prompt,
    count_tokens: Callable[[str], int],
    weights: Weights = WEIGHTS,
    reranker: Reranker | None = None,
) -> list[Unit]:
    """At most `prompt.units` units in `prompt.evidence_tokens`, numbered from 1, best first; no two read the same."""
    return within_budget(candidate_units(question, hits, embedder, prompt, weights, reranker), prompt, count_tokens)


def candidate_units(  # noqa: PLR0913  as `select_units`, without what counts tokens
    question: str,
    hits: Sequence[Hit],
    embedder: Embedder,
    prompt: Prompt,
    weights: Weights = WEIGHTS,
    reranker: Reranker | None = None,
) -> list[Unit]:
    """Every unit of what was found, best first, not numbered; no two read the same."""
    if prompt.evidence == "passages":
        return _distinct(_unit(h, h.passage.start, h.passage.end, h.passage.locator) for h in hits)
    ranked = _distinct(rank_units(question, hits, embedder, weights, prompt.language))
    if reranker:
        ranked = reranked(question, ranked, prompt.candidates, reranker)
    return sorted(ranked, key=asks_only)  # a question that repeats the asker's is no answer to it


def within_budget(ranked: Iterable[Unit], prompt: Prompt, count_tokens: Callable[[str], int]) -> list[Unit]:
    """The first units that fit in what the model may read, numbered from 1."""
    chosen: list[Unit] = []
    left = prompt.evidence_tokens
    for unit in ranked:
        tokens = count_tokens(evidence_block([unit]) + "\n")
        if tokens <= left:
            chosen.append(replace(unit, number=len(chosen) + 1))
            left -= tokens
        if len(chosen) == prompt.units:
            break
    return chosen


def reranked(question: str, ranked: Sequence[Unit], candidates: int, reranker: Reranker) -> list[Unit]:
    """The first candidates by their score and the re-ranker's logit together; the others stay behind, as they were."""
    check()  # reading again takes as long as everything before it
    first = ranked[:candidates]
    logits = reranker.score(question, [unit_line(unit) for unit in first])
    read = [replace(unit, rerank=float(logit)) for unit, logit in zip(first, logits, strict=True)]
    both = [unit.score + reranker.mix * float(logit) for unit, logit in zip(first, logits, strict=True)]
    return [read[i] for i in sorted(range(len(read)), key=lambda i: -both[i])] + list(ranked[candidates:])


def _distinct(units: Iterable[Unit]) -> list[Unit]:
    """The units with a text, without those that read like one before; none is numbered yet."""
    lines: dict[str, Unit] = {}
    for unit in units:
        if unit.text.strip():
            lines.setdefault(evidence_block([unit]), unit)
    return list(lines.values())


def rank_units(
    question: str, hits: Sequence[Hit], embedder: Embedder, weights: Weights = WEIGHTS, language: str = "english"
) -> list[Unit]:
    """Every candidate with its score, best first; ties keep the order of retrieval."""
    units, signals = unit_signals(question, hits, embedder, language)
    scores = signals @ np.array([weights.dense, weights.words, weights.passage])
    scored = [replace(unit, score=float(score)) for unit, score in zip(units, scores, strict=True)]
    return sorted(scored, key=lambda u: -u.score)


def unit_signals(
    question: str, hits: Sequence[Hit], embedder: Embedder, language: str = "english"
) -> tuple[list[Unit], Signals]:
    """Every candidate, and a row for each: likeness, shared words, passage score."""
    found = [(unit, hit.score) for hit in hits for unit in _answering(hit)]
    if not found:
        return [], np.zeros((0, 3))
    read = [_read(unit) for unit, _ in found]
    asked, vectors = embedder.embed([question])[0], of_units(embedder).embed(read)
    columns = [vectors @ asked, _shared_words(question, read, language), [score for _, score in found]]
    return [unit for unit, _ in found], np.array(columns, dtype=np.float64).T


def _answering(hit: Hit) -> list[Unit]:
    """The candidates of a passage that may be shown: none from where the text gives orders to the assistant on."""
    order, passage = order_in(hit.passage.text), hit.passage
    return [unit for unit in _units(hit) if order < 0 or unit.end <= passage.start + order]


def units_of(passage: Passage) -> list[Unit]:
    """The candidates that a passage holds, not numbered."""
    return list(_units(Hit(passage, 0.0)))


def unit_texts(passage: Passage) -> list[str]:
    """What is embedded of each candidate that a passage holds."""
    return [_read(unit) for unit in _units(Hit(passage, 0.0))]


def unit_line(unit: Unit) -> str:
    """What a re-ranker reads of a candidate: `heading (table header): text`, in one line."""
    header = f" ({unit.locator.table_header})" if unit.locator.table_header else ""
    return f"{unit.heading}{header}: {' '.join(unit.text.split())}"


def _read(unit: Unit) -> str:
    return f"{unit.heading}: {' '.join(unit.text.split())}"


def _shared_words(question: str, texts: Sequence[str], language: str) -> list[float]:
    """For each text the share of the question's words that it has, by rarity among the texts; 0 to 1."""
    asked = set(term_ids(question, language))
    have = [asked & set(term_ids(text, language)) for text in texts]
    frequency = Counter(word for words in have for word in words)
    rarity = {word: math.log(1 + len(texts) / (1 + frequency[word])) for word in asked}
    total = sum(rarity.values()) or 1.0
    return [sum(rarity[w] for w in sorted(words)) / total for words in have]


def _units(hit: Hit) -> Iterator[Unit]:
    for start, end, locator in _spans(hit.passage):
        yield _unit(hit, start, end, locator)


def _unit(hit: Hit, start: int, end: int, locator: Locator) -> Unit:
    p = hit.passage
    return Unit(
        number=0,
        text=p.text[start - p.start : end - p.start],
        doc_id=p.doc_id,
        version=p.version,
        title=p.title,
        uri=p.uri,
        policy_id=p.policy_id,
        start=start,
        end=end,
        locator=locator,
        score=hit.score,
        passage_id=p.passage_id,
    )


def _spans(passage: Passage) -> list[tuple[int, int, Locator]]:
    """The spans; one of fewer than three words is joined to the next, or to the one before where it is the last."""
    joined: list[tuple[int, int, Locator]] = []
    short = False
    for span in passage.spans:
        if short:
            start, _, _ = joined.pop()
            joined.append((start, span.end, span.locator))
        else:
            joined.append((span.start, span.end, span.locator))
        start, end, _ = joined[-1]
        short = len(passage.text[start - passage.start : end - passage.start].split()) < LEAST_WORDS
    if short and len(joined) > 1:
        _, end, _ = joined.pop()
        start, _, locator = joined.pop()
        joined.append((start, end, locator))
    return joined or [(passage.start, passage.end, passage.locator)]
