"""What a server refuses about what extends it: webhooks, APIs that others serve, classes of ingresses; and
what operators refuse: sources of applications, times of monitors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import LABEL, SEGMENT, SUBDOMAIN, once
from pipelines.manifests.resource import Resource, at, listing, mapping

_REVIEWS = ("v1", "v1beta1")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_SEGMENTS = 3
"""How many parts the name of a webhook has at least."""


def extensions(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a resource of these kinds."""
    if resource.kind in _RULES:
        yield from _RULES[resource.kind](resource)


def _webhooks(resource: Resource) -> Iterator[Finding]:
    hooks = [mapping(hook) for hook in listing(resource.body.get("webhooks"))]
    yield from once(resource, ("webhooks",), [hook.get("name") for hook in hooks], "name")
    for index, hook in enumerate(hooks):
        path: Path = ("webhooks", index)
        name, versions = str(hook.get("name") or ""), listing(hook.get("admissionReviewVersions"))
        if not SUBDOMAIN.fullmatch(name) or name.count(".") < _SEGMENTS - 1:
            yield resource.finding((*path, "name"), f"{name!r:.80} is no full name", "policy.team.example.com")
        if versions and not set(map(str, versions)) & set(_REVIEWS):
            what = "none that Kubernetes sends"
            yield resource.finding((*path, "admissionReviewVersions"), what, f"one of {', '.join(_REVIEWS)}")
        yield from client(resource, (*path, "clientConfig"), mapping(hook.get("clientConfig")))
        for number, rule in enumerate(listing(hook.get("rules"))):
            operations = listing(mapping(rule).get("operations"))
            if not operations or ("*" in operations and len(operations) > 1):
                what = "* beside others" if operations else "missing"
                yield resource.finding((*path, "rules", number, "operations"), what, "CREATE, UPDATE, or * alone")


def client(resource: Resource, path: Path, config: Mapping[str, object]) -> Iterator[Finding]:
    """Mistakes in how a server reaches a webhook."""
    if (config.get("url") is None) == (config.get("service") is None):
        yield resource.finding(path, "exactly one of url and service", "say where the webhook answers")
    place = at(config, "service", "path")
    if isinstance(place, str) and place and not place.startswith("/"):
        yield resource.finding((*path, "service", "path"), f"{place!r:.60} is no absolute path", "begin with /")


def _api(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    due = f"{spec.get('version')}.{spec.get('group') or ''}"
    if resource.name and resource.name != due:
        yield resource.finding(("metadata", "name"), f"is not {due}", "version.group, as in the spec")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        yield resource.finding(("spec", "insecureSkipTLSVerify"), "beside a caBundle", "one of them")


def _class(resource: Resource) -> Iterator[Finding]:
    domain, slash, rest = str(at(resource.body, "spec", "controller") or "").partition("/")
    if not (slash and SUBDOMAIN.fullmatch(domain) and rest):
        yield resource.finding(("spec", "controller"), "no domain with a path", "example.com/controller")
    parameters, path = mapping(at(resource.body, "spec", "parameters")), ("spec", "parameters", "namespace")
    if parameters.get("scope") == "Namespace":
        if not parameters.get("namespace"):
            yield resource.finding(path, "missing beside scope: Namespace", "say in which namespace")
    elif parameters.get("namespace") is not None:
        yield resource.finding(path, "for parameters of the whole cluster", "scope: Namespace, or remove it")
    for field in ("kind", "name") if parameters else ():
        if not SEGMENT.fullmatch(value := str(parameters.get(field) or "")):
            yield resource.finding(("spec", "parameters", field), f"{value!r:.60} is not allowed", f"say the {field}")


def _runtime(resource: Resource) -> Iterator[Finding]:
    if not LABEL.fullmatch(handler := str(resource.body.get("handler") or "")):
        yield resource.finding(("handler",), f"{handler!r:.60} is no name", "lower-case letters, digits and -")


def _slice(resource: Resource) -> Iterator[Finding]:
    family = _FAMILIES.get(str(resource.body.get("addressType")))
    for index, endpoint in enumerate(listing(resource.body.get("endpoints"))):
        for number, text in enumerate(listing(mapping(endpoint).get("addresses"))):
            if family and _version(text) != family:
                what = f"{text!r:.60} is no address of {resource.body.get('addressType')}"
                yield resource.finding(("endpoints", index, "addresses", number), what, "one of its family")


def _version(text: object) -> int | None:
    try:
        return ip_address(str(text)).version
    except ValueError:
        return None


def _admission(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    if not listing(spec.get("validations")) and not listing(spec.get("auditAnnotations")):
        yield resource.finding(("spec", "validations"), "none, and no auditAnnotations", "say what must hold")


def _lease(resource: Resource) -> Iterator[Finding]:
    seconds = at(resource.body, "spec", "leaseDurationSeconds")
    if isinstance(seconds, int) and seconds < 1:
        yield resource.finding(("spec", "leaseDurationSeconds"), f"{seconds}", "more than 0")


def _application(resource: Resource) -> Iterator[Finding]:
    spec = mapping(resource.body.get("spec"))
    sources: list[tuple[Path, object]] = [
        (("spec", "sources", i), s) for i, s in enumerate(listing(spec.get("sources")))
    ]
    if spec.get("source") is not None:
        sources.append((("spec", "source"), spec["source"]))
    if not sources and spec.get("sourceHydrator") is None:
        yield resource.finding(("spec", "source"), "missing", "say which repository, and the path in it")
    for path, source in sources:
        given = [name for name in ("path", "chart", "ref") if at(source, name)]
        if not given or ("path" in given and "chart" in given):
            what = "both path and chart" if given else "neither path nor chart"
            yield resource.finding(path, what, "path of a folder in the repository, or the name of a chart")
    where = [name for name in ("server", "name") if at(spec, "destination", name)]
    if len(where) != 1:
        what = "both server and name" if where else "neither server nor name"
        yield resource.finding(("spec", "destination"), what, "exactly one of them")


def _monitor(resource: Resource) -> Iterator[Finding]:
    for index, endpoint in enumerate(listing(at(resource.body, "spec", "endpoints"))):
        every, wait = (_seconds(mapping(endpoint).get(field)) for field in ("interval", "scrapeTimeout"))
        if every is not None and wait is not None and wait > every:
            path: Path = ("spec", "endpoints", index, "scrapeTimeout")
            yield resource.finding(path, "longer than the interval", "at most the interval")


def _seconds(text: object) -> float | None:
    """A duration of Prometheus, or None where it is none."""
    parts = re.findall(r"([0-9]+)(ms|[smhdwy])", str(text or ""))
    whole = "".join(number + unit for number, unit in parts)
    return sum(int(number) * _UNITS[unit] for number, unit in parts) if parts and whole == text else None


_RULES: dict[str, Callable[[Resource], Iterator[Finding]]] = {
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingWebhookConfiguration": _webhooks,
    "APIService": _api,
    "IngressClass": _class,
    "Application": _application,
    "ServiceMonitor": _monitor,
    "RuntimeClass": _runtime,
    "EndpointSlice": _slice,
    "ValidatingAdmissionPolicy": _admission,
    "Lease": _lease,
}
