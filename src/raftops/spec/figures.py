"""The figures of a report: each has its row here, with its name, its head, and what it counts.

What a gate may name, what a table shows, what is compared in pairs and whose rise is bad news all follow from the rows.
Measures nothing; `evaluation/summary.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from raftops.spec.model.base import ARMS

SERVED = "served"
UNCITED = ("base", "fine-tuned")
"""Arms that read nothing, and so cite nothing."""
BARE_ARMS = (*ARMS, SERVED)
MODELS = ("base", "plain", "raft")
"""In the order they are loaded."""
RETRIEVERS = ("retrieval", "bm25", "dense")
DISTRACTORS = (0, 2, 4, 8)
"""How many units that do not answer stand beside the golden one when a model's steadiness is tried."""
PAIRS = {
    "paired": ("raft", "base+rag"),
    "paired_extract": ("raft", "extract"),
    "served_extract": (SERVED, "extract"),
}
"""Families of paired differences: the first arm minus the second, question by question."""
_BOUNDS = ("low", "high")
_PARTS = ("delta", *_BOUNDS, "not_better")


@dataclass(frozen=True)
class Figure:
    """A figure of an arm: a mean over the questions that it applies to."""

    name: str
    label: str
    """Head of its column."""
    says: str = ""
    """How it is counted, for readers of the report."""
    cites: bool = False
    """Only for arms that cite."""
    lower: bool = False
    """Whether less is better."""
    column: bool = True
    """In the table of the arms."""
    headline: bool = True
    """In the comment on a pull request, for what is served."""
    paired: bool = False
    """Compared in pairs."""
    plotted: bool = False


FIGURES = (
    Figure(
        "right", "Right", "Of the answerable questions: what is shown says what the reference says, in its own words "
        "or in the sentence quoted beside them. The words count as the same where the reference stands in the answer "
        "in a row, or all of its numbers do (without numbers: all of its names) and at least 60 % of its other terms; "
        "what stands in the question is given; yes against no is wrong. An example may list other accepted answers, or "
        "the facts that must be said. Words are compared, meaning is not.", paired=True, plotted=True,
    ),
    Figure(
        "right_strict", "Right, strictly", "As right; and a question that wants a yes or no got it in words (a quote "
        "does not say it), and the answer's own words name no other number than the reference's.",
    ),
    Figure(
        "answer_contained", "Right by its text alone", "As right, without the sentence quoted beside the answer. An "
        "answer that is a quote and nothing else is judged by the quote.", paired=True,
    ),
    Figure("wrong", "Wrong", "Of all questions: answered and not right, or answered though no document answers it.",
           lower=True, paired=True, plotted=True),
    Figure("over_refusal", "Declined by mistake", "Of the answerable questions: declined.", lower=True),
    Figure("abstention", "Declines the unanswerable", "Of the questions that no document answers: declined."),
    Figure("abstention_near_miss", "Declines near misses", "Of those, the ones beside what the documents do answer "
           "(near_miss in the example).", column=False),
    Figure("abstention_absent", "Declines absent topics", "Of those, the ones about what no document speaks of.",
           column=False),
    Figure("net", "Right minus wrong", "Over all questions: right ones minus wrong ones; to decline counts 0.",
           column=False, headline=False, paired=True),
    Figure("f1", "Token F1", "Words shared by the reference and the answer's own text, as SQuAD counts them. It falls "
           "when an answer says too much.", paired=True),
    Figure("citation_precision", "Citation precision", "Of the numbers that stand in an answer, the share that points "
           "at a unit with the proof; an answer without a number counts 0, a declined question does not count.",
           cites=True, paired=True, plotted=True),
    Figure("citation_lift", "Lift over always [1]", "Citation precision minus what an answer gets that always cites "
           "[1], question by question: above 0, the model chooses.", cites=True, plotted=True),
    Figure("cites_first", "Cites [1] alone", "Share of the answers that cite [1] and nothing else.", cites=True,
           column=False, headline=False),
    Figure("citation_recall", "Citation recall", "Share of the proofs that are cited; what retrieval did not bring, "
           "and what was declined, counts as not cited.", cites=True, column=False, headline=False),
    Figure("quote_validity", "Valid quotes", "Share of the cited units that are word for word in a document that the "
           "asker may read.", cites=True, column=False),
    Figure("right_gold_first", "Right where the proof is first", "Right answers among the questions whose first unit "
           "is the proof.", cites=True, column=False, headline=False),
    Figure("right_gold_later", "Right where the proof is later", "Right answers among the questions whose proof is "
           "shown, and not first.", cites=True, column=False, headline=False),
    Figure("tokens", "Tokens written", "Mean of an answer.", lower=True, headline=False),
    Figure("read_tokens", "Tokens read", "Mean of an answer.", lower=True, column=False, headline=False),
    Figure("seconds", "Seconds", "Mean of an answer's generation.", lower=True),
)  # fmt: skip
"""Of every arm, in the order of the table."""

OTHERS = (
    "retrieval.unit_hit", "retrieval.unit_first", "retrieval.unit_first_before", "retrieval.rerank_gain",
    "choice.gain", "router.accuracy", "router.recall_knowledge", "router.recall_behaviour",
    "memory.base", "memory.plain", "memory.raft", *(f"distractors.{count}" for count in DISTRACTORS),
    "shuffled.right", "shuffled.citation_precision", "shuffled.always_first", "shuffled.chance",
    "shuffled.citation_lift", "noise.flips", "noise.delta",
)  # fmt: skip
"""Of no arm, with an interval."""
CONSTANT = "constant"
"""The trivial reply to a request about form: the commonest answer of the training split to requests of its checks."""
COUNTS = ("leaks", "canaries")
"""Whole numbers, without an interval."""
BEHIND = ("trained.stale_rows", "trained.tainted_rows")
"""Rows of the training data whose documents changed since, or are gone or closed to somebody who could read them."""
LATENCIES = tuple(
    f"latency.{part}_{point}_seconds"
    for part in ("retrieval", "generation", "answer") for point in ("p50", "p95", "p99")
)  # fmt: skip
"""Percentiles of what is served, in seconds."""
HEADLINES = (
    "retrieval.hit@1", "retrieval.hit@10", "retrieval.unit_first", "extract.right", "extract.wrong", "behaviour.raft",
    "forgetting.raft", "router.accuracy", "leaks",
)  # fmt: skip
"""Beside those of what is served, in the comment on a pull request."""
USUAL_GATES = (
    "served.right", "served.wrong", "served.over_refusal", "served_extract.right.delta", "raft.citation_precision",
    "retrieval.hit@10", "behaviour.raft", "leaks",
)  # fmt: skip
"""Those that a gate mostly names."""
METRICS_ELSEWHERE = {
    "faithfulness": "served.quote_validity", "groundedness": "served.quote_validity", "hallucination": "served.wrong",
    "answer_relevancy": "served.right", "answer_correctness": "served.right", "accuracy": "served.right",
    "exact_match": "served.right_strict", "correctness": "served.right", "context_precision": "retrieval.unit_first",
    "context_recall": "retrieval.unit_hit", "recall": "retrieval.hit@10", "recall@10": "retrieval.hit@10",
    "mrr": "retrieval.ndcg@10", "ndcg": "retrieval.ndcg@10", "refusal_rate": "served.over_refusal",
}  # fmt: skip
"""What other tools call a figure, and the one that is nearest to it here."""
RUN = ("served.right", "extract.right", "served.wrong", "served.over_refusal")
"""On the screen of a run."""
LOWER_IS_BETTER = frozenset(f.name for f in FIGURES if f.lower) | {"leaks", "flips", "stale_rows", "tainted_rows"}
"""Last parts of names whose rise is bad news."""


def names_of(arm: str) -> tuple[str, ...]:
    """The figures that an arm may have."""
    return tuple(figure.name for figure in FIGURES if not figure.cites or arm not in UNCITED)


def metric_names() -> tuple[str, ...]:
    """The figures that a report may hold, which a gate may ask for: `raft.f1`, `raft.f1.low`, `paired.f1.delta`."""
    plain = [f"{arm}.{name}" for arm in BARE_ARMS for name in names_of(arm)]
    plain += [f"{arm}.citation_f1" for arm in BARE_ARMS if arm not in UNCITED]
    plain += [f"{retriever}.{name}" for retriever in RETRIEVERS for name in ("hit@1", "hit@10", "ndcg@10")]
    plain += [f"{what}.{model}" for what in ("behaviour", "behaviour_values", "forgetting") for model in MODELS]
    plain += [f"behaviour_words.{model}" for model in (*MODELS, CONSTANT)]
    plain += [f"{what}.{CONSTANT}" for what in ("behaviour", "behaviour_values")]
    plain += OTHERS
    paired = [f"{family}.{f.name}.{part}" for family in PAIRS for f in FIGURES if f.paired for part in _PARTS]
    return (*plain, *(f"{name}.{bound}" for name in plain for bound in _BOUNDS), *paired, *COUNTS, *BEHIND, *LATENCIES)
