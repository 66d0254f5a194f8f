"""augment: accepted examples and the index to RAFT conversations (Zhang et al. 2024, arXiv 2403.10131).

Distractors are what our own retriever brings under the audience's access, in the order served. Departs from the paper
where it trains fabrication: a conversation without golden evidence is labelled with abstention, never with a quote.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
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
_NONE: dict[Split, str] = {
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
    with open_index(built, prompt.dense_share) as library:
        writer = Writer(config, prompt, title, _sources(built))
        splits: tuple[Split, ...] = ("train", "dev") if dev else ("train",)
        refused: dict[Split, list[dict[str, str]]] = {split: [] for split in splits}
        kept = {split: _kept(config, examples, split, writer, policies, refused[split]) for split in splits}
        known = _Known(cache, config, prompt, title, sorted(policies), built)
        made = {split: list(_raft_rows(kept[split], writer, library, policies, known)) for split in splits}
    allowed, rows = kept["train"], made["train"]
    write_jsonl(conversations / "raft.jsonl", rows)
    _write_plain(writer, allowed, conversations)
    write_jsonl(conversations / "refused.jsonl", (row for rows in refused.values() for row in rows))
    metrics = _metrics(rows, allowed, refused["train"])
    if dev:
        write_jsonl(conversations / DEV, made["dev"])
        metrics |= {"dev_conversations": float(len(made["dev"])), "dev_refused": float(len(refused["dev"]))}
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
    writer, refused = Writer(config, prompt, title, _sources(passages)), list[dict[str, str]]()
    allowed = _kept(config, examples, "train", writer, policies, refused)
    _write_plain(writer, allowed, conversations)
    return {"examples": float(len(allowed)), "refused": float(len(refused))}


def _accepted(accepted: Path, audience: Sequence[str]) -> tuple[frozenset[str], list[Example]]:
    """The policies that the whole audience may read, and all examples."""
    access = AccessPolicies.model_validate(read_json(accepted / "access.json"))
    examples = [Example.model_validate(row) for _, row in read_jsonl(accepted / "examples.jsonl")]
    return access.readable_by_all(audience), examples


def _write_plain(writer: Writer, allowed: Sequence[Example], conversations: Path) -> None:
    plain = (writer.plain(e) if e.kind == "knowledge" else writer.behaviour(e) for e in allowed)
    write_jsonl(conversations / "plain.jsonl", (c.as_row() for c in plain))


def _kept(
    config: Augment,
    examples: Sequence[Example],
    split: Split,
    writer: Writer,
    policies: frozenset[str],
    refused: list[dict[str, str]],
) -> list[Example]:
    """The examples of a split that may become conversations; there is at least one."""
    chosen = _chosen(config, examples, split)
    allowed = [e for e in chosen if _allowed(e, writer, policies, refused)]
    if not allowed:
        raise DataRejected(_NONE[split].format(len(chosen)), next_step=_advice(refused, split))
    return allowed


def _chosen(config: Augment, examples: Sequence[Example], split: Split) -> list[Example]:
    """One split; behaviour by the spec; knowledge down to the limit, drawn by seed."""
    wanted = [e for e in examples if e.split == split]
    knowledge = [e for e in wanted if e.kind == "knowledge"]
    behaviour = [e for e in wanted if e.kind == "behaviour"] if config.behaviour else []
    if config.max_examples and len(knowledge) > config.max_examples:
        share = config.max_examples / len(knowledge)
        draw = random.Random(config.seed)
        knowledge = draw.sample(knowledge, config.max_examples)
        behaviour = draw.sample(behaviour, round(len(behaviour) * share))
    return sorted([*knowledge, *behaviour], key=lambda e: e.id)


def _allowed(example: Example, writer: Writer, policies: frozenset[str], refused: list[dict[str, str]]) -> bool:
    """Weights remember: every document behind an example must be readable by the whole audience."""
    for evidence in example.evidence:
        source = writer.sources.get(evidence.doc_id)
        if source is None:
            refused.append({"id": example.id, "reason": f"{evidence.doc_id} is not indexed"})
            return False
        if source.policy_id not in policies:
            reason = f"{evidence.doc_id} (policy {source.policy_id}) may not be read by the whole audience"
            refused.append({"id": example.id, "reason": reason})
            return False
    if len(proofs_of(example, writer.sources)) < len(example.evidence):
        refused.append({"id": example.id, "reason": "a quote is not verbatim in its document"})
        return False
    return True


def _sources(parsed: Path) -> dict[str, Source]:
    table = parquet.read_table(parsed / "documents.parquet")
    names = ("doc_id", "version", "title", "uri", "policy_id", "text")
    return {row["doc_id"]: Source(**{n: row[n] for n in names}) for row in table.to_pylist()}


def _raft_rows(
    examples: Sequence[Example], writer: Writer, library: Library, policies: frozenset[str], known: _Known
) -> Iterator[dict[str, Any]]:
    for done, example in enumerate(examples, 1):
        rows = known.get(example)
        if rows is None:
            rows = [c.as_row() for c in _conversations(example, writer, library, policies)]
            known.put(example, rows)
        yield from rows
        if done % 10 == 0 or done == len(examples):
            progress("augment", done, len(examples), "examples")


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


class _Known:
    """Rows already made for this index and these settings; a torn last line of a killed run is dropped."""

    def __init__(self, cache: Path, *settings: Any) -> None:
        *sections, built = settings
        index = read_json(built / "index.json")
        parts = [s.model_dump(mode="json") if hasattr(s, "model_dump") else s for s in sections]
        self._path = cache / "augment" / f"{sha256_json([parts, index.get('collection'), index['built_from']])}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = dict(self._read())

    def _read(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").split("\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            yield row["example"], row["rows"]

    def get(self, example: Example) -> list[dict[str, Any]] | None:
        return self._rows.get(sha256_json(example.model_dump(mode="json")))

    def put(self, example: Example, rows: list[dict[str, Any]]) -> None:
        row = {"example": sha256_json(example.model_dump(mode="json")), "rows": rows}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _metrics(
    rows: Sequence[dict[str, Any]], examples: Sequence[Example], refused: Sequence[dict[str, str]]
) -> dict[str, float]:
    variants = Counter(row["variant"] for row in rows)
    counts = {f"variant_{name}": float(count) for name, count in sorted(variants.items())}
    return counts | {
        "examples": float(len(examples)),
        "conversations": float(len(rows)),
        "refused": float(len(refused)),
    }


def _advice(refused: Sequence[dict[str, str]], split: Split) -> str:
    return refused[0]["reason"] if refused else f"add examples to data.examples, or raise data.splits.{split}"
