"""The report where there is nothing to evaluate: no example is held out. Says so in words, and what is served then.

Asks no model. What is served without a measurement is what can be checked one by one: quotes. A gate of the spec fails,
since what it is about was not measured; the standard ones are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from raftops.data.records import Example
from raftops.evaluation.conclusion import Alarm, Conclusion
from raftops.evaluation.gates import check_gates, reasons
from raftops.evaluation.policy import Answering, Policy
from raftops.files import read_json, sha256_json, write_json, write_jsonl, write_text
from raftops.spec.model.base import Arm
from raftops.spec.model.learning import Evaluate, Prompt

ADVICE = (
    "raftops examples draft SPEC makes questions of your documents, raftops examples review accepts them; "
    "or raftops examples import takes yours"
)
KINDS: dict[Policy, str] = {
    "quote": "quotes: the sentence of a document that answers best, word for word, or none",
    "both": "the model's words, with the sentence that proves them",
    "short": "the model's words, where a sentence proves them",
}


def can_be_measured(examples: Sequence[Example]) -> bool:
    """Whether there is a held-out example that has an answer."""
    return any(example.split == "test" and not example.unanswerable for example in examples)


def write_unmeasured(  # noqa: PLR0913  what was to be measured, and where it goes
    title: str, config: Evaluate, prompt: Prompt, examples: Sequence[Example], adapters: Path, report: Path
) -> None:
    """Write `report.json`, `report.html` and `answers.jsonl` (empty) of an evaluation that asks nothing."""
    about = read_json(adapters / "train.json")
    winner: Arm = "raft" if about.get("raft", {}).get("init_from") else "base+rag"
    answering = Answering(
        "quote" if prompt.answer == "auto" else prompt.answer, prompt.least_confidence, prompt.least_quote, 0,
        "nothing: no question was asked" if prompt.answer == "auto" else "the spec",
    )  # fmt: skip
    there = (
        f"of {len(examples)} examples none that has an answer is held out (data.splits.test)"
        if examples
        else "there are no examples"
    )
    served = f"Readers get {KINDS[answering.policy]}."
    gates = check_gates(config.gates, {})
    conclusion = Conclusion(
        "unknown", f"Nothing to evaluate: {there}.",
        (served, "How often that is right, wrong or declined, nobody measured: do not take it for good."),
        f"Nothing was evaluated: {there}. {served}",
    )  # fmt: skip
    alarms = [Alarm("How often the answers are right was not measured.", ADVICE)]
    body = {
        "metrics": {}, "arms": {}, "paired": {}, "winner": winner, "answering": asdict(answering),
        "alarms": [asdict(alarm) for alarm in alarms], "conclusion": asdict(conclusion),
        "gates": [asdict(gate) for gate in gates], "held": reasons(gates), "questions": {}, "limits": [],
        "left_out": [], "router": {}, "slices": {}, "positions": {}, "coverage_risk": {}, "leaks": [],
        "training_sources": None, "audience": [],
    }  # fmt: skip
    write_jsonl(report / "answers.jsonl", ())
    write_json(report / "report.json", body | {"identity": sha256_json(body)})
    environment = Environment(
        loader=PackageLoader("raftops.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("unmeasured.html.j2")
    held = reasons(gates)
    write_text(report / "report.html", page.render(title=title, said=conclusion, alarms=alarms, held=held))
