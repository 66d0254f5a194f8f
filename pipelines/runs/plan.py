"""What a run would do, before it does it: run or skip, why, how much work, how long. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.runs.effort import growth
from pipelines.runs.history import History
from pipelines.runs.record import RunRecord, StepRecord
from pipelines.wiring.compile import Compiled
from pipelines.wiring.steps import LEARNED, TABLE
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, StepName


@dataclass(frozen=True)
class PlannedStep:
    """One line of a plan."""

    step: StepName
    runs: bool
    reasons: tuple[str, ...]
    work: str
    """Expected work, such as "about 1,200 passages, of which 8 to embed"."""
    seconds: float | None
    """Time by past runs of this step here, scaled to the work; None where there was none."""
    key: str


def plan(assistant: Assistant, compiled: Compiled, store: History) -> list[PlannedStep]:
    """Compare the keys with the results in the store."""
    records = store.records(assistant.name)
    planned: list[PlannedStep] = []
    for step in STEPS:
        key = compiled.keys[step].digest
        if (result := store.result(step, key)) is not None:
            planned.append(PlannedStep(step, False, (result.note,) if result.note else (), "", None, key))
            continue
        share = _share(step, assistant, compiled, records)
        reasons = _reasons(step, compiled, records, {p.step for p in planned if p.runs})
        last = _last(records, step)
        work = _work(step, assistant, compiled, last.steps[step] if last else None, share)
        times = [r.steps[step].seconds for r in records if step in r.steps and r.steps[step].status == "done"]
        seconds = round(times[0] * share, 1) if times else None
        if times and TABLE[step].incremental:
            # A part of the documents takes that part of the longest time, but not less than the shortest.
            seconds = round(max(max(times) * share, min(times)), 1)
        planned.append(PlannedStep(step, True, reasons, work, seconds, key))
    return planned


def _last(records: Sequence[RunRecord], step: StepName) -> RunRecord | None:
    """The newest run in which the step really ran."""
    return next((r for r in records if step in r.steps and r.steps[step].status == "done"), None)


def _reference(records: Sequence[RunRecord], step: StepName) -> RunRecord | None:
    """The newest run in which the step had a result."""
    fine = ("done", "skipped")
    return next((r for r in records if step in r.steps and r.steps[step].status in fine), None)


def _reasons(
    step: StepName, compiled: Compiled, records: Sequence[RunRecord], running: set[StepName]
) -> tuple[str, ...]:
    record = _reference(records, step)
    if record is None:
        return ("never run here",)
    changed = compiled.keys[step].changed(record.steps[step].parts)
    if not changed:
        return ("its release is not the current one",) if step == "deploy" else ("its result is gone",)
    reasons = []
    for part in changed:
        if part == "documents":
            reasons.append(f"documents: {_difference(compiled.inputs.documents, record.documents)}")
        elif part == "examples":
            reasons.append(f"examples: {_difference(compiled.inputs.examples, record.examples)}")
        elif part == LEARNED:
            reasons.append("weights would remember a document that is gone or left the audience")
        elif part.startswith("step "):
            upstream = part.removeprefix("step ")
            reasons.append(f"{upstream} runs" if upstream in running else f"{upstream}: another result")
        else:
            reasons.append(f"{part} changed")
    return tuple(reasons)


def _difference(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """ "2 changed, 1 deleted" of two sets of hashes."""
    counts = {
        "added": len(now.keys() - before.keys()),
        "changed": sum(1 for name in now.keys() & before.keys() if now[name] != before[name]),
        "deleted": len(before.keys() - now.keys()),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "settings"


def _share(step: StepName, assistant: Assistant, compiled: Compiled, records: Sequence[RunRecord]) -> float:
    """How much of a step's last work a run does: parsing and embedding are kept by content, training grows and shrinks
    with the examples and epochs that the spec asks for."""
    row, last = TABLE[step], _last(records, step)
    if row.unit in ("examples", "tokens") and last:
        examples, trained = growth(assistant, len(compiled.inputs.examples), last)
        return examples if row.unit == "examples" else trained
    record = _reference(records, step)
    if not row.incremental or record is None or not compiled.inputs.documents:
        return 1.0
    changed = {part for s in (*row.follows, step) for part in compiled.keys[s].changed(record.steps[s].parts)}
    documents = compiled.inputs.documents
    new = sum(record.documents.get(name) != version for name, version in documents.items())
    return new / len(documents) if changed <= row.incremental else 1.0


def _work(step: StepName, assistant: Assistant, compiled: Compiled, before: StepRecord | None, share: float) -> str:
    unit, figures = TABLE[step].unit, before.metrics if before else {}
    documents = len(compiled.inputs.documents)
    if unit == "documents":
        return f"{round(documents * share)} of {documents} documents"
    if unit == "passages":
        rows = figures.get("rows")
        return (
            f"about {round(rows * share):,} of {round(rows):,} passages to embed" if rows else "all passages to embed"
        )
    if unit == "examples":
        return f"{assistant.spec.augment.max_examples or len(compiled.inputs.examples):,} examples at most"
    if unit == "tokens":
        tokens = figures.get("tokens", 0.0) * share
        # Two digits that count: it is a guess.
        guess = int(round(tokens, 2 - len(str(int(tokens))))) if tokens >= 100 else round(tokens)
        about = f"about {guess:,} tokens to train" if figures.get("tokens") else ""
        several = f"{count} candidates, " if (count := len(assistant.spec.train.candidates)) else ""
        return several + (about or "tokens to train: known after the first run")
    if unit == "questions":
        asked = assistant.spec.evaluate.questions
        arms = sum(arm != "extract" for arm in assistant.spec.evaluate.arms)  # that one asks no model
        return f"{arms} arms x {asked or 'all'} held-out questions"
    return "one release"
