"""What a server refuses about containers: restarts of their own, what only some may have, claims of devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.probes import PROBES
from pipelines.manifests.resource import Container, listing, mapping

RULES_SINCE = 35
"""The minor version from which every container may have a restart policy of its own, with rules."""
_ALL_SINCE = 36
_POLICIES = ("Always", "OnFailure", "Never")
_MOST_RULES, _MOST_CODES = 20, 255
_OF_SIDECARS = (*PROBES, "lifecycle")


def containers(container: Container, minor: int) -> Iterator[Finding]:
    """Mistakes in a container, for a minor version of the server."""
    resource, path, body = container.pod.owner, container.path, container.body
    image = body.get("image")
    if not image:
        yield resource.finding((*path, "image"), "missing", "name the image")
    elif isinstance(image, str) and image != image.strip():
        yield resource.finding((*path, "image"), "a space before or after", "remove it")
    if "ephemeralContainers" in path:
        yield resource.finding(path, "not in a file", "kubectl debug adds it to a pod that runs")
    starts_pod = "initContainers" in path
    yield from _restarts(container, starts_pod, minor)
    if starts_pod and body.get("restartPolicy") != "Always":
        for field in _OF_SIDECARS:
            if body.get(field):
                mend = "remove it, or set restartPolicy: Always"
                yield resource.finding((*path, field), "not in an init container that ends", mend)
    yield from _host_ports(container)
    yield from _resizing(container)
    yield from _claimed(container)


def _restarts(container: Container, starts_pod: bool, minor: int) -> Iterator[Finding]:
    resource, path, policy = container.pod.owner, container.path, container.body.get("restartPolicy")
    allowed = _POLICIES if minor >= RULES_SINCE else ("Always",) if starts_pod else ()
    if policy is not None and policy not in allowed:
        what = f"{policy!r:.40} is not allowed in this container by Kubernetes 1.{minor}"
        yield resource.finding(
            (*path, "restartPolicy"), what, f"one of {', '.join(allowed)}" if allowed else "remove it"
        )
    rules = listing(container.body.get("restartPolicyRules"))
    if not rules or minor < RULES_SINCE:
        return
    if policy is None:
        yield resource.finding((*path, "restartPolicy"), "missing beside restartPolicyRules", "say what else happens")
    if len(rules) > _MOST_RULES:
        yield resource.finding((*path, "restartPolicyRules"), f"{len(rules)} rules", f"at most {_MOST_RULES}")
    for index, rule in enumerate(rules):
        yield from _rule(container, (*path, "restartPolicyRules", index), mapping(rule), minor)


def _rule(container: Container, path: Path, rule: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    resource, codes = container.pod.owner, rule.get("exitCodes")
    actions = ("Restart", "RestartAllContainers") if minor >= _ALL_SINCE else ("Restart",)
    if rule.get("action") not in actions:
        what = f"{rule.get('action')!r:.40} is not allowed"
        yield resource.finding((*path, "action"), what, f"one of {', '.join(actions)}")
    if not isinstance(codes, Mapping):
        yield resource.finding((*path, "exitCodes"), "missing", "say after which codes")
        return
    if codes.get("operator") not in ("In", "NotIn"):
        what = f"{codes.get('operator')!r:.40} is not allowed"
        yield resource.finding((*path, "exitCodes", "operator"), what, "In or NotIn")
    if len(listing(codes.get("values"))) > _MOST_CODES:
        yield resource.finding((*path, "exitCodes", "values"), "too many", f"at most {_MOST_CODES}")


def _host_ports(container: Container) -> Iterator[Finding]:
    """Ports of a container in the node's network: it listens on the node itself."""
    if container.pod.spec.get("hostNetwork") is not True:
        return
    for index, port in enumerate(mapping(one) for one in listing(container.body.get("ports"))):
        if port.get("hostPort") and port["hostPort"] != port.get("containerPort"):
            path = (*container.path, "ports", index, "containerPort")
            yield container.pod.owner.finding(path, "not hostPort, in the node's network", "the same number")


def _resizing(container: Container) -> Iterator[Finding]:
    resource, seen = container.pod.owner, set()
    for index, rule in enumerate(mapping(one) for one in listing(container.body.get("resizePolicy"))):
        path: Path = (*container.path, "resizePolicy", index)
        if (name := str(rule.get("resourceName"))) in seen:
            yield resource.finding((*path, "resourceName"), f"{name} stands twice", "one rule for each")
        seen.add(name)
        if container.pod.spec.get("restartPolicy") == "Never" and rule.get("restartPolicy") == "RestartContainer":
            yield resource.finding((*path, "restartPolicy"), "in a pod that never restarts", "NotRequired")


def _claimed(container: Container) -> Iterator[Finding]:
    resource, path = container.pod.owner, (*container.path, "resources", "claims")
    known = [mapping(claim).get("name") for claim in listing(container.pod.spec.get("resourceClaims"))]
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(
        mapping(one) for one in listing(mapping(container.body.get("resources")).get("claims"))
    ):
        name, request = str(claim.get("name")), str(claim.get("request") or "")
        if claim.get("name") not in known:
            yield resource.finding((*path, index, "name"), f"no claim {name} of the pod", "add it to resourceClaims")
        if any(name == other and (not request or not part or request == part) for other, part in seen):
            yield resource.finding((*path, index, "name"), f"{name} stands twice", "each once")
        seen.add((name, request))
