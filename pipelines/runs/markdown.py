"""A plan and an evaluation as GitHub-flavoured Markdown: comments on a pull request. Figures only, no document's text.

A comment is read by everyone who may read the repository, which is not everyone who may read the documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines.runs.plan import PlannedStep
from raftops.spec.figures import FIGURES, HEADLINES, SERVED
from raftops.spec.model.learning import Gate

if TYPE_CHECKING:  # numpy: a plan does not need it
    from raftops.evaluation.delta import Change, Delta

SHOWN = frozenset(figure.name for figure in FIGURES if figure.headline)


def plan_markdown(
    name: str,
    data: str,
    steps: Sequence[PlannedStep],
    gates: Sequence[Gate] = (),
    figures: Mapping[str, float] | None = None,
) -> str:
    """What a run would do; `figures` are those of the last evaluation, for the gates."""
    running = [step for step in steps if step.runs]
    known = [step.seconds for step in running if step.seconds is not None]
    said = f"**{len(running)} of {len(steps)} steps run**" if running else "**Nothing changed: no step runs**"
    if known:
        untimed = len(running) - len(known)
        said += f", about {_duration(sum(known))} by the last runs" + (f" ({untimed} never timed)" if untimed else "")
    lines = [f"### raftops plan: {_plain(name)}", "", f"{said}.", ""]
    lines += table(
        ("step", "", "why", "work", "time"),
        [
            (f"`{s.step}`", "**run**" if s.runs else "skip", "; ".join(s.reasons) or "nothing changed", s.work,
             _duration(s.seconds))
            for s in steps
        ],
    )  # fmt: skip
    lines.append("")
    if gates:
        last = {gate.metric: (figures or {}).get(gate.metric) for gate in gates}
        lines += table(
            ("gate", "wanted", "last figure"),
            [
                (f"`{gate.metric}`", _bounds(gate.min, gate.max),
                 "not measured yet" if (value := last[gate.metric]) is None else f"{value:.3f}")
                for gate in gates
            ],
        )  # fmt: skip
        lines.append("")
    lines += [f"Data: `{_plain(data)}` (DVC)"] if data else []
    return "\n".join(lines).rstrip() + "\n"


def report_markdown(name: str, delta: Delta, link: str = "") -> str:
    """An evaluation, and what it changed against an earlier one."""
    body, base = delta.new.body, delta.base
    lines = [f"### raftops evaluation: {_plain(name)}", "", *_verdict(delta), ""]
    shown = [_row(change) for change in delta.changes if _is_headline(change.metric)]
    lines += table(("figure", "before", "after", "change", "95 % interval", ""), shown)
    basis = (
        f"Changes with an interval are paired over the {delta.common} questions of both reports; "
        "before and after are each report's own figures."
    )
    if base is None:
        basis = "There is no earlier report to compare with."
    elif not delta.common:
        basis = "The two reports share no question with its answers, so nothing is paired: take the changes with care."
    lines += ["", basis, ""]
    if gates := body.get("gates", []):
        was = {gate["metric"]: gate["value"] for gate in base.body.get("gates", [])} if base else {}
        lines += table(
            ("gate", "wanted", "before", "after", ""),
            [
                (f"`{g['metric']}`", _bounds(g["min"], g["max"]), _value(was.get(g["metric"])), _value(g["value"]),
                 "passed" if g["passed"] else "not judged" if g.get("verdict") == "not judged" else "**failed**")
                for g in gates
            ],
        )  # fmt: skip
        lines.append("")
    lines += [f"- {_plain(limit)}" for limit in body.get("limits", [])]
    if link:
        address = link.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
        lines += ["", f"[The whole report]({address})"]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(delta: Delta) -> Iterator[str]:
    """Winner, gates and the report's own conclusion in three short lines."""
    body = delta.new.body
    winner, before = body.get("winner") or "none", delta.base.body.get("winner") if delta.base else None
    changed = f" (before: `{_plain(str(before))}`)" if before and before != winner else ""
    judged = [gate for gate in body.get("gates", []) if gate.get("verdict") != "not judged"]
    failed = [gate for gate in judged if not gate["passed"]]
    gates = f"{len(failed)} of {len(judged)} gates did **not** pass" if failed else "all gates passed"
    yield f"Winner: `{_plain(str(winner))}`{changed}; {gates if judged else 'no gate was judged'}."
    worse = [change.metric for change in delta.changes if change.verdict == "worse" and _is_headline(change.metric)]
    better = [change.metric for change in delta.changes if change.verdict == "better" and _is_headline(change.metric)]
    if worse or better:
        yield f"Beyond chance: {len(better)} better, {len(worse)} worse" + (f" ({', '.join(worse)})." if worse else ".")
    yield from (f"**{_plain(alarm['said'])}**" for alarm in body.get("alarms", []))
    headline = body.get("conclusion", {}).get("headline", "")
    if headline:
        yield f"Was it worth it? {_plain(headline)}"


def _is_headline(metric: str) -> bool:
    arm, _, last = metric.rpartition(".")
    return metric in HEADLINES or (arm == SERVED and last in SHOWN)


def _row(change: Change) -> tuple[str, ...]:
    before = "-" if change.before is None else f"{change.before:.3f}"
    paired = change.paired
    if paired:
        moved, interval = f"{paired.delta:+.3f}", f"{paired.low:+.3f} to {paired.high:+.3f}"
    else:
        moved = "-" if change.before is None else f"{change.after - change.before:+.3f}"
        interval = "-"
    marks = {"better": "better", "worse": "**worse**", "within chance": "within chance", "": ""}
    return (f"`{change.metric}`", before, f"{change.after:.3f}", moved, interval, marks[change.verdict])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; cells are text, except what begins as code or bold."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = (cell if cell.startswith(("`", "**")) else _plain(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _plain(text: str) -> str:
    """Text that Markdown takes for text: one line, no table cell, no markup, no mention of a person."""
    flat = " ".join(text.split()).replace("\\", "\\\\").replace("@", "@\u200b")
    for mark in "|`*_[]<>#":
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def _bounds(least: float | None, most: float | None) -> str:
    bounds = [f"at least {least:g}"] if least is not None else []
    bounds += [f"at most {most:g}"] if most is not None else []
    return " and ".join(bounds) or "measured"


def _value(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
