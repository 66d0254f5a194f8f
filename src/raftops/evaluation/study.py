"""The whole evaluation: evidence, arms, the served answerer, form, forgetting, routing. Returns raw findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer
from raftops.data.records import Example, Unit
from raftops.evaluation.arms import (
    CONTENDERS,
    EXTRACT,
    ORACLE,
    Reply,
    arm_reply,
    extract_reply,
    memory_reply,
    served_reply,
)
from raftops.evaluation.behaviour import TOKENS_LEAST, Form, constant_reply, form_of, form_reply
from raftops.evaluation.forgetting import Probe, Recalled, probe_reply, probes
from raftops.evaluation.generations import Models
from raftops.evaluation.leaks import ANSWERED, Canary, canaries, sung
from raftops.evaluation.policy import Answering, choose_answering
from raftops.evaluation.probing import Column, Probing
from raftops.evaluation.questions import ANSWERABLE, Askers, HeldOut, Question
from raftops.evaluation.ranking import Given, alone, given, ranked_documents, ranking_scores, unit_scores
from raftops.evaluation.routing import Routed, routed
from raftops.evaluation.scores import Judge, Scores
from raftops.progress import progress
from raftops.raftdata.golden import Source
from raftops.retrieval.protocols import Retriever
from raftops.spec.figures import CONSTANT, MODELS, SERVED
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Evaluate

T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """What is measured: the index, the models and how they are asked."""

    answerer: Answerer
    """How users are answered: the index with its re-ranker, the prompt, the router. Each arm brings its own model."""
    single: Mapping[str, Retriever]
    """Retrieval by one signal, for comparison: `bm25`, `dense`."""
    models: Models
    access: AccessPolicies
    sources: Mapping[str, Source]


@dataclass
class Findings:
    """Everything that was said and found, question by question."""

    held: HeldOut
    shown: list[Given] = field(default_factory=list)
    retrieval: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """Ranking scores of each answerable question: `retrieval` (the fused one), `bm25`, `dense`."""
    alone: list[Given] = field(default_factory=list)
    """The same questions with their proofs and nothing else: what the arm `oracle` reads."""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    """By arm, and `served`."""
    scores: dict[str, list[Scores]] = field(default_factory=dict)
    winner: Arm | None = None
    """The cited arm that does best; None where no cited arm was measured."""
    answering: Answering | None = None
    """What a served answer is made of; None where nothing is served."""
    likely: list[float] = field(default_factory=list)
    """How likely it is that the evidence answers each question, by the judgement that is served; without one, the score
    of the best unit."""
    likely_by: str = ""
    threshold: float = 0.0
    """From which a question is answered."""
    probed: dict[str, Column] = field(default_factory=dict)
    """Scores of the questions that were put again, by figure."""
    places: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    """Where the first proof stood and whether RAFT's answer is right, in the order as `served` and `shuffled`."""
    canaries: list[Canary] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)
    """The policy of each document."""
    forms: dict[str, list[Form]] = field(default_factory=dict)
    probes: dict[str, list[Recalled]] = field(default_factory=dict)
    routed: Routed | None = None
    missing: tuple[str, ...] = ()
    """Arms of the spec whose model was not trained."""
    continued: bool = False
    """Whether the adapters continue from a starter (`train.init_from`)."""

    def read(self, arm: str) -> list[Given]:
        """The questions as an arm is shown them."""
        return self.alone if arm == ORACLE else self.shown

    @property
    def canary_leaks(self) -> int:
        """Canaries that brought what their asker may not read."""
        return sum(bool(canary.leaked) for canary in self.canaries)


class Study:
    """One evaluation. `run` asks everything; what was asked before comes from the models' memory."""

    def __init__(self, config: Evaluate, bench: Bench, held: HeldOut) -> None:
        self._config, self._bench = config, bench
        self._judge = Judge(bench.access, bench.sources)
        models = {name for name in MODELS if name in bench.models}
        wanted = [EXTRACT, *(arm for arm in config.arms if arm != EXTRACT)]
        self._arms = [arm for arm in wanted if CONTENDERS[arm].model in (*models, "")]
        missing = tuple(arm for arm in wanted if arm not in self._arms)
        self._models = [name for name in MODELS if name in models]
        policies = {doc_id: source.policy_id for doc_id, source in bench.sources.items()}
        self.findings = Findings(held, missing=missing, policies=policies)
        self._tally = _Tally(self._amount(held))

    def run(self, choose: Callable[[Findings], Arm | None]) -> Findings:
        """Ask everything; `choose` names the arm that is served, which then answers as users would get it."""
        self._retrieve()
        for model in ("", *self._models):
            for arm in (arm for arm in self._arms if CONTENDERS[arm].model == model):
                self._ask(arm)
            if model:
                self._form_and_memory(model)
                self._probe(model)
        found = self.findings
        found.forms[CONSTANT] = [
            form_of(e, e.checks, constant_reply(found.held.trained, e.checks)) for e in found.held.behaviour if e.checks
        ]
        found.routed = routed(self._bench.answerer.router, found.held.every)
        found.winner = choose(found)
        if found.winner:
            self._serve(found.winner)
        return found

    def _amount(self, held: HeldOut) -> int:
        rounds = 2 + len(self._arms)
        forms = len(held.behaviour) * len(self._models)
        again = len(self._models) * len(self._probed(held.questions)) + len(held.dev[:1])
        return rounds * len(held.questions) + forms + len(self._probes()) * len(self._models) + again

    def _probes(self) -> Sequence[Probe]:
        return probes()[: self._config.forgetting]

    def _probed(self, questions: Sequence[T]) -> Sequence[T]:
        """The questions that are put again; the answerable ones come first."""
        kinds = [question.kind for question in self.findings.held.questions]
        return questions[: min(self._config.probe_questions, kinds.count(ANSWERABLE))]

    def _retrieve(self) -> None:
        found, bench = self.findings, self._bench
        asked = self._tally.over(found.held.questions, "evidence")
        found.shown = [given(bench.answerer, question) for question in asked]
        found.alone = [alone(shown, bench.sources) for shown in found.shown]
        answerable = [shown for shown in found.shown if shown.question.kind == ANSWERABLE]
        for name, retriever in {"retrieval": bench.answerer.library, **bench.single}.items():
            rankings = [(s, ranked_documents(retriever, s.question)) for s in answerable]
            found.retrieval[name] = [ranking_scores(ranking, s.question) for s, ranking in rankings]
        for scores, shown in zip(found.retrieval["retrieval"], answerable, strict=True):
            scores |= unit_scores(shown)
        judgement = bench.answerer.judgement
        found.likely_by = "judgement" if judgement else "score of the best unit"
        found.threshold = getattr(judgement, "threshold", bench.answerer.prompt.least_score)
        for shown in found.shown:
            best = max((unit.score for unit in shown.units), default=0.0)
            by = judgement.probability(shown.question.example.asked, shown.units) if judgement else best
            found.likely.append(by)

    def _ask(self, arm: Arm) -> None:
        asked = self._tally.over(self.findings.read(arm), f"arm {arm}")
        replies = [extract_reply(shown) if arm == EXTRACT else self._reply(arm, shown) for shown in asked]
        self._note(arm, replies, CONTENDERS[arm].reads)

    def _reply(self, arm: Arm, shown: Given) -> Reply:
        bench = self._bench
        model, answerer = bench.models[CONTENDERS[arm].model], bench.answerer
        return arm_reply(arm, shown, model, answerer.prompt, answerer.title, self._config.max_new_tokens)

    def _probe(self, model: str) -> None:
        """Put some questions again; the arms before have been asked."""
        found, bench, judge = self.findings, self._bench, self._judge
        asked = list(self._tally.over(self._probed(found.shown), f"again, {model}"))
        if not asked:
            return
        prompt, title, limit = bench.answerer.prompt, bench.answerer.title, self._config.max_new_tokens
        said = [(memory_reply(shown, bench.models[model], prompt, title, limit), shown.question) for shown in asked]
        found.probed[f"memory.{model}"] = [float(judge.right(*pair)) for pair in said]
        probing = Probing(self._reply, judge, bench.answerer, self._config.seed)
        if model == "base" and "base+rag" in found.replies:
            found.probed |= probing.noise(asked, found.replies["base+rag"][: len(asked)])
        if model == "raft":
            columns, found.places["shuffled"] = probing.shuffled(asked)
            found.probed |= probing.distractors(asked) | columns

    def _serve(self, winner: Arm) -> None:
        found, bench, judge = self.findings, self._bench, self._judge
        model = bench.models[CONTENDERS[winner].model]
        answerer = replace(bench.answerer, generator=model, max_new_tokens=self._config.max_new_tokens)
        better = sum(row["net"] or 0 for row in found.scores[EXTRACT]) > sum(
            row["net"] or 0 for row in found.scores[winner]
        )
        for _ in self._tally.over(found.held.dev[:1], "choosing on the dev split"):
            found.answering = choose_answering(answerer, found.held.dev, judge, "quote" if better else "both")
        found.answering = found.answering or choose_answering(answerer, (), judge, "quote" if better else "both")
        answerer = replace(answerer, prompt=found.answering.applied(answerer.prompt))
        asked = self._tally.over(found.shown, "served")
        self._note(SERVED, [served_reply(shown, answerer, model) for shown in asked], True)
        put = canaries([shown.question for shown in found.shown], bench.access, self._config.canaries)
        found.canaries = [sung(answerer, one, bench.access, n < ANSWERED) for n, one in enumerate(put)]

    def _note(self, name: str, replies: list[Reply], cites: bool) -> None:
        found = self.findings
        found.replies[name] = replies
        pairs = zip(replies, found.read(name), strict=True)
        found.scores[name] = [self._judge.scores(reply, shown, cites) for reply, shown in pairs]
        if name == "raft":
            rows = zip(found.shown, found.scores[name], strict=True)
            found.places["as served"] = [(min(s.golden), bool(row["right"])) for s, row in rows if s.golden]

    def _form_and_memory(self, name: str) -> None:
        found, bench = self.findings, self._bench
        model, limit = bench.models[name], max(self._config.max_new_tokens, TOKENS_LEAST)
        answerer = replace(bench.answerer, generator=model, max_new_tokens=limit)
        forms = self._tally.over(found.held.behaviour, f"form, {name}")
        checked = ((e, e.checks) for e in forms)
        found.forms[name] = [form_reply(e, checks, answerer, self._evidence(e)) for e, checks in checked if checks]
        general = self._tally.over(self._probes(), f"forgetting, {name}")
        found.probes[name] = [probe_reply(probe, model) for probe in general]

    def _evidence(self, example: Example) -> Sequence[Unit]:
        """What is shown with a request about form: nothing, unless its example has evidence that someone may read."""
        asked = Askers(self._bench.access, self._bench.sources).ask(example) if example.evidence else None
        return self._bench.answerer.units(example.asked, asked.policies) if isinstance(asked, Question) else ()


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
