"""augment: accepted examples and the index to RAFT conversations (Zhang et al. 2024, arXiv 2403.10131).

Distractors are what our own retriever returns under the audience's access, in the order served. Departs from the paper
where it trains fabrication: a conversation without golden evidence is labelled with abstention, never with a quote.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from raftops.access import AccessPolicies
from raftops.answer.answering import Library, gather
from raftops.data.records import Example, Split
from raftops.errors import DataRejected
from raftops.files import read_json, read_jsonl, sha256_json, write_json, write_jsonl
from raftops.progress import progress
from raftops.raftdata.conversations import Conversation, Writer
from raftops.raftdata.golden import Source, proofs_of
from raftops.retrieval.hybrid import open_index
from raftops.spec.model.learning import Augment, Prompt

EXTRA = 3
"""Passages and units fetched beyond those served, so that enough distractors stay when copies are taken out."""
DEV = "dev.jsonl"
_NONE_LEFT: dict[Split, str] = {
    "train": "no training example is left of {}", "dev": "no example of the dev split is left of {} to choose by",
}  # fmt: skip


def augment(  # noqa: PLR0913  one argument per artifact
    config: Augment,
    prompt: Prompt,
    title: str,
    audience: Sequence[str],
    accepted: Path,
    built: Path,
    conversations: Path,
    cache: Path,
    dev: bool = False,
) -> dict[str, float]:
    """Write `raft.jsonl`, `plain.jsonl` and `refused.jsonl`. Finished examples are kept in `cache` and not redone.

    With `dev` also `dev.jsonl`: the RAFT conversations of the dev split, under the same rules, to choose adapters by.

    Raises:
        DataRejected: no example is left to train on, or to choose by.
    """
    policies, examples = _accepted(accepted, audience)
    splits: tuple[Split, ...] = ("train", "dev") if dev else ("train",)
    with open_index(built, prompt.dense_share) as library:
        writer = Writer(config, prompt, title, _sources(built))
        # Both splits are chosen before a row is made: one that is empty ends the step before hours of work.
        chosen = {split: _choose(config, examples, split, writer, policies) for split in splits}
        finished = _Finished(cache, built, _Settings(config, prompt, title, policies))
        rows = {split: _raft_rows(chosen[split].allowed, writer, library, policies, finished) for split in splits}
    train = chosen["train"]
    write_jsonl(conversations / "raft.jsonl", rows["train"])
    _write_plain(writer, train.allowed, conversations)
    write_jsonl(conversations / "refused.jsonl", (row for split in splits for row in chosen[split].refused))
    variants = Counter(row["variant"] for row in rows["train"])
    metrics = {f"variant_{name}": float(count) for name, count in sorted(variants.items())} | {
        "examples": float(len(train.allowed)),
        "conversations": float(len(rows["train"])),
        "refused": float(len(train.refused)),
    }
    if dev:
        write_jsonl(conversations / DEV, rows["dev"])
        metrics |= {"dev_conversations": float(len(rows["dev"])), "dev_refused": float(len(chosen["dev"].refused))}
    write_json(conversations / "augment.json", metrics | {"audience": list(audience), "policies": sorted(policies)})
    return metrics


def augment_plain(  # noqa: PLR0913  one argument per artifact
    config: Augment,
    prompt: Prompt,
    title: str,
    audience: Sequence[str],
    accepted: Path,
    passages: Path,
    conversations: Path,
) -> dict[str, float]:
    """Write the `plain.jsonl` that `augment` writes, too. It shows no passages, so that nothing has to be indexed.

    Raises:
        DataRejected: no example is left to train on.
    """
    policies, examples = _accepted(accepted, audience)
    writer = Writer(config, prompt, title, _sources(passages))
    chosen = _choose(config, examples, "train", writer, policies)
    _write_plain(writer, chosen.allowed, conversations)
    return {"examples": float(len(chosen.allowed)), "refused": float(len(chosen.refused))}


def _accepted(accepted: Path, audience: Sequence[str]) -> tuple[frozenset[str], list[Example]]:
    """The policies that the whole audience may read, and all examples."""
    access = AccessPolicies.model_validate(read_json(accepted / "access.json"))
    examples = [Example.model_validate(row) for _, row in read_jsonl(accepted / "examples.jsonl")]
    return access.readable_by_all(audience), examples


def _write_plain(writer: Writer, allowed: Sequence[Example], conversations: Path) -> None:
    plain = (writer.plain(e) if e.kind == "knowledge" else writer.behaviour(e) for e in allowed)
    write_jsonl(conversations / "plain.jsonl", (c.as_row() for c in plain))


@dataclass(frozen=True)
class _Chosen:
    """The examples of a split that become conversations, and those that may not, each with its reason."""

    allowed: list[Example]
    refused: list[dict[str, str]]


def _choose(
    config: Augment, examples: Sequence[Example], split: Split, writer: Writer, policies: frozenset[str]
) -> _Chosen:
    """One split: behaviour if the spec wants it, knowledge up to its limit, drawn by seed; at least one is allowed."""
    wanted = [e for e in examples if e.split == split]
    knowledge = [e for e in wanted if e.kind == "knowledge"]
    behaviour = [e for e in wanted if e.kind == "behaviour"] if config.behaviour else []
    if config.max_examples and len(knowledge) > config.max_examples:
        share = config.max_examples / len(knowledge)
        draw = random.Random(config.seed)
        knowledge = draw.sample(knowledge, config.max_examples)
        behaviour = draw.sample(behaviour, round(len(behaviour) * share))

    drawn = sorted([*knowledge, *behaviour], key=lambda e: e.id)
    reasons = {e.id: reason for e in drawn if (reason := _refusal(e, writer.sources, policies))}
    chosen = _Chosen(
        [e for e in drawn if e.id not in reasons], [{"id": i, "reason": reason} for i, reason in reasons.items()]
    )
    if not chosen.allowed:
        advice = f"add examples to data.examples, or raise data.splits.{split}"
        raise DataRejected(_NONE_LEFT[split].format(len(drawn)), next_step=next(iter(reasons.values()), advice))
    return chosen


def _refusal(example: Example, sources: dict[str, Source], policies: frozenset[str]) -> str:
    """Why it may not be trained on. Weights remember: the whole audience must be able to read its documents."""
    for evidence in example.evidence:
        source = sources.get(evidence.doc_id)
        if source is None:
            return f"{evidence.doc_id} is not indexed"
        if source.policy_id not in policies:
            return f"{evidence.doc_id} (policy {source.policy_id}) may not be read by the whole audience"
    if len(proofs_of(example, sources)) < len(example.evidence):
        return "a quote is not verbatim in its document"
    return ""


def _sources(parsed: Path) -> dict[str, Source]:
    table = parquet.read_table(parsed / "documents.parquet")
    names = ("doc_id", "version", "title", "uri", "policy_id", "text")
    return {row["doc_id"]: Source(**{n: row[n] for n in names}) for row in table.to_pylist()}


def _raft_rows(
    examples: Sequence[Example], writer: Writer, library: Library, policies: frozenset[str], finished: _Finished
) -> list[dict[str, Any]]:
    """The conversations of all examples, in their order; each example is kept as soon as it is finished."""
    rows = []
    for done, example in enumerate(examples, 1):
        known = finished.get(example)
        if known is None:
            known = [c.as_row() for c in _conversations(example, writer, library, policies)]
            finished.put(example, known)
        rows += known
        if done % 10 == 0 or done == len(examples):
            progress("augment", done, len(examples), "examples")
    return rows


def _conversations(
    example: Example, writer: Writer, library: Library, policies: frozenset[str]
) -> Iterator[Conversation]:
    if example.kind == "behaviour":
        yield writer.behaviour(example)
        return
    served = writer.prompt
    wider = served.model_copy(update={"passages": served.passages + EXTRA, "units": served.units + EXTRA})
    units = gather(library, example.asked, policies, wider)
    if example.unanswerable:
        yield writer.abstaining(example, units[: served.units])
    else:
        yield from writer.knowledge(example, units, proofs_of(example, writer.sources))


@dataclass(frozen=True)
class _Settings:
    """What a conversation depends on, beside its example and the index."""

    config: Augment
    prompt: Prompt
    title: str
    policies: frozenset[str]

    def as_json(self) -> list[Any]:
        """For the key of the cache."""
        config, prompt = self.config.model_dump(mode="json"), self.prompt.model_dump(mode="json")
        return [config, prompt, self.title, sorted(self.policies)]


class _Finished:
    """The rows of each example that was finished before, for this index and these settings, in a file of the cache."""

    def __init__(self, cache: Path, built: Path, settings: _Settings) -> None:
        index = read_json(built / "index.json")
        key = sha256_json([settings.as_json(), index.get("collection"), index["built_from"]])
        self._path = cache / "augment" / f"{key}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, list[dict[str, Any]]] = {}
        lines = self._path.read_text(encoding="utf-8").split("\n") if self._path.is_file() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # a run was killed while it wrote this line
            self._rows[row["example"]] = row["rows"]

    def get(self, example: Example) -> list[dict[str, Any]] | None:
        """The rows of an example, if it was finished."""
        return self._rows.get(sha256_json(example.model_dump(mode="json")))

    def put(self, example: Example, rows: list[dict[str, Any]]) -> None:
        """Add the rows of an example to the file."""
        row = {"example": sha256_json(example.model_dump(mode="json")), "rows": rows}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
