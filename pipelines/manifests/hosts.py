"""What a server refuses about what a pod is called, and how it finds others: host names, DNS, aliases, claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.manifests.addresses import address
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import LABEL, SUBDOMAIN
from pipelines.manifests.resource import Pod, Resource, listing, mapping

_SERVERS, _SEARCHES, _SEARCH_LETTERS, _HOST_LETTERS = 3, 32, 2048, 64
_SEARCH = re.compile(r"[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?|\.")
_SEARCH_SINCE, _OVERRIDE_SINCE = 33, 35
"""Minor versions: a search path may be a dot and have underscores; a pod may be called otherwise than in DNS."""


def hosts(pod: Pod, minor: int) -> Iterator[Finding]:
    """Mistakes in the names, the DNS and the claims of a pod, for a minor version of the server."""
    resource, spec, path = pod.owner, pod.spec, pod.spec_path
    for field in ("hostname", "subdomain"):
        if spec.get(field) and not LABEL.fullmatch(str(spec[field])):
            what = f"{spec[field]!r:.80} is no label"
            yield resource.finding((*path, field), what, "lower-case letters, digits and - inside, at most 63")
    if (name := spec.get("hostnameOverride")) and minor >= _OVERRIDE_SINCE:
        yield from _override(pod, str(name))
    yield from _dns(pod, mapping(spec.get("dnsConfig")), minor)
    for index, alias in enumerate(mapping(one) for one in listing(spec.get("hostAliases"))):
        place: Path = (*path, "hostAliases", index)
        if address(alias.get("ip"), minor) is None:
            yield resource.finding((*place, "ip"), f"{alias.get('ip')!r:.60} is no address", "10.0.0.1")
        for number, host in enumerate(listing(alias.get("hostnames"))):
            yield from _host(resource, (*place, "hostnames", number), host)
    yield from _claims(pod)


def _host(resource: Resource, path: Path, host: Any) -> Iterator[Finding]:
    if not SUBDOMAIN.fullmatch(str(host)):
        yield resource.finding(path, f"{host!r:.80} is no host", "lower-case letters, digits, - and .")


def _override(pod: Pod, name: str) -> Iterator[Finding]:
    resource, path = pod.owner, (*pod.spec_path, "hostnameOverride")
    yield from _host(resource, path, name)
    if len(name) > _HOST_LETTERS:
        yield resource.finding(path, f"{len(name)} letters", f"at most {_HOST_LETTERS}")
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if pod.spec.get(field) is True:
            yield resource.finding((*pod.spec_path, field), "beside hostnameOverride", "one of them")


def _dns(pod: Pod, config: Mapping[str, Any], minor: int) -> Iterator[Finding]:
    resource, path = pod.owner, (*pod.spec_path, "dnsConfig")
    servers, searches = listing(config.get("nameservers")), listing(config.get("searches"))
    if pod.spec.get("dnsPolicy") == "None" and not servers:
        yield resource.finding((*path, "nameservers"), "missing beside dnsPolicy None", "name a server")
    for field, values, most in (("nameservers", servers, _SERVERS), ("searches", searches, _SEARCHES)):
        if len(values) > most:
            yield resource.finding((*path, field), f"{len(values)} of them", f"at most {most}")
    for index, text in enumerate(servers):
        if address(text, minor) is None:
            yield resource.finding((*path, "nameservers", index), f"{text!r:.60} is no address", "10.0.0.10")
    yield from _searches(pod, (*path, "searches"), searches, minor)
    for index, option in enumerate(listing(config.get("options"))):
        if not mapping(option).get("name"):
            yield resource.finding((*path, "options", index, "name"), "missing", "name the option")


def _searches(pod: Pod, path: Path, searches: Sequence[Any], minor: int) -> Iterator[Finding]:
    if len(" ".join(str(text) for text in searches)) > _SEARCH_LETTERS:
        yield pod.owner.finding(path, "too long", f"at most {_SEARCH_LETTERS} letters in all")
    for index, text in enumerate(searches):
        plain = SUBDOMAIN.fullmatch(str(text).removesuffix("."))
        if not (plain or (minor >= _SEARCH_SINCE and _SEARCH.fullmatch(str(text)))):
            yield pod.owner.finding((*path, index), f"{text!r:.80} is no domain", "svc.cluster.local")


def _claims(pod: Pod) -> Iterator[Finding]:
    names: list[Any] = []
    for index, claim in enumerate(mapping(one) for one in listing(pod.spec.get("resourceClaims"))):
        path: Path = (*pod.spec_path, "resourceClaims", index)
        name = claim.get("name")
        if name in names:
            yield pod.owner.finding((*path, "name"), f"{name!r:.80} stands twice", "each once")
        elif not LABEL.fullmatch(str(name or "")):
            yield pod.owner.finding((*path, "name"), f"{name!r:.80} is no label", "lower-case letters, digits and -")
        names.append(name)
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(field) is not None]
        if len(given) != 1:
            mend = "exactly one of resourceClaimName and resourceClaimTemplateName"
            yield pod.owner.finding(path, f"{len(given)} sources", mend)
        for field in given:
            yield from _host(pod.owner, (*path, field), claim[field])
