"""The whole evaluation: evidence, arms, the served answerer, form, forgetting, routing. Returns raw findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer, Library
from raftops.answer.judgement import Judgement
from raftops.answer.router import Router
from raftops.evaluation.arms import CONTENDERS, Reply, arm_reply, served_reply
from raftops.evaluation.behaviour import Form, form_reply
from raftops.evaluation.forgetting import Probe, Recalled, probe_reply, probes
from raftops.evaluation.generations import Models
from raftops.evaluation.questions import ANSWERABLE, HeldOut
from raftops.evaluation.ranking import Given, given, ranked_documents, ranking_scores, unit_scores
from raftops.evaluation.routing import Routed, routed
from raftops.evaluation.scores import Judge, Scores
from raftops.progress import progress
from raftops.raftdata.golden import Source
from raftops.retrieval.protocols import Reranker, Retriever
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Evaluate, Prompt

T = TypeVar("T")
SERVED = "served"
MODELS = ("base", "plain", "raft")
"""In the order they are loaded."""


@dataclass(frozen=True)
class Bench:
    """What is measured: the index, the models and how they are asked."""

    library: Library
    single: Mapping[str, Retriever]
    """Retrieval by one signal, for comparison: `bm25`, `dense`."""
    models: Models
    prompt: Prompt
    router: Router
    title: str
    access: AccessPolicies
    sources: Mapping[str, Source]
    judgement: Judgement | None = None
    """Says whether the evidence answers, where the step train left one."""
    reranker: Reranker | None = None
    """Chooses among the units, likewise."""


@dataclass
class Findings:
    """Everything that was said and found, question by question."""

    held: HeldOut
    shown: list[Given] = field(default_factory=list)
    retrieval: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """Ranking scores of each answerable question: `retrieval` (the fused one), `bm25`, `dense`."""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    """By arm, and `served`."""
    scores: dict[str, list[Scores]] = field(default_factory=dict)
    winner: Arm | None = None
    """The cited arm that does best; None where no cited arm was measured."""
    forms: dict[str, list[Form]] = field(default_factory=dict)
    probes: dict[str, list[Recalled]] = field(default_factory=dict)
    routed: Routed | None = None
    missing: tuple[str, ...] = ()
    """Arms of the spec whose model was not trained."""
    continued: bool = False
    """Whether the adapters continue from a starter (`train.init_from`)."""


class Study:
    """One evaluation. `run` asks everything; what was asked before comes from the models' memory."""

    def __init__(self, config: Evaluate, bench: Bench, held: HeldOut) -> None:
        self._config, self._bench = config, bench
        self._judge = Judge(bench.access, bench.sources)
        models = {name for name in MODELS if name in bench.models}
        self._arms = [arm for arm in config.arms if CONTENDERS[arm].model in models]
        missing = tuple(arm for arm in config.arms if arm not in self._arms)
        self._models = [name for name in MODELS if name in models]
        self.findings = Findings(held, missing=missing)
        self._tally = _Tally(self._amount(held))

    def run(self, choose: Callable[[Findings], Arm | None]) -> Findings:
        """Ask everything; `choose` names the arm that is served, which then answers as users would get it."""
        self._retrieve()
        for model in self._models:
            for arm in (arm for arm in self._arms if CONTENDERS[arm].model == model):
                self._ask(arm)
            self._form_and_memory(model)
        found = self.findings
        found.routed = routed(self._bench.router, found.held.every)
        found.winner = choose(found)
        if found.winner:
            self._serve(found.winner)
        return found

    def _amount(self, held: HeldOut) -> int:
        rounds = 2 + len(self._arms)
        forms = len(held.behaviour) * len(self._models)
        return rounds * len(held.questions) + forms + len(self._probes()) * len(self._models)

    def _probes(self) -> Sequence[Probe]:
        return probes()[: self._config.forgetting]

    def _retrieve(self) -> None:
        found, bench = self.findings, self._bench
        asked = self._tally.over(found.held.questions, "evidence")
        found.shown = [given(bench.library, question, bench.prompt, bench.reranker) for question in asked]
        answerable = [shown for shown in found.shown if shown.question.kind == ANSWERABLE]
        for name, retriever in {"retrieval": bench.library, **bench.single}.items():
            rankings = [(s, ranked_documents(retriever, s.question)) for s in answerable]
            found.retrieval[name] = [ranking_scores(ranking, s.question) for s, ranking in rankings]
        for scores, shown in zip(found.retrieval["retrieval"], answerable, strict=True):
            scores |= unit_scores(shown)

    def _ask(self, arm: Arm) -> None:
        bench, limit = self._bench, self._config.max_new_tokens
        model = bench.models[CONTENDERS[arm].model]
        asked = self._tally.over(self.findings.shown, f"arm {arm}")
        replies = [arm_reply(arm, shown, model, bench.prompt, bench.title, limit) for shown in asked]
        self._note(arm, replies, CONTENDERS[arm].reads)

    def _serve(self, winner: Arm) -> None:
        bench = self._bench
        model = bench.models[CONTENDERS[winner].model]
        asked_of = bench.library, model, bench.prompt, bench.router, bench.title, self._config.max_new_tokens
        answerer = Answerer(*asked_of, judgement=bench.judgement, reranker=bench.reranker)
        asked = self._tally.over(self.findings.shown, "served")
        self._note(SERVED, [served_reply(shown, answerer, model) for shown in asked], True)

    def _note(self, name: str, replies: list[Reply], cites: bool) -> None:
        found = self.findings
        found.replies[name] = replies
        pairs = zip(replies, found.shown, strict=True)
        found.scores[name] = [self._judge.scores(reply, shown, cites) for reply, shown in pairs]

    def _form_and_memory(self, name: str) -> None:
        found, bench = self.findings, self._bench
        model, limit = bench.models[name], self._config.max_new_tokens
        forms = self._tally.over(found.held.behaviour, f"form, {name}")
        checked = ((e, e.checks) for e in forms)
        found.forms[name] = [form_reply(e, checks, model, bench.title, limit) for e, checks in checked if checks]
        general = self._tally.over(self._probes(), f"forgetting, {name}")
        found.probes[name] = [probe_reply(probe, model) for probe in general]


class _Tally:
    """Progress over everything that is asked."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def over(self, items: Iterable[T], note: str) -> Iterator[T]:
        """The items, each said when it is done."""
        for item in items:
            yield item
            self._done += 1
            progress("evaluate", self._done, self._total, note)
