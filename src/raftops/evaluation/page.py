"""The report as files: `report.json` for machines, `report.html` for people, `answers.jsonl` to look again, and both
as CSV.

The page is one file without scripts or anything fetched. It quotes documents that not everyone may read, and says so.
It links to the files beside it and to its run; `release/parts.py` takes those links out of a copy that lies elsewhere.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from raftops.evaluation import plots
from raftops.evaluation.arms import CONTENDERS
from raftops.evaluation.examples import examples, outcome
from raftops.evaluation.gates import bounds
from raftops.evaluation.questions import ANSWERABLE, UNANSWERABLE
from raftops.evaluation.ranking import KS
from raftops.evaluation.report import Report, limits
from raftops.evaluation.study import Findings
from raftops.evaluation.summary import POINTS, RIVAL, Summary
from raftops.evaluation.tables import answers_csv, figures_csv
from raftops.files import write_json, write_jsonl, write_text
from raftops.release.parts import BESIDE, END, RUN
from raftops.spec.figures import DISTRACTORS, FIGURES, LOWER_IS_BETTER, PAIRS, SERVED
from raftops.svg import palette

RETRIEVERS = {"retrieval": "hybrid (served)", "bm25": "BM25 alone", "dense": "dense alone"}
COLUMNS = {figure.name: figure.label for figure in FIGURES if figure.column}
LABELS = {figure.name: figure.label for figure in FIGURES}
READERS = {
    SERVED: "what readers get",
    "extract": "the first sentence found, no model",
    "base+rag": "the base model, with evidence",
}
"""Rows of the table that stands first."""
_WHOLE = ("tokens", "read_tokens")
_CONTENTS = "<!-- contents -->"
_SECTION = re.compile(r'<section id="([a-z]+)"[^>]*>\s*<h2>(.*?)(?: <span>.*)?</h2>')


def write_report(report: Report, folder: Path) -> None:
    """Write the files. They belong together: whoever keeps a report keeps its answers."""
    write_jsonl(folder / "answers.jsonl", report.rows())
    write_text(folder / "answers.csv", answers_csv(report))
    write_text(folder / "figures.csv", figures_csv(report))
    write_json(folder / "report.json", report.as_json())
    write_text(folder / "report.html", render(report))


def render(report: Report) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("raftops.evaluation", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["amount"] = _amount
    environment.filters["verdict"] = {"passed": "pass", "failed": "fail"}.get
    found, summary = report.found, report.summary
    page = environment.get_template("report.html.j2").render(
        report=report, found=found, figures=summary.figures, pairs=summary.pairs, contenders=CONTENDERS,
        columns=COLUMNS, legend=FIGURES, retrievers=RETRIEVERS, limits=list(limits(found)), served=SERVED, rival=RIVAL,
        readers={name: said for name, said in READERS.items() if name in found.scores}, labels=LABELS,
        distractors=DISTRACTORS, latencies=summary.latencies, examples=list(examples(found)),
        plots=_plots(report), models=list(found.probes), bounds=bounds, whole=_WHOLE, points=list(POINTS.values()),
        palette={"light": palette(), "dark": palette(dark=True)}, csv=_link(figures_csv(report)),
        CONTENTS=Markup(_CONTENTS), BESIDE=Markup(BESIDE), RUN=Markup(RUN), END=Markup(END),
    )  # fmt: skip
    contents = "".join(f'<li><a href="#{id_}">{heading}</a></li>' for id_, heading in _SECTION.findall(page))
    return page.replace(_CONTENTS, contents, 1)


def _link(csv: str) -> str:
    """A table inside a link: it can be saved where no file lies beside the page, and nothing is fetched."""
    return f"data:text/csv;charset=utf-8;base64,{b64encode(csv.encode()).decode()}"


def _amount(value: float, metric: str) -> str:
    return f"{value:.0f}" if metric in _WHOLE else f"{value:.2f}" if metric == "seconds" else f"{value:.3f}"


def _plots(report: Report) -> Mapping[str, Any]:
    found, summary = report.found, report.summary
    kinds = {shown.question.kind for shown in found.shown}
    rows = {kind: {name: outcome(found, name, kind) for name in found.scores} for kind in sorted(kinds)}
    pictures = {ANSWERABLE: plots.outcomes(rows[ANSWERABLE], ("right", "declined by mistake", "wrong"))}
    if UNANSWERABLE in kinds:
        pictures[UNANSWERABLE] = plots.outcomes(rows[UNANSWERABLE], ("rightly declined", "", "answered all the same"))
    pictures["intervals"] = plots.intervals(_panels(found, summary))
    for family, (one, other) in PAIRS.items():
        if differences := summary.pairs.get(family):
            title = f"{one} minus {other}, paired, with 95 % intervals"
            pictures[family] = plots.differences(differences, LABELS, title, LOWER_IS_BETTER)
    if len(report.risk) > 1:
        pictures["risk"] = plots.coverage_risk(report.risk, report.stands)
    pictures["hits"] = plots.hit_curves(_curves(found))
    return {name: Markup(svg) for name, svg in pictures.items()}  # noqa: S704  our own drawing of our own names


def _panels(found: Findings, summary: Summary) -> dict[str, dict[str, Any]]:
    figures = summary.figures
    panels = {
        f.label: {name: figures[f"{name}.{f.name}"] for name in found.scores if f"{name}.{f.name}" in figures}
        for f in FIGURES if f.plotted
    }  # fmt: skip
    return {label: rows for label, rows in panels.items() if rows}


def _curves(found: Findings) -> dict[str, list[float]]:
    return {
        RETRIEVERS[name]: [sum(row[f"hit@{k}"] for row in rows) / len(rows) for k in KS]
        for name, rows in found.retrieval.items()
    }
