"""A plan for the cluster as people and machines read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipelines.runs.cost import StepCost, Total, total
from pipelines.runs.markdown import table
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import as_json
from raftops.spec.model.platform import Resources

COLUMNS = ("step", "", "why", "work", "resources", "hours", "GPU hours", "cost")
_COUNTED = {True: "run", False: "are skipped", None: "may run"}
_OF_DEVICES = COLUMNS.index("GPU hours")


def cost_table(assistant: Assistant, steps: Sequence[StepCost]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows; none about accelerators where no step asks for one."""
    rows = [COLUMNS, *(cost_row(step, assistant) for step in steps)]
    if not any(step.resources.accelerator for step in steps):
        rows = [(*row[:_OF_DEVICES], *row[_OF_DEVICES + 1 :]) for row in rows]
    return rows[0], rows[1:]


def cost_row(step: StepCost, assistant: Assistant) -> tuple[str, ...]:
    """A line of the table."""
    if step.runs is False:
        return (step.step, "skip", step.why, step.work, "", "-", "-", "-")
    decision = "run" if step.runs else "?"
    hours = f"about {step.hours:.2f}" if step.hours is not None else f"unknown, at most {step.limit_hours:g}"
    device_hours = cost = "-"
    if step.resources.accelerator:
        expected, most = step.accelerator_hours, step.limit_accelerator_hours
        device_hours = f"about {expected:.2f}" if expected is not None else f"at most {most:g}"
    if prices := assistant.spec.platform.prices:
        money = f"about {step.cost:.2f}" if step.cost is not None else f"at most {step.limit_cost or 0:.2f}"
        cost = f"{money} {prices.currency}"
    asked = resources_text(step.resources, step.nodes)
    return (step.step, decision, step.why, step.work, asked, hours, device_hours, cost)


def resources_text(resources: Resources, nodes: int = 1) -> str:
    """What a step asks for, such as "8 cpu, 32Gi, 1 nvidia.com/gpu"."""
    accelerator = resources.accelerator
    parts = [f"{resources.cpu} cpu", resources.memory]
    parts += [f"{accelerator.count} {accelerator.type}"] if accelerator else []
    return (f"{nodes} x " if nodes > 1 else "") + ", ".join(parts)


def cost_lines(assistant: Assistant, steps: Sequence[StepCost], unknown: str) -> list[str]:
    """What is printed below the table: sums, what is unknown, the budget."""
    lines = [f"which steps are skipped is unknown: {unknown}"] if unknown else []
    platform, sums = assistant.spec.platform, total(steps)
    counts = {answer: sum(s.runs is answer for s in steps) for answer in (True, False, None)}
    said = [f"{counts[answer]} {what}" for answer, what in _COUNTED.items() if counts[answer]]
    lines.append(f"of {len(steps)} steps {', '.join(said)}; {_sum(assistant, sums)}")
    sources = dict.fromkeys(f"{s.step} by {s.hours_from}" for s in steps if s.hours_from)
    lines += [f"hours of {', '.join(sources)}"] if sources else []
    if platform.budget is not None and platform.prices:
        kept = sums.ceiling <= platform.budget
        verdict = "kept" if kept else "exceeded: raftops submit would refuse this run"
        lines.append(f"budget {platform.budget:.2f} {platform.prices.currency}: {verdict}")
    return lines


def _sum(assistant: Assistant, sums: Total) -> str:
    prices = assistant.spec.platform.prices
    devices = f", {sums.accelerator_hours:.2f} GPU hours" if sums.accelerator_hours else ""
    text = f"about {sums.hours:.2f} hours{devices}"
    if prices:
        text += f", about {sums.cost:.2f} {prices.currency}"
    if sums.untimed and not sums.hours:
        text = "hours unknown"
    if sums.untimed:
        text += f"; no past run tells the time of {', '.join(sums.untimed)}"
        most = [f"{sums.ceiling:.2f} {prices.currency}"] if prices else []
        most += [f"{sums.accelerator_ceiling:g} GPU hours"] if sums.accelerator_ceiling else []
        text += f", so at most {' and '.join(most)} by the time limits" if most else ""
    return text if prices else f"{text}; no cost: platform.prices is not set"


def costs_json(assistant: Assistant, steps: Sequence[StepCost], unknown: str) -> dict[str, Any]:
    """The plan for machines."""
    platform = assistant.spec.platform
    rows = [asdict(s) | {"resources": as_json(s.resources), "accelerator_hours": s.accelerator_hours} for s in steps]
    return {
        "name": assistant.name, "on": "kubeflow", "steps": rows, "total": asdict(total(steps)), "unknown": unknown,
        "currency": platform.prices.currency if platform.prices else None, "budget": platform.budget,
    }  # fmt: skip


def costs_markdown(assistant: Assistant, steps: Sequence[StepCost], unknown: str) -> str:
    """The plan as a comment on a pull request."""
    rows = table(*cost_table(assistant, steps))
    lines = [f"- {line}" for line in cost_lines(assistant, steps, unknown)]
    return "\n".join([f"### raftops plan on Kubeflow: {assistant.name}", "", *rows, "", *lines]) + "\n"
