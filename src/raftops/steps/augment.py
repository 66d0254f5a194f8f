"""augment: accepted examples and the index to RAFT conversations (Zhang et al. 2024, arXiv 2403.10131).

Distractors are what our own retriever returns under the audience's access; half of the conversations show them in the
order served, half in one drawn for each, so that a number is not learned for its place. Departs from the paper where it
trains fabrication: a conversation without golden evidence is labelled with abstention, never with a quote.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from raftops.access import AccessPolicies
from raftops.answer.answering import Library, gather
from raftops.answer.evidence import select_units
from raftops.data.records import Example, Locator, Split, Unit
from raftops.errors import DataRejected
from raftops.files import read_json, read_jsonl, sha256_json, write_json, write_jsonl
from raftops.progress import progress
from raftops.raftdata.choices import FILE as CHOICES
from raftops.raftdata.choices import SPLITS, Chooser
from raftops.raftdata.conversations import Draft, Writer
from raftops.raftdata.golden import Source, proofs_of
from raftops.raftdata.near_miss import Vocabulary, answering, near_misses, search_without
from raftops.raftdata.order import arranged, golden_first
from raftops.raftdata.rehearsal import rehearsals_for
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.memo import one_turn
from raftops.spec.model.learning import Augment, Prompt

FORMAT = 2
"""Raised when what is kept of a finished example changes."""
EXTRA = 3
"""Passages and units fetched beyond those served, so that enough distractors stay when copies are taken out."""
UNANSWERABLE_SHARE, LEAST_UNANSWERABLE = 0.15, 8
"""Most unanswerable examples that are trained on, of the answerable ones: more teach to decline, not to read. So many
at least."""
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
    base: str = "",
) -> dict[str, float]:
    """Write `raft.jsonl`, `plain.jsonl`, `choices.jsonl` and `refused.jsonl`. What is finished is kept in `cache`.

    With `dev` also `dev.jsonl`: the RAFT conversations of the dev split, under the same rules, to choose adapters by.
    `base` is the model to be trained, as the spec names it: what is rehearsed has to be its own. Without any example
    the files are empty, and the step train trains nothing.

    Raises:
        DataRejected: there are examples, and none is left to train on; or none to choose by.
    """
    policies, examples = _accepted(accepted, audience)
    if not examples and not dev:
        return _from_nothing(prompt, audience, policies, conversations)
    splits: tuple[Split, ...] = ("train", "dev") if dev else ("train",)
    with open_index(built, prompt.dense_share) as library, one_turn():
        writer = Writer(config, prompt, title, _sources(built))
        # Both splits are chosen before a row is made: one that is empty ends the step before hours of work.
        chosen = {split: _choose(config, examples, split, writer, policies) for split in splits}
        finished = _Finished(cache, built, writer, policies)
        finder = _Finder(writer, library, policies)
        found = {split: finder.found(chosen[split].allowed, finished) for split in splits}
        choices = finder.choices(examples, cache / "choices", finished.index)
    write_jsonl(conversations / CHOICES, choices)
    rows, first = {}, {}
    for split in splits:
        rows[split], first[split] = _written(chosen[split].allowed, found[split], writer)
    train, rehearsed = chosen["train"], rehearsals_for(base, config.rehearsal)
    rows["train"] += [writer.rehearsal(one).as_row() for one in rehearsed]
    if config.rehearsal and not rehearsed:
        progress("augment", 1, 1, f"no rehearsal: there are no answers of {base or 'this base'} against forgetting")
    write_jsonl(conversations / "raft.jsonl", rows["train"])
    _write_plain(writer, train.allowed, conversations)
    write_jsonl(conversations / "refused.jsonl", (row for split in splits for row in chosen[split].refused))
    variants = Counter(row["variant"] for row in rows["train"])
    metrics = (
        {f"variant_{name}": float(count) for name, count in sorted(variants.items())}
        | {
            "examples": float(len(train.allowed)),
            "conversations": float(len(rows["train"])),
            "refused": float(len(train.refused)),
            "golden_first": round(first["train"], 4),
        }
        | {f"choices_{kind}": float(n) for kind, n in sorted(Counter(row["kind"] for row in choices).items())}
    )
    if dev:
        write_jsonl(conversations / DEV, rows["dev"])
        metrics |= {"dev_conversations": float(len(rows["dev"])), "dev_refused": float(len(chosen["dev"].refused))}
    write_json(conversations / "augment.json", metrics | _about(prompt, audience, policies))
    return metrics


def _from_nothing(
    prompt: Prompt, audience: Sequence[str], policies: frozenset[str], conversations: Path
) -> dict[str, float]:
    """What there is to learn from no example: empty files of every kind."""
    for name in ("raft.jsonl", "plain.jsonl", CHOICES, "refused.jsonl"):
        write_jsonl(conversations / name, ())
    progress("augment", 1, 1, "no examples: nothing is trained, answers are quotes")
    metrics = {"examples": 0.0, "conversations": 0.0, "refused": 0.0}
    write_json(conversations / "augment.json", metrics | _about(prompt, audience, policies))
    return metrics


def _about(prompt: Prompt, audience: Sequence[str], policies: frozenset[str]) -> dict[str, Any]:
    """What later steps have to know of the rows."""
    shown = {name: getattr(prompt, name) for name in ("units", "evidence_tokens", "candidates")}
    return {"audience": list(audience), "policies": sorted(policies), "shown": shown}


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
    draw = random.Random(config.seed)
    knowledge = _knowledge(config, examples, split, draw)
    behaviour = [e for e in examples if e.split == split and e.kind == "behaviour"] if config.behaviour else []
    there = sum(e.split == split and e.kind == "knowledge" for e in examples)
    if len(knowledge) < there:
        behaviour = draw.sample(behaviour, round(len(behaviour) * len(knowledge) / there))

    drawn = sorted([*knowledge, *behaviour], key=lambda e: e.id)
    reasons = {e.id: reason for e in drawn if (reason := _refusal(e, writer.sources, policies))}
    chosen = _Chosen(
        [e for e in drawn if e.id not in reasons], [{"id": i, "reason": reason} for i, reason in reasons.items()]
    )
    if not chosen.allowed:
        advice = f"add examples to data.examples, or raise data.splits.{split}"
        raise DataRejected(_NONE_LEFT[split].format(len(drawn)), next_step=next(iter(reasons.values()), advice))
    return chosen


def _knowledge(config: Augment, examples: Sequence[Example], split: Split, draw: random.Random) -> list[Example]:
    """The knowledge examples of a split, up to the limit of the spec; of unanswerable ones no more than a share."""
    found = [e for e in examples if e.split == split and e.kind == "knowledge"]
    unanswerable = [e for e in found if e.unanswerable]
    few = max(LEAST_UNANSWERABLE, round(UNANSWERABLE_SHARE * (len(found) - len(unanswerable))))
    if few < len(unanswerable):
        kept = {e.id for e in draw.sample(unanswerable, few)}
        found = [e for e in found if not e.unanswerable or e.id in kept]
    most = config.max_examples or len(found)
    return draw.sample(found, most) if most < len(found) else found


def _to_choose_by(config: Augment, examples: Sequence[Example]) -> list[Example]:
    """The knowledge examples of train and dev that what chooses the evidence learns from; it needs no training row."""
    chosen = []
    for split in SPLITS:
        found = [e for e in examples if e.split == split and e.kind == "knowledge"]
        most = config.max_choices or len(found)
        chosen += random.Random(config.seed).sample(found, most) if most < len(found) else found
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


@dataclass(frozen=True)
class _Found:
    """What the index brings for one example, and for a question made of it that the documents do not answer."""

    units: Sequence[Unit]
    """A few more than are served."""
    near_miss: str = ""
    near_units: Sequence[Unit] = ()


@dataclass(frozen=True)
class _Finder:
    """Asks the index for the evidence of examples, as a caller who is any of the audience."""

    writer: Writer
    library: Library
    policies: frozenset[str]

    def found(self, examples: Sequence[Example], finished: _Finished) -> list[_Found]:
        """What is found for each example; each is kept as soon as it is found."""
        all_found = []
        for done, example in enumerate(examples, 1):
            one = finished.get(example)
            if one is None:
                one = self._one(example)
                finished.put(example, one)
            all_found.append(one)
            if done % 10 == 0 or done == len(examples):
                progress("augment", done, len(examples), "examples")
        return all_found

    def _one(self, example: Example) -> _Found:
        if not _reads(example):
            return _Found(())
        served, config = self.writer.prompt, self.writer.config
        wider = served.model_copy(update={"passages": served.passages + EXTRA, "units": served.units + EXTRA})
        units = gather(self.library, example.asked, self.policies, wider)
        asked_near = random.Random(f"{config.seed}:{example.id}:near").random() < config.near_miss_fraction
        if example.unanswerable or example.kind != "knowledge" or not asked_near:
            return _Found(units)
        proofs = proofs_of(example, self.writer.sources)
        golden, quotes = frozenset(proof.doc_id for proof in proofs), [proof.quote for proof in proofs]
        made = near_misses(example.asked, golden, quotes, self.vocabulary, f"{config.seed}:{example.id}")
        if not made:
            return _Found(units)
        miss = made[0]
        hidden = answering(miss, self.library, self.policies, self.vocabulary)
        hits = search_without(self.library, miss.question, self.policies, served, hidden)
        near = select_units(miss.question, hits, self.library.embedder, served, self.library.tokens)
        return _Found(units, miss.question, near)

    def choices(self, examples: Sequence[Example], cache: Path, index: Sequence[Any]) -> list[dict[str, Any]]:
        """The rows of `choices.jsonl`: of the knowledge examples of train and dev, which need not be trained on."""
        config, sources = self.writer.config, self.writer.sources
        able = [e for e in _to_choose_by(config, examples) if not _refusal(e, sources, self.policies)]
        chooser = Chooser(self.library, self.writer.prompt, self.policies, self.vocabulary, config.seed)
        return chooser.all_rows(able, sources, cache, index)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the documents that the whole audience may read: no other's name gets into a question."""
        readable = {name: one for name, one in self.writer.sources.items() if one.policy_id in self.policies}
        return Vocabulary.of(readable, self.library.embedder)


def _reads(example: Example) -> bool:
    """Whether its answer needs evidence; a request about form alone is shown none."""
    return example.kind == "knowledge" or bool(example.evidence)


def _written(
    examples: Sequence[Example], found: Sequence[_Found], writer: Writer
) -> tuple[list[dict[str, Any]], float]:
    """The conversations of a split, and in what share of those that show a golden unit it stands first."""
    pairs = zip(examples, found, strict=True)
    drafts = [draft for example, one in pairs for draft in _drafts(example, one, writer)]
    shown = arranged([draft.shown for draft in drafts], writer.config)
    rows = [draft.write(one).as_row() for draft, one in zip(drafts, shown, strict=True)]
    return rows, golden_first(shown)


def _drafts(example: Example, found: _Found, writer: Writer) -> Iterator[Draft]:
    """The conversations of one example, before their evidence has an order."""
    if not _reads(example):
        yield writer.settled(writer.behaviour(example))
    elif example.unanswerable:
        yield writer.abstaining(example.id, example.asked, found.units[: writer.prompt.units])
    else:
        proofs = proofs_of(example, writer.sources)
        if example.kind == "knowledge":
            yield from writer.knowledge(example, found.units, proofs)
        else:
            yield writer.formatting(example, found.units, proofs)
        if found.near_miss:
            yield writer.abstaining(f"{example.id}#near_miss", found.near_miss, found.near_units, "near_miss")


class _Finished:
    """What was found before for each example, for this index and these settings, in a file of the cache."""

    def __init__(self, cache: Path, built: Path, writer: Writer, policies: frozenset[str]) -> None:
        index = read_json(built / "index.json")
        self.index = [index.get("collection"), index["built_from"]]
        """What the index is, for keys."""
        config, prompt = writer.config, writer.prompt.model_dump(mode="json")
        settings = [prompt, config.seed, config.near_miss_fraction, sorted(policies)]
        key = sha256_json([FORMAT, settings, *self.index])
        self._path = cache / "augment" / f"{key}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, _Found] = {}
        lines = self._path.read_text(encoding="utf-8").split("\n") if self._path.is_file() else []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # a run was killed while it wrote this line
            units, near = ([_unit(value) for value in row[name]] for name in ("units", "near"))
            self._found[row["example"]] = _Found(units, row["near_miss"], near)

    def get(self, example: Example) -> _Found | None:
        """What was found for an example, if it was searched before."""
        return self._found.get(sha256_json(example.model_dump(mode="json")))

    def put(self, example: Example, found: _Found) -> None:
        """Add what was found for an example to the file."""
        row = {
            "example": sha256_json(example.model_dump(mode="json")), "near_miss": found.near_miss,
            "units": [asdict(unit) for unit in found.units], "near": [asdict(unit) for unit in found.near_units],
        }  # fmt: skip
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _unit(value: dict[str, Any]) -> Unit:
    return Unit(**value | {"locator": Locator.of(value["locator"])})
