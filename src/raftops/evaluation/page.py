"""The report as files: `report.json` for machines, `report.html` for people, `answers.jsonl` to look again.

The page is one file without scripts or anything fetched. It quotes documents that not everyone may read, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from raftops.evaluation import plots
from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.examples import examples, outcome
from raftops.evaluation.questions import ANSWERABLE, UNANSWERABLE
from raftops.evaluation.ranking import KS
from raftops.evaluation.report import Report, limits
from raftops.evaluation.study import SERVED, Findings
from raftops.evaluation.summary import RIVAL, Summary
from raftops.files import write_json, write_jsonl, write_text

RETRIEVERS = {"retrieval": "hybrid (served)", "bm25": "BM25 alone", "dense": "dense alone"}
COLUMNS = {
    "answer_contained": "Right answers", "f1": "Token F1", "citation_precision": "Citation precision",
    "citation_recall": "Citation recall", "abstention": "Declines the unanswerable",
    "over_refusal": "Declines by mistake", "wrong": "Wrong answers", "tokens": "Tokens", "seconds": "Seconds",
}  # fmt: skip
PLOTTED = ("answer_contained", "f1", "citation_precision", "citation_recall")


def write_report(report: Report, folder: Path) -> None:
    """Write the three files."""
    write_jsonl(folder / "answers.jsonl", report.rows())
    write_json(folder / "report.json", report.as_json())
    write_text(folder / "report.html", render(report))


def render(report: Report) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("raftops.evaluation", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["amount"] = _amount
    found, summary = report.found, report.summary
    return environment.get_template("report.html.j2").render(
        report=report, found=found, figures=summary.figures, paired=summary.paired, contenders=CONTENDERS,
        columns=COLUMNS, retrievers=RETRIEVERS, limits=list(limits(found)), served=SERVED, rival=RIVAL,
        examples=list(examples(found)), plots=_plots(found, summary), models=list(found.probes),
    )  # fmt: skip


def _amount(value: float, metric: str) -> str:
    return {"tokens": f"{value:.0f}", "seconds": f"{value:.2f}"}.get(metric, f"{value:.3f}")


def _plots(found: Findings, summary: Summary) -> Mapping[str, Any]:
    kinds = {shown.question.kind for shown in found.shown}
    rows = {kind: {name: outcome(found, name, kind) for name in found.scores} for kind in sorted(kinds)}
    pictures = {ANSWERABLE: plots.outcomes(rows[ANSWERABLE], ("right", "declined by mistake", "wrong"))}
    if UNANSWERABLE in kinds:
        pictures[UNANSWERABLE] = plots.outcomes(rows[UNANSWERABLE], ("rightly declined", "", "answered all the same"))
    pictures["intervals"] = plots.intervals(_panels(found, summary))
    if summary.paired:
        pictures["paired"] = plots.differences(summary.paired, COLUMNS)
    pictures["hits"] = plots.hit_curves(_curves(found))
    return {name: Markup(svg) for name, svg in pictures.items()}  # noqa: S704  our own drawing of our own names


def _panels(found: Findings, summary: Summary) -> dict[str, dict[str, Any]]:
    figures = summary.figures
    panels = {
        COLUMNS[metric]: {name: figures[f"{name}.{metric}"] for name in found.scores if f"{name}.{metric}" in figures}
        for metric in PLOTTED
    }
    return {label: rows for label, rows in panels.items() if rows}


def _curves(found: Findings) -> dict[str, list[float]]:
    return {
        RETRIEVERS[name]: [sum(row[f"hit@{k}"] for row in rows) / len(rows) for k in KS]
        for name, rows in found.retrieval.items()
    }
