"""A written report as Kubeflow's screens show it: one page, a summary in Markdown, the router's decisions as a matrix.

Reads `report.json` and `report.html`. The summary holds figures only; the page quotes documents, and says who may read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raftops.files import read_json, write_text
from raftops.release.parts import BESIDE, RUN, without_links
from raftops.spec.figures import FIGURES

FETCHES, FORM = "needs documents", "form only"
SHOWN = tuple(figure for figure in FIGURES if figure.column and figure.headline)


def show(report: Path, page: Path, summary: Path) -> None:
    """Copy the page, without the links to what does not lie beside it there, and write the summary."""
    write_text(page, without_links((report / "report.html").read_text(encoding="utf-8"), BESIDE, RUN))
    write_text(summary, "\n".join(_summary(read_json(report / "report.json"))) + "\n")


def router_matrix(report: Path) -> tuple[list[str], list[list[int]]]:
    """Categories, and how many requests of each (row) the router took for each (column); zeros where none was asked."""
    counts = {(wanted, taken): 0 for wanted in (FETCHES, FORM) for taken in (FETCHES, FORM)}
    for kind, routes in read_json(report / "report.json")["router"].items():
        for route, number in routes.items():
            counts[_category(kind), _category(route)] += number
    return [FETCHES, FORM], [[counts[wanted, taken] for taken in (FETCHES, FORM)] for wanted in (FETCHES, FORM)]


def _category(name: str) -> str:
    return FORM if name == "behaviour" else FETCHES


def _summary(body: Mapping[str, Any]) -> Iterator[str]:
    yield "# Evaluation"
    yield ""
    yield f"Best cited arm: **{body['winner'] or 'none'}**. {body['conclusion']['headline']}"
    yield ""
    if readers := body["conclusion"].get("readers"):
        yield readers
        yield ""
    yield from (f"**{alarm['said']}** Next: {alarm['advice']}\n" for alarm in body.get("alarms", []))
    yield from _gates(body)
    yield f"| arm | {' | '.join(figure.label for figure in SHOWN)} |"
    yield f"|---|{'---:|' * len(SHOWN)}"
    for arm, figures in body["arms"].items():
        yield f"| {arm} | {' | '.join(_figure(figures.get(figure.name)) for figure in SHOWN)} |"
    if body["limits"]:
        yield ""
        yield "Not asked: " + "; ".join(body["limits"]) + "."


def _gates(body: Mapping[str, Any]) -> Iterator[str]:
    gates = body["gates"]
    if body["held"]:
        yield "**Held back, nothing is released:**"
        yield from (f"- {reason}" for reason in body["held"])
    else:
        yield f"Released: {sum(gate['passed'] for gate in gates)} of {len(gates)} gates passed."
    unjudged = [f"{gate['metric']} ({gate['note']})" for gate in gates if gate.get("verdict") == "not judged"]
    if unjudged:
        yield f"Not judged: {'; '.join(unjudged)}."
    yield ""


def _figure(interval: Mapping[str, float] | None) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})" if interval else "-"
