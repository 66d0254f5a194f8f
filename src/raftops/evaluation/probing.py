"""The same questions put again, to see what an answer hangs on: the proof among more or fewer distractors, the evidence
in another order; and the base asked twice, which says what a difference that means nothing looks like.

Answerable questions only, and as many as the spec allows: each costs up to seven more answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from raftops.answer.answering import Answerer
from raftops.data.records import Unit
from raftops.evaluation.arms import Reply
from raftops.evaluation.ranking import Given, alone
from raftops.evaluation.scores import Judge
from raftops.files import sha256_text
from raftops.raftdata.golden import is_copy, is_golden, numbered
from raftops.spec.figures import DISTRACTORS
from raftops.spec.model.base import Arm

Column = list[float | None]
Asked = Callable[[Arm, Given], Reply]


@dataclass(frozen=True)
class Probing:
    """Puts questions to an arm again. `ask` answers a question from the evidence that it is given."""

    ask: Asked
    judge: Judge
    answerer: Answerer
    seed: int

    def distractors(self, questions: Sequence[Given]) -> dict[str, Column]:
        """RAFT's right answers with the proofs among so many units that do not answer; None where fewer are found."""
        columns: dict[str, Column] = {f"distractors.{count}": [] for count in DISTRACTORS}
        for shown in questions:
            proofs, others = alone(shown, self.judge.sources), self._others(shown)
            for count in DISTRACTORS:
                among = self._mixed(shown, [*proofs.units, *others[:count]], f"among {count}")
                enough = len(others) >= count
                right = enough and self.judge.right(self.ask("raft", among), shown.question)
                columns[f"distractors.{count}"].append(float(right) if enough else None)
        return columns

    def shuffled(self, questions: Sequence[Given]) -> tuple[dict[str, Column], list[tuple[int, bool]]]:
        """RAFT's answers over the same evidence in another order, with what always citing [1], and chance, would give;
        and where the proof stood with whether the answer is right."""
        names = ("right", "citation_precision", "always_first", "chance", "citation_lift")
        columns: dict[str, Column] = {f"shuffled.{name}": [] for name in names}
        places = []
        for shown in questions:
            mixed = self._mixed(shown, shown.units, "shuffled")
            scores = self.judge.scores(self.ask("raft", mixed), mixed, cites=True)
            answered = scores["citation_precision"] is not None
            columns["shuffled.right"].append(scores["right"])
            columns["shuffled.citation_precision"].append(scores["citation_precision"])
            columns["shuffled.citation_lift"].append(scores.get("citation_lift"))
            columns["shuffled.always_first"].append(float(1 in mixed.golden) if answered else None)
            share = len(mixed.golden) / len(mixed.units) if mixed.units else 0.0
            columns["shuffled.chance"].append(share if answered else None)
            places += [(min(mixed.golden), bool(scores["right"]))] if mixed.golden else []
        return columns, places

    def noise(self, questions: Sequence[Given], first: Sequence[Reply]) -> dict[str, Column]:
        """The base with its evidence in another order, against what it said before: changed verdicts, and the
        difference in right answers."""
        before = [self.judge.right(reply, shown.question) for reply, shown in zip(first, questions, strict=True)]
        after = [
            self.judge.right(self.ask("base+rag", self._mixed(shown, shown.units, "noise")), shown.question)
            for shown in questions
        ]
        pairs = list(zip(before, after, strict=True))
        return {
            "noise.flips": [float(one != other) for one, other in pairs],
            "noise.delta": [float(other) - float(one) for one, other in pairs],
        }

    def _mixed(self, shown: Given, units: Sequence[Unit], why: str) -> Given:
        """The units in an order drawn for the question."""
        order = list(units)
        random.Random(sha256_text(f"{self.seed}:{why}:{shown.question.example.id}")).shuffle(order)
        return replace(shown, units=tuple(numbered(order)), before=None)

    def _others(self, shown: Given) -> list[Unit]:
        """Units for the question that do not answer it, best first: more of them than the service shows."""
        most = max(DISTRACTORS)
        prompt, question = self.answerer.prompt, shown.question
        wider = {"units": most + len(question.proofs) + 4, "evidence_tokens": prompt.evidence_tokens * (most + 2)}
        answerer = replace(self.answerer, prompt=prompt.model_copy(update=wider))
        found = answerer.units(question.example.asked, question.policies)
        golden = [unit for unit in found if is_golden(unit, question.proofs)]
        return [
            unit for unit in found
            if unit not in golden and not is_copy(unit, golden, question.example.answer, 0.85)
        ][:most]  # fmt: skip
