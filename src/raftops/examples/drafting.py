"""Drafts of examples: passages in a seeded order, proposals of rules and of a teacher, the filters, rows in a file.

Goes on where it stopped: a passage is done once. Drafts are rows of examples that nobody has accepted yet.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raftops.answer.evidence import units_of
from raftops.data.records import Evidence, Example, Passage
from raftops.errors import RaftopsError
from raftops.examples.corpus import Corpus
from raftops.examples.filters import Filters
from raftops.examples.rules import Proposal, comparisons, proposals, section
from raftops.examples.teacher import Budget, Taught, Teacher
from raftops.files import read_json, read_jsonl, sha256_json, sha256_text, write_json
from raftops.raftdata.golden import Source
from raftops.raftdata.near_miss import Vocabulary, answering, near_misses

KEPT_OF_A_PASSAGE = 2
TRIED_OF_A_PASSAGE = 6
"""Most proposals of the rules for one passage: the filters search for each."""
SECTIONS = 0.15
"""Most of the drafts that may be asked of a heading: the vaguest style."""
NEAR_MISSES = 0.25
"""Share of kept drafts that are asked once more for what the documents do not say."""
_INSIDE = re.compile(r"(?<=[a-z,] )[A-Za-z][a-z’'-]+\b(?![@./]\w)")


@dataclass
class Tally:
    """What was proposed and what became of it."""

    passages: int = 0
    proposed: Counter[str] = field(default_factory=Counter)
    """By who proposed it."""
    kept: Counter[str] = field(default_factory=Counter)
    """By style."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        counts = {"proposed": self.proposed, "kept": self.kept, "dropped": self.dropped}
        return {"passages": self.passages} | {name: dict(sorted(count.items())) for name, count in counts.items()}


@dataclass
class Drafter:
    """Makes drafts and appends them to a file."""

    corpus: Corpus
    filters: Filters
    out: Path
    state: Path
    """What is done, so that the same command goes on."""
    seed: int = 7
    rules: bool = True
    teacher: Teacher | None = None
    budget: Budget = field(default_factory=Budget)
    tally: Tally = field(default_factory=Tally)
    done: set[str] = field(default_factory=set)
    stopped: str = ""
    """Why it ended before the last passage."""

    def run(self, most: int, asked: Iterable[str] = (), on_passage: Callable[[int, int], None] | None = None) -> None:
        """Draft until there are `most` rows in the file, the budget is spent, or every passage was read.

        `asked`: questions that examples ask already.
        """
        rows = self._resume(asked)
        passages = [p for p in self.corpus.passages if p.policy_id in self.filters.policies]
        random.Random(self.seed).shuffle(passages)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        for number, passage in enumerate(passages, 1):
            if rows >= most:
                self.stopped = f"{most} drafts are there"
                break
            if passage.passage_id in self.done:
                continue
            try:
                kept = list(self._of(passage))
            except Spent as spent:
                self.stopped = str(spent)
                break
            with self.out.open("a", encoding="utf-8") as file:
                for example in kept[: most - rows]:
                    row = example.model_dump(mode="json", exclude_defaults=True)
                    file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            rows += len(kept[: most - rows])
            self.tally.passages += 1
            self.done.add(passage.passage_id)
            write_json(
                self.state,
                {
                    "key": self._key,
                    "done": sorted(self.done),
                    "tally": self.tally.as_json(),
                    "spent": self.budget.as_json(),
                },
            )
            if on_passage:
                on_passage(number, len(passages))

    @property
    def _key(self) -> str:
        """What the work hangs on, beside the passages: another seed or teacher reads them again."""
        return sha256_json([self.seed, self.rules, self.teacher.name if self.teacher else ""])

    def _resume(self, asked: Iterable[str]) -> int:
        """Take up what is done; returns how many rows there are."""
        for question in asked:
            self.filters.remember(question)
        rows = [row for _, row in read_jsonl(self.out)] if self.out.is_file() else []
        if rows and not self.out.read_bytes().endswith(b"\n"):  # the next row would stand on the last one's line
            with self.out.open("a", encoding="utf-8") as file:
                file.write("\n")
        for row in rows:
            self.filters.remember(str(row.get("question", "")))
        saved = read_json(self.state) if self.state.is_file() else {}
        if saved.get("key") == self._key:
            self.done |= set(saved["done"])
            counts = saved["tally"]
            self.tally = Tally(counts["passages"], *(Counter(counts[name]) for name in ("proposed", "kept", "dropped")))
            self.budget.resume(saved["spent"])
        return len(rows)

    def _of(self, passage: Passage) -> Iterator[Example]:
        """The drafts of a passage that the filters keep."""
        kept, used = 0, set[int]()
        for proposal in self._proposed(passage):
            if kept == KEPT_OF_A_PASSAGE:
                break
            places = {unit.start for unit in proposal.units}
            if places & used:  # a sentence is asked about once; the rules have several ways of asking
                counted = int(proposal.by == "teacher")
                self.tally.proposed[proposal.by] += counted
                self.tally.dropped["same sentence"] += counted
                continue
            self.tally.proposed[proposal.by] += 1
            if reason := self.filters.verdict(proposal):
                self.tally.dropped[reason] += 1
                continue
            kept, used = kept + 1, used | places
            yield self._example(proposal)
            yield from self._near_miss(proposal)

    def _proposed(self, passage: Passage) -> Iterator[Proposal]:
        """Of a teacher, and of the rules: the styles first of which least was kept."""
        if self.teacher:
            yield from taught(
                self.teacher, self.budget, passage, self.tally, random.Random(f"{self.seed}:{passage.passage_id}")
            )
        if self.rules:
            draw, units = random.Random(f"{self.seed}:{passage.passage_id}:rules"), units_of(passage)
            found = [p for unit in units for p in proposals(unit, self._is_common)]
            found += comparisons([u for u in units if u.locator.table_header], self._is_common)
            if self.tally.kept["section"] <= SECTIONS * self.tally.kept.total():
                found += section(units[0], self._is_common) if units else ()
            draw.shuffle(found)
            yield from sorted(found, key=lambda p: self.tally.kept[p.style])[:TRIED_OF_A_PASSAGE]

    def _example(self, proposal: Proposal) -> Example:
        self.tally.kept[proposal.style] += 1
        self.filters.remember(proposal.question)
        proofs = [Evidence(doc_id=u.doc_id, quote=" ".join(u.text.split())) for u in proposal.units if proposal.answer]
        return Example(
            id=f"draft-{proposal.style.replace('_', '-')}-{sha256_text(proposal.question)[:10]}", kind="knowledge",
            question=proposal.question, answer=proposal.answer, evidence=tuple(proofs),
            unanswerable=not proposal.answer, near_miss=proposal.style == "near_miss",
        )  # fmt: skip

    def _near_miss(self, kept: Proposal) -> Iterator[Example]:
        """The question of a kept draft with one thing swapped, where no document answers that."""
        able = kept.style in ("fact", "yes_no", "condition", "table")
        if not able or random.Random(f"{self.seed}:{kept.question}").random() >= NEAR_MISSES:
            return
        golden, quotes = frozenset(u.doc_id for u in kept.units), [u.text for u in kept.units]
        made = near_misses(kept.question, golden, quotes, self._vocabulary, f"{self.seed}:{kept.question}")
        for miss in made[:1]:
            proposal = Proposal("near_miss", miss.question, "", kept.units)
            self.tally.proposed[proposal.by] += 1
            answered = answering(miss, self.corpus, self.filters.policies, self._vocabulary)
            reason = "answered" if answered else self.filters.verdict(proposal)
            if reason:
                self.tally.dropped[reason] += 1
            else:
                yield self._example(proposal)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        titles = {p.doc_id: p for p in self.corpus.passages if p.policy_id in self.filters.policies}
        sources = {
            doc_id: Source(doc_id, p.version, p.title, p.uri, p.policy_id, self.corpus.texts[doc_id])
            for doc_id, p in titles.items()
        }
        return Vocabulary.of(sources, self.corpus.embedder, self.filters.language)

    def _is_common(self, word: str) -> bool:
        return self._inside[word] >= self._inside[word.capitalize()]

    @cached_property
    def _inside(self) -> Counter[str]:
        """Words inside sentences, as they are written there: a name has a capital."""
        return Counter(word for text in self.corpus.texts.values() for word in _INSIDE.findall(text))


class Spent(RaftopsError):
    """The budget does not allow another question to the teacher."""


def taught(teacher: Teacher, budget: Budget, passage: Passage, tally: Tally, draw: random.Random) -> Iterator[Proposal]:
    """What a teacher proposes for a passage, in two styles drawn for it; what is of no form is counted as dropped."""
    units = units_of(passage)
    for style in draw.sample(teacher.styles, 2):
        if reason := budget.exceeded(teacher.cost_of(passage.text)):
            raise Spent(reason)
        said: Taught = teacher.ask(passage, style)
        budget.spend(said.prompt_tokens, said.completion_tokens)
        proposal = said.proposal(units, style)
        if proposal is None:
            tally.proposed["teacher"] += 1
            tally.dropped["form"] += 1
        else:
            yield proposal
