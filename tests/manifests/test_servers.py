"""Held against what servers of Kubernetes 1.30 to 1.36 do: one mistake of each kind, and the unusual that is none."""

from __future__ import annotations

import copy
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.manifests import MINORS, Finding, Resource, check
from pipelines.manifests.read import read
from pipelines.manifests.schedules import is_schedule
from tests.manifests.broken import GONE
from tests.manifests.mutation import mutate

HERE = Path(__file__).parent / "servers"
REFUSED = yaml.safe_load((HERE / "refused.yaml").read_text(encoding="utf-8"))
ACCEPTED = yaml.safe_load((HERE / "accepted.yaml").read_text(encoding="utf-8"))
NEWEST = MINORS[-1]


@cache
def good() -> tuple[Resource, ...]:
    found = read(HERE / "resources.yaml")
    specs = {resource.kind: resource.body["spec"] for resource in found if "spec" in resource.body}
    shared = {"BARE": specs["Deployment"]["template"]["spec"], "JOB": specs["Job"]}
    return tuple(Resource(filled(dict(resource.body), shared), "good") for resource in found)


def filled(value: Any, shared: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: filled(item, shared) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, shared) for item in value]
    return copy.deepcopy(shared.get(value, value)) if isinstance(value, str) else value


def changed(kind: str, changes: dict[str, Any], minor: str = NEWEST) -> list[Finding]:
    """What is found about the resource of a kind with changes in it."""
    resources = list(good())
    place = next(index for index, resource in enumerate(resources) if resource.kind == kind)
    body = copy.deepcopy(dict(resources[place].body))
    for path, value in changes.items():
        mutate(body, path, GONE if value == "GONE" else copy.deepcopy(value))
    resources[place] = Resource(body, "changed")
    return [finding for finding in check(resources, minor) if finding.resource.startswith(f"{kind} ")]


def called(row: list[Any]) -> str:
    return f"{row[0]}-{'-'.join(row[1])}"[:70]


@pytest.mark.parametrize("minor", MINORS)
def test_what_is_good_gives_no_finding(minor: str) -> None:
    assert check(good(), minor) == []


@pytest.mark.parametrize("row", REFUSED, ids=called)
def test_what_a_server_refuses_is_found_at_its_place(row: list[Any]) -> None:
    kind, changes, path = row
    findings = changed(kind, changes)
    assert path in [finding.path for finding in findings], [str(finding) for finding in findings]


@pytest.mark.parametrize("row", ACCEPTED, ids=called)
def test_what_a_server_accepts_gives_no_finding(row: list[Any]) -> None:
    assert changed(*row) == []


def test_no_two_rows_are_the_same() -> None:
    assert not [row for row, count in Counter(map(str, [*REFUSED, *ACCEPTED])).items() if count > 1]


C = "spec.containers[0]"
BLOCK = "spec.egress[0].to[0].ipBlock"
ROOT = {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
IMAGE = {"name": "i", "image": {"reference": "example.com/m@sha256:" + "5e" * 32}}
ACTION = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [7]}}]
BY_MINOR: list[tuple[str, str, dict[str, Any], str, str]] = [
    # what changes, kind, changes, the first minor version that refuses it, the last one
    ("a hook sleeps for no time", "Pod", {f"{C}.lifecycle.preStop.sleep.seconds": 0}, "1.30", "1.32"),
    ("a variable with a space", "Pod", {f"{C}.env[0].name": "A B"}, "1.30", "1.31"),
    ("a service begins with a digit", "Service", {"metadata.name": "1svc"}, "1.30", "1.35"),
    ("bits of the host in a network", "NetworkPolicy", {BLOCK: {"cidr": "10.0.0.1/8"}}, "1.36", "1.36"),
    ("zeros before a number of a network", "NetworkPolicy", {BLOCK: {"cidr": "010.0.0.0/8"}}, "1.36", "1.36"),
    ("zeros before a number of an address", "Pod", {"spec.dnsConfig": {"nameservers": ["10.0.0.01"]}}, "1.36", "1.36"),
    ("a network without a length", "NetworkPolicy", {BLOCK: {"cidr": "10.0.0.0"}}, "1.30", "1.36"),
    ("an init container of its own policy", "Pod", {"spec.initContainers[0].restartPolicy": "Never"}, "1.30", "1.34"),
    ("a container of its own policy", "Pod", {f"{C}.restartPolicy": "Never"}, "1.30", "1.34"),
    ("all containers anew", "Pod", {f"{C}.restartPolicy": "Never", f"{C}.restartPolicyRules": ACTION}, "1.30", "1.35"),
    ("a probe of another host", "Pod", {f"{C}.livenessProbe.httpGet.host": "10.0.0.1"}, "1.34", "1.36"),
    ("root among users of its own", "Pod", {"spec.hostUsers": False, "spec.securityContext": ROOT}, "1.30", "1.34"),
    ("an image as a volume", "Pod", {"spec.volumes[2]": IMAGE}, "1.30", "1.32"),
    ("a sysctl that became safe", "Pod",
     {"spec.securityContext.sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}, "1.30", "1.31"),
    ("traffic on the same node", "Service", {"spec.trafficDistribution": "PreferSameNode"}, "1.30", "1.33"),
    ("a domain with an underscore", "Pod", {"spec.dnsConfig": {"searches": ["_a.b"]}}, "1.30", "1.32"),
    ("no pod of a set may be away", "StatefulSet",
     {"spec.updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}, "1.35", "1.36"),
    ("tolerations that compare", "Pod", {"spec.tolerations[0].operator": "Gt"}, "1.30", "1.36"),
    ("no replica at least", "HorizontalPodAutoscaler", {"spec.minReplicas": 0}, "1.30", "1.36"),
]  # fmt: skip


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("case", BY_MINOR, ids=lambda case: case[0].replace(" ", "-"))
def test_a_rule_holds_for_the_servers_that_have_it(case: tuple[str, str, dict[str, Any], str, str], minor: str) -> None:
    _, kind, changes, first, last = case
    assert bool(changed(kind, changes, minor)) == (first <= minor <= last)


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("ConfigMap", {"metadata.annotations": {"a": "x" * 256 * 1024}}, "metadata.annotations"),
        ("ConfigMap", {"data": {"A": "x" * (1024 * 1024 + 1)}}, "data"),
        ("Secret", {"stringData": {"A": "x" * (1024 * 1024 + 1)}}, "data"),
        ("ConfigMap", {"metadata.name": "a" * 254}, "metadata.name"),
    ],
)
def test_what_is_too_large(kind: str, changes: dict[str, Any], path: str) -> None:
    assert path in [finding.path for finding in changed(kind, changes)]


@pytest.mark.parametrize("text", ["0 3 * * *", "*/5 0-6,22 ? JAN-Mar sun", "@daily", "@every 1h30m", "0/15 * * * *"])
def test_a_schedule(text: str) -> None:
    assert is_schedule(text)


@pytest.mark.parametrize(
    "text", ["", "0 3 * *", "60 3 * * *", "0 3 * * 7", "*/0 * * * *", "5-1 * * * *", "@fortnightly"]
)
def test_no_schedule(text: str) -> None:
    assert not is_schedule(text)
