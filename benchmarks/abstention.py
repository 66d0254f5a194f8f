"""When should the service keep silent? Thresholds on the evidence and on the model's sureness, on the dev split.

    python -m benchmarks.abstention specs/handbook.yaml [-f OVERLAY] [--split dev]

Needs a finished run of the spec. Every question of the split is answered with both thresholds off; then each pair of
thresholds is applied to what was said. Prints one JSON line for each pair: shares of answerable questions right, wrong
and declined, and of unanswerable ones declined. Thresholds are chosen on dev; the test split reports, and is not read.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer, supporting_units
from raftops.answer.prompt import is_abstention
from raftops.answer.router import Router
from raftops.data.records import Example
from raftops.evaluation.metrics import answer_contained
from raftops.evaluation.questions import ANSWERABLE, Question, held_out, sources_of
from raftops.files import read_json, read_jsonl
from raftops.generation.openvino import OpenVinoGenerator
from raftops.retrieval.hybrid import open_index
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.learning import Evaluate

SCORES = (0.0, 0.7, 0.8, 0.9, 1.0, 1.1)
CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Said:
    """One answer with what was known before it was shown."""

    answerable: bool
    right: bool
    declined: bool
    """By the model, or because nothing carries it."""
    score: float
    """Of the best unit."""
    cited: float
    """Of the best unit that carries the answer."""
    confidence: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("-f", dest="overlays", type=Path, action="append", default=[])
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--raw", type=Path, help="Also write every answer's signals here, as JSON Lines.")
    chosen = parser.parse_args()
    said = ask(load_spec(chosen.spec, chosen.overlays), chosen.split)
    if chosen.raw:
        chosen.raw.write_text("".join(json.dumps(vars(one)) + "\n" for one in said), encoding="utf-8")
    for score, confidence in itertools.product(SCORES, CONFIDENCES):
        print(json.dumps(figures(said, score, confidence)))


def ask(loaded: LoadedSpec, split: str) -> list[Said]:
    """Every question of the split, answered with no threshold."""
    spec = loaded.assistant.spec
    latest = loaded.root / spec.platform.store / "latest" / loaded.assistant.name
    accepted, built = latest / "validate" / "accepted", latest / "index" / "built"
    access = AccessPolicies.model_validate(read_json(accepted / "access.json"))
    rows = (Example.model_validate(row) for _, row in read_jsonl(accepted / "examples.jsonl"))
    examples = [e.model_copy(update={"split": "test"}) for e in rows if e.split == split]
    config = Evaluate(questions=None, unanswerable=None, behaviour=0)
    held = held_out(config, examples, access, sources_of(built))
    generator = OpenVinoGenerator(latest / "train" / "adapters" / "served" / "raft.gguf")
    with open_index(built, spec.prompt.dense_share) as library:
        router = Router(spec.router, library.embedder)
        answerer = Answerer(library, generator, spec.prompt, router, loaded.assistant.title, spec.deploy.max_new_tokens)
        return [one(answerer, question) for question in held.questions]


def one(answerer: Answerer, question: Question) -> Said:
    """One question."""
    asked = question.example.asked
    units = answerer.units(asked, question.policies)
    route = answerer.router.decide(asked)
    made = answerer.generator.generate(answerer.messages(route, asked, units), answerer.max_new_tokens)
    carrying = supporting_units(made.text, asked, units)
    declined = is_abstention(made.text, answerer.prompt) or not carrying
    right = question.kind == ANSWERABLE and answer_contained(question.example.answer, made.text, asked)
    return Said(
        question.kind == ANSWERABLE, right, declined, max((u.score for u in units), default=0.0),
        max((u.score for u in carrying), default=0.0), made.confidence or 0.0,
    )  # fmt: skip


def figures(said: list[Said], score: float, confidence: float) -> dict[str, float]:
    """What users would have got with these thresholds."""
    answerable = [s for s in said if s.answerable]
    other = [s for s in said if not s.answerable]

    def silent(one: Said) -> bool:
        return one.declined or one.score < score or one.confidence < confidence

    return {
        "least_score": score,
        "least_confidence": confidence,
        "right": _share([s.right and not silent(s) for s in answerable]),
        "wrong": _share([not s.right and not silent(s) for s in answerable]),
        "declined": _share([silent(s) for s in answerable]),
        "unanswerable_declined": _share([silent(s) for s in other]),
        "answerable_n": len(answerable),
        "unanswerable_n": len(other),
    }


def _share(flags: list[bool]) -> float:
    return round(sum(flags) / len(flags), 4) if flags else 0.0


if __name__ == "__main__":
    main()
