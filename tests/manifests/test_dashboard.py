"""The dashboard and the autoscaler ask for what the service counts, by its names and labels."""

from __future__ import annotations

import json
import re
from typing import Any

import promql_parser
import pytest

from raftops.service.metrics import Metrics
from tests.manifests.samples import everything

BY_PROMETHEUS = {"namespace", "pod", "service", "job", "instance"}
"""Labels that the scrape adds."""
GRAFANAS = {"$__rate_interval": "5m", "$namespace": "raftops"}


def board() -> Any:
    resource = next(r for r in everything() if r.name == "raftops-dashboard")
    return json.loads(resource.body["data"]["raftops.json"])


def panels() -> list[Any]:
    return [panel for row in board()["panels"] for panel in [row, *row.get("panels", [])]]


def queries() -> list[str]:
    asked = [target.get("expr") for panel in panels() for target in panel.get("targets", [])]
    return [*asked, *(row["expr"] for row in board().get("annotations", {}).get("list", []) if "expr" in row)]


def registered() -> dict[str, set[str]]:
    """Names of the series that the service exports, and their labels."""
    found: dict[str, set[str]] = {}
    for family in Metrics().registry.collect():
        collector = next(c for c, names in _collectors() if family.name in names or f"{family.name}_total" in names)
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}[family.type]
        for suffix in suffixes:
            found[family.name + suffix] = set(collector._labelnames) | ({"le"} if suffix == "_bucket" else set())
    return found


def _collectors() -> list[tuple[Any, list[str]]]:
    return [(c, list(names)) for c, names in Metrics().registry._collector_to_names.items()]


def parsed(query: str) -> Any:
    for variable, value in GRAFANAS.items():
        query = query.replace(variable, value)
    return promql_parser.parse(query)


def selectors(query: str) -> list[Any]:
    found: list[Any] = []

    def collect(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(parsed(query), pre_visit=collect)
    return found


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_series_that_the_service_exports(query: str) -> None:
    assert selectors(query)
    for selector in selectors(query):
        assert selector.name in registered()
        labels = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', str(selector.matchers)))
        assert labels <= registered()[selector.name] | BY_PROMETHEUS


@pytest.mark.parametrize("query", queries())
def test_a_query_groups_by_labels_that_the_series_have(query: str) -> None:
    groups = {
        word.strip() for group in re.findall(r"\b(?:by|ignoring) \(([^)]*)\)", query) for word in group.split(",")
    }
    assert groups <= set().union(*(registered()[selector.name] for selector in selectors(query)))


def test_every_count_of_the_service_is_shown() -> None:
    shown = {selector.name.removesuffix("_bucket") for query in queries() for selector in selectors(query)}
    families = {name.removesuffix("_bucket") for name in registered() if not name.endswith(("_sum", "_count"))}
    assert shown == families


def test_a_query_of_nothing_would_be_noticed() -> None:
    assert selectors("rate(raftops_made_up_total[5m])")[0].name not in registered()


def test_the_autoscaler_reads_a_gauge_of_the_service() -> None:
    scaler = next(r for r in everything() if r.kind == "HorizontalPodAutoscaler")
    names = [metric["pods"]["metric"]["name"] for metric in scaler.body["spec"]["metrics"]]
    gauges = {family.name for family in Metrics().registry.collect() if family.type == "gauge"}
    assert names and set(names) <= gauges


def test_grafana_takes_the_dashboard_and_every_panel_asks_something_once() -> None:
    assert board()["uid"] and board()["title"]
    numbers = [panel["id"] for panel in panels()]
    assert numbers and len(numbers) == len(set(numbers))
    assert all(queries()) and all(panel.get("targets") or panel["type"] == "row" for panel in panels())
