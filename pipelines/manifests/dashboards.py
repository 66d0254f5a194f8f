"""Grafana's dashboards inside config maps: JSON with panels that ask something, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, listing, mapping

LABEL = "grafana_dashboard"
"""Label of config maps that Grafana's sidecar takes up."""


def dashboards(resource: Resource) -> Iterator[Finding]:
    """Dashboards that Grafana would refuse or show empty."""
    if resource.kind == "ConfigMap" and at(resource.body, "metadata", "labels", LABEL):
        for key, text in mapping(resource.body.get("data")).items():
            path: Path = ("data", str(key))
            try:
                board = json.loads(str(text))
            except ValueError as error:
                yield resource.finding(path, f"not valid JSON: {error}", "mend the dashboard's file")
                continue
            yield from _board(resource, path, board)


def queries(board: Any) -> list[str]:
    """Every query of a dashboard: of its panels and its annotations."""
    found = [target.get("expr") for panel in _panels(board) for target in listing(panel.get("targets"))]
    found += [mapping(row).get("expr") for row in listing(at(board, "annotations", "list"))]
    return [str(query) for query in found if query]


def _panels(board: Any) -> list[Any]:
    rows = [mapping(panel) for panel in listing(mapping(board).get("panels"))]
    return [panel for row in rows for panel in [row, *map(mapping, listing(row.get("panels")))]]


def _board(resource: Resource, path: Path, board: Any) -> Iterator[Finding]:
    for field in ("uid", "title", "panels"):
        if not mapping(board).get(field):
            yield resource.finding((*path, field), "missing", f"give the dashboard its {field}")
    seen: list[Any] = []
    for number, panel in enumerate(_panels(board)):
        place: Path = (*path, "panels", number)
        if panel.get("id") in seen:
            yield resource.finding((*place, "id"), f"{panel.get('id')} stands twice", "give every panel a number")
        seen.append(panel.get("id"))
        for index, target in enumerate(listing(panel.get("targets"))):
            if not mapping(target).get("expr"):
                yield resource.finding((*place, "targets", index, "expr"), "asks nothing", "write the query")
