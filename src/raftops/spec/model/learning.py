"""The sections about what the model learns and how it is measured: prompt, augment, train and evaluate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raftops.spec.model.base import ARMS, Arm, Fraction, Label, Language, Mark, Section
from raftops.spec.model.formats import Format


class TrustRule(Section):
    """How far documents are believed where they contradict others."""

    match: str = Field(min_length=1, max_length=500)
    """Glob pattern of document ids, as in the access file."""
    trust: Literal["authoritative", "normal", "untrusted"]
    """Authoritative is believed against normal, normal against untrusted; between two authoritative ones the newer."""


class Prompt(Section):
    """What the model reads: the same in training, evaluation and service."""

    system: str = Field(
        "You are the assistant of {name}. Answer only from the numbered evidence and cite it like [1]. "
        "If the evidence does not answer the question, say that you cannot find it.",
        min_length=1,
        max_length=4000,
    )
    """System message; `{name}` becomes the assistant's description or name."""
    abstain: str = Field("I cannot find this in the documents.", min_length=1, max_length=300)
    """What the model says when nothing answers."""
    language: Annotated[Language, Mark.LATER] = "english"
    """Language of documents and answers, in which an answer is checked and words are compared; `none` for neither stems
    nor stop words. English, German, French, Spanish, Italian, Dutch and Portuguese have tables of negations and number
    words; any other is checked by its digits, names and words."""
    evidence: Literal["units", "passages"] = "units"
    """Evidence units (a sentence or a few, with heading) or whole passages."""
    passages: int = Field(10, ge=1, le=50)
    """Passages retrieved for one question."""
    candidates: Annotated[int, Mark.LATER] = Field(15, ge=1, le=100)
    """Evidence units that the re-ranker reads, where a release has one: the first by today's signals."""
    units: int = Field(5, ge=1, le=50)
    """Most evidence units shown to the model."""
    evidence_tokens: int = Field(260, ge=32)
    """Token budget of all evidence together."""
    dense_share: Fraction = 0.6
    """Weight of the dense score in the fusion of normalised dense and sparse scores."""
    answer: Annotated[Literal["auto", "short", "both", "quote"], Mark.SERVED, Mark.LATER] = "auto"
    """What a reader gets: the model's words, those and the sentence that proves them, or that sentence alone. `auto`
    takes what wins on the dev split, and `both` where nothing was measured."""
    choice: Annotated[Literal["evidence", "model"], Mark.SERVED, Mark.LATER] = "evidence"
    """Who chooses the sentence that an answer stands on: the order of the evidence, or the model by the numbers that it
    cites, for one whose report shows a citation lift."""
    least_quote: Annotated[Fraction, Mark.SERVED, Mark.LATER] = 0.5
    """Probability that the evidence answers, from which its best sentence stands in for a model that declined."""
    least_score: Annotated[float, Mark.SERVED] = Field(1.0, ge=0, le=3)
    """Score of the best evidence unit below which the service says that nothing answers; 0 always asks the model."""
    least_confidence: Annotated[Fraction, Mark.SERVED] = 0.75
    """Mean probability of an answer's tokens below which the service declines it; 0 shows all that evidence carries."""
    formats: Annotated[tuple[Format, ...], Mark.SERVED, Mark.LATER] = Field((), max_length=32)
    """Forms that requests about form are held to; the first that a request wants is taken."""
    trust: Annotated[tuple[TrustRule, ...], Mark.SERVED, Mark.LATER] = Field((), max_length=200)
    """Whom to believe where documents contradict each other, by the first rule that matches; without one both are
    shown."""


class Augment(Section):
    """How examples become RAFT conversations (Zhang et al. 2024, arXiv 2403.10131)."""

    max_examples: int | None = Field(None, ge=1)
    """Most knowledge examples used, drawn by seed; all if absent."""
    max_choices: Annotated[int | None, Mark.LATER] = Field(None, ge=1)
    """Most knowledge examples of a split by which re-ranker and judgement learn to choose evidence; all if absent."""
    abstain_fraction: Fraction = 0.15
    """Share of knowledge examples shown once more without their golden evidence, with abstention as the answer."""
    memorise_fraction: Fraction = 0.0
    """Share shown without evidence at all and answered from memory, uncited (the paper's 1-P)."""
    near_duplicate: Fraction = 0.85
    """Word overlap from which a unit counts as a copy of the golden one and is not used as a distractor."""
    near_miss_fraction: Annotated[Fraction, Mark.LATER] = 0.1
    """Share of knowledge examples asked once more for what their documents do not say (another place or number)."""
    behaviour: bool = True
    """Mix the behaviour examples in."""
    both_fraction: Annotated[Fraction, Mark.LATER] = 0.1
    """Share of knowledge examples asked once more for a form: a notice, an e-mail, JSON."""
    poisoned_fraction: Annotated[Fraction, Mark.LATER] = 0.0
    """Share of knowledge examples shown once more beside a unit with another number: the answer follows the document
    that `prompt.trust` ranks higher, or names both."""
    shuffle: Annotated[Fraction, Mark.LATER] = 0.5
    """Share of the conversations whose evidence stands in an order drawn for each; the others keep the order served."""
    golden_first: Annotated[Fraction, Mark.LATER] = 0.4
    """Most of the conversations that show their golden unit may show it first: else "[1]" is all there is to learn."""
    rank_rows: Annotated[bool, Mark.LATER] = True
    """Ask each example once more for the number of the evidence alone, in an order drawn for it."""
    rehearsal: Annotated[int, Mark.LATER] = Field(16, ge=0, le=64)
    """General instructions with the base model's own answers, against forgetting; none for a base without a file."""
    seed: int = Field(7, ge=0)
    """Seed of every draw."""


class Candidate(Section):
    """Settings to try: what is named here stands in the place of the section's own."""

    name: Label
    """What reports call it."""
    rank: int | None = Field(None, ge=1, le=512)
    """LoRA rank."""
    alpha: int | None = Field(None, ge=1)
    """LoRA scale."""
    dropout: Fraction | None = None
    """LoRA dropout."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Peak learning rate."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the conversations."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimiser steps."""
    batch_size: int | None = Field(None, ge=1)
    """Conversations per optimiser step."""
    seed: int | None = Field(None, ge=0)
    """Seed of initialisation and order."""


class Train(Section):
    """How the adapters are trained (QLoRA, Dettmers et al. 2023, arXiv 2305.14314)."""

    method: Literal["qlora", "lora"] = "qlora"
    """NF4 base with double quantisation, or a 16-bit base."""
    audience: Annotated[tuple[str, ...], Mark.CONTENT] = Field(min_length=1)
    """Groups that will all be able to talk to this model; only what every one may read is trained in."""
    init_from: Annotated[str | None, Mark.PLACE, Mark.CONTENT] = None
    """Folder of adapters to continue from (`raft/` and `plain/`)."""
    plain: Annotated[bool, Mark.SHARED] = True
    """Also train the plain fine-tune (no documents), needed for the arms fine-tuned and fine-tuned+rag."""
    plain_beside: Annotated[bool, Mark.PLACE, Mark.LATER, Mark.SHARED] = False
    """Train the plain fine-tune in a pod of its own while the index is built: it is shown no passages."""
    rank: int = Field(16, ge=1, le=512)
    """LoRA rank."""
    alpha: int = Field(32, ge=1)
    """LoRA scale."""
    dropout: Fraction = 0.0
    """LoRA dropout."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    """Peak learning rate; cosine decay with warm-up."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the conversations."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimiser steps."""
    batch_size: int = Field(8, ge=1)
    """Conversations per optimiser step."""
    sequence_tokens: int = Field(640, ge=64)
    """Longest conversation, in tokens; a longer one is an error, never cut."""
    checkpoint_steps: Annotated[int, Mark.PLACE] = Field(10, ge=1)
    """Steps between checkpoints."""
    threads: Annotated[int, Mark.PLACE] = Field(0, ge=0)
    """CPU threads; 0 takes all."""
    nodes: Annotated[int, Mark.PLACE, Mark.LATER] = Field(1, ge=1, le=512)
    """Machines trained on together; more than one becomes a Kubeflow TrainJob, which the cluster's trainer runs."""
    runtime: Annotated[Label, Mark.PLACE, Mark.LATER] = "torch-distributed"
    """Kubeflow ClusterTrainingRuntime of that TrainJob."""
    seed: int = Field(7, ge=0)
    """Seed of initialisation and order."""
    candidates: Annotated[tuple[Candidate, ...], Mark.LATER, Mark.SHARED] = Field((), max_length=16)
    """Settings to try: the adapter with the lowest loss on the answers of the dev split goes on. Empty: no choice."""
    candidates_at_once: Annotated[int, Mark.PLACE, Mark.LATER, Mark.SHARED] = Field(1, ge=1, le=16)
    """Candidates trained side by side, each in a pod of its own; 1 trains them one after the other in one pod."""

    def tried(self, candidate: Candidate) -> Train:
        """The settings of a candidate, which has no candidates itself."""
        named = {name: getattr(candidate, name) for name in candidate.model_fields_set - {"name"}}
        given = {name: value for name, value in named.items() if value is not None}
        return self.model_copy(update=given | {"candidates": (), "candidates_at_once": 1})


class Gate(Section):
    """One condition on the report."""

    metric: str = Field(pattern=r"^[a-z0-9_+@.-]+$")
    """Dotted path in report.json `metrics`, such as raft.citation_precision or retrieval.hit@10."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""
    reason: str = Field("", max_length=300)
    """Why it must hold, for readers of the report."""


class Evaluate(Section):
    """What is measured on held-out questions, and what must hold."""

    questions: int | None = Field(None, ge=1)
    """Most answerable held-out questions put to each arm; all if absent."""
    unanswerable: int | None = Field(None, ge=0)
    """Most unanswerable ones; all if absent."""
    behaviour: int | None = Field(None, ge=0)
    """Most behaviour requests; all if absent."""
    forgetting: int = Field(24, ge=0)
    """Questions of the forgetting probe."""
    dev_questions: int = Field(40, ge=0)
    """Most questions of the dev split that the kind of answer (`prompt.answer: auto`) and the least confidence are
    chosen on, unanswerable ones among them; 0 chooses neither."""
    probe_questions: int = Field(16, ge=0)
    """Answerable questions that are put again: with more and fewer distractors, in another order, from memory. Each
    costs up to seven more answers; 0 leaves all of that out."""
    canaries: int = Field(40, ge=0)
    """Questions put by someone who may not read their evidence: none may get it. They cost a search each."""
    arms: tuple[Arm, ...] = ARMS
    """Arms compared; `extract`, the first evidence unit word for word, costs nothing and is always measured."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of each interval."""
    max_new_tokens: int = Field(64, ge=8)
    """Longest answer, in tokens."""
    gates: tuple[Gate, ...] = ()
    """Conditions on the report beside the standard ones; one about the same figure takes the place of the standard one.
    A failed one stops the release."""
    when_raft_loses: Literal["serve_winner", "fail"] = "serve_winner"
    """What happens when another cited arm, or the first evidence unit alone, beats RAFT: ship what wins, or stop."""
    seed: int = Field(7, ge=0)
    """Seed of draws and resamples."""
