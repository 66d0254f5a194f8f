"""Which held-out questions are put, and as whom. Only the test split, and apart from it dev questions to choose by; a
question is asked by someone who may read its evidence, and an unanswerable one by someone in every group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet

from raftops.access import AccessPolicies
from raftops.data.records import Example
from raftops.files import sha256_text
from raftops.raftdata.golden import Proof, Source, proofs_of
from raftops.spec.model.learning import Evaluate

Stratum = str
ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"


@dataclass(frozen=True)
class Question:
    """A held-out question, who asks it, and what proves its answer."""

    example: Example
    groups: tuple[str, ...]
    policies: frozenset[str]
    proofs: tuple[Proof, ...] = ()

    @property
    def kind(self) -> Stratum:
        """`answerable` or `unanswerable`."""
        return UNANSWERABLE if self.example.unanswerable else ANSWERABLE

    @property
    def documents(self) -> frozenset[str]:
        """The documents that hold the answer."""
        return frozenset(proof.doc_id for proof in self.proofs)


@dataclass(frozen=True)
class HeldOut:
    """What is put to the arms, and what there was."""

    questions: tuple[Question, ...]
    behaviour: tuple[Example, ...]
    every: tuple[Example, ...]
    """All held-out examples: what the router is measured on, which costs no generation."""
    left_out: tuple[tuple[str, str], ...]
    """(id, reason) of questions that cannot be asked of this index."""
    trained: tuple[Example, ...] = ()
    """Requests about form of the training split: what the trivial reply is taken from."""
    dev: tuple[Question, ...] = ()
    """Questions of the dev split: what the kind of answer is chosen on, and nothing is reported of."""

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """(put, held out) by kind."""
        put = Counter(q.kind for q in self.questions) + Counter(behaviour=len(self.behaviour))
        there = Counter(kind_of(e) for e in self.every)
        return {kind: (put[kind], there[kind]) for kind in (ANSWERABLE, UNANSWERABLE, "behaviour")}


def kind_of(example: Example) -> str:
    """`answerable`, `unanswerable` or `behaviour`."""
    if example.kind == "behaviour":
        return "behaviour"
    return UNANSWERABLE if example.unanswerable else ANSWERABLE


def sources_of(built: Path) -> dict[str, Source]:
    """The documents of an index."""
    names = ["doc_id", "version", "title", "uri", "policy_id", "text"]
    rows = parquet.read_table(built / "documents.parquet", columns=names).to_pylist()
    return {row["doc_id"]: Source(**row) for row in rows}


def held_out(
    config: Evaluate, examples: Iterable[Example], access: AccessPolicies, sources: Mapping[str, Source]
) -> HeldOut:
    """The test split, cut to the spec's limits by a seeded order in which a longer draw begins with the shorter one."""
    every = sorted(examples, key=lambda e: e.id)
    test = [e for e in every if e.split == "test"]
    asker = Askers(access, sources)
    questions, left_out = [], []
    for kind, limit in ((ANSWERABLE, config.questions), (UNANSWERABLE, config.unanswerable)):
        asked = [asker.ask(e) for e in _drawn([e for e in test if kind_of(e) == kind], config.seed)]
        left_out += [(q[0].id, q[1]) for q in asked if isinstance(q, tuple)]
        questions += [q for q in asked if isinstance(q, Question)][:limit]
    behaviour = _drawn([e for e in test if e.kind == "behaviour"], config.seed)[: config.behaviour]
    trained = tuple(e for e in every if e.split == "train" and e.kind == "behaviour")
    dev = _dev(config, [e for e in every if e.split == "dev" and e.kind == "knowledge"], asker)
    return HeldOut(tuple(questions), tuple(behaviour), tuple(test), tuple(sorted(left_out)), trained, tuple(dev))


def _dev(config: Evaluate, examples: Sequence[Example], asker: Askers) -> list[Question]:
    """Dev questions that can be asked, at most as many as the spec says; up to a quarter of them are unanswerable."""
    asked = [q for e in _drawn(examples, config.seed) if isinstance(q := asker.ask(e), Question)]
    unanswerable = [q for q in asked if q.kind == UNANSWERABLE][: config.dev_questions // 4]
    answerable = [q for q in asked if q.kind == ANSWERABLE][: config.dev_questions - len(unanswerable)]
    return answerable + unanswerable


def _drawn(examples: Sequence[Example], seed: int) -> list[Example]:
    return sorted(examples, key=lambda e: sha256_text(f"{seed}:{e.id}"))


class Askers:
    """Decides who asks: a member of the widest group and, for each piece of evidence, of the widest that may read it.

    Few groups would make retrieval easy: someone who may read one document only is never shown a wrong one.
    """

    def __init__(self, access: AccessPolicies, sources: Mapping[str, Source]) -> None:
        self._access, self._sources = access, dict(sources)
        documents = Counter(source.policy_id for source in sources.values())
        reach = {g: sum(documents[p] for p in access.readable([g])) for g in access.groups}
        self._widest = sorted(reach, key=lambda g: (-reach[g], g))

    def ask(self, example: Example) -> Question | tuple[Example, str]:
        """The question with its asker, or why it cannot be asked."""
        if example.unanswerable:
            groups = tuple(sorted(self._access.groups))
            return Question(example, groups, self._access.readable(groups))
        proofs = proofs_of(example, self._sources)
        if len(proofs) < len(example.evidence):
            return example, "its evidence is not verbatim in an indexed document"
        asking = set(self._widest[:1])
        for doc_id in sorted({proof.doc_id for proof in proofs}):
            policy = self._sources[doc_id].policy_id
            able = [group for group in self._widest if self._access.may_read([group], policy)]
            if not able:
                return example, f"no group may read {doc_id}"
            asking |= set() if self._access.may_read(asking, policy) else {able[0]}
        return Question(example, tuple(sorted(asking)), self._access.readable(asking), tuple(proofs))
