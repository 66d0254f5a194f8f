"""What a server refuses about definitions of kinds (CustomResourceDefinition): names, versions, how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.extensions import client
from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.names import OLD_LABEL, SUBDOMAIN, once
from pipelines.manifests.resource import Resource, at, listing, mapping
from pipelines.manifests.structural import structural

_SCOPES = ("Cluster", "Namespaced")
_COLUMNS = ("boolean", "date", "integer", "number", "string")
_PROTECTED = (".k8s.io", ".kubernetes.io")
_APPROVED = "api-approved.kubernetes.io"


def kinds(resource: Resource) -> Iterator[Finding]:
    """Mistakes in a definition of a kind."""
    if resource.kind != "CustomResourceDefinition":
        return
    spec = mapping(resource.body.get("spec"))
    yield from _group(resource, str(spec.get("group") or ""))
    yield from _names(resource, mapping(spec.get("names")), str(spec.get("group") or ""))
    if (scope := spec.get("scope")) not in _SCOPES:
        yield resource.finding(("spec", "scope"), f"{scope!r:.40} is not allowed", f"one of {', '.join(_SCOPES)}")
    if spec.get("preserveUnknownFields"):
        yield resource.finding(("spec", "preserveUnknownFields"), "of the past", "x-kubernetes-preserve-unknown-fields")
    yield from _versions(resource, [mapping(version) for version in listing(spec.get("versions"))])
    yield from _conversion(resource, mapping(spec.get("conversion")))


def _group(resource: Resource, group: str) -> Iterator[Finding]:
    if "." not in group or not SUBDOMAIN.fullmatch(group):
        yield resource.finding(("spec", "group"), f"{group!r:.80} is no domain", "team.example.com")
    if group.endswith(_PROTECTED) and not at(resource.body, "metadata", "annotations", _APPROVED):
        path = ("metadata", "annotations", _APPROVED)
        yield resource.finding(path, f"missing for {group}, a group of Kubernetes' own", "another group")


def _names(resource: Resource, given: Mapping[str, Any], group: str) -> Iterator[Finding]:
    if resource.name and resource.name != (due := f"{given.get('plural')}.{group}"):
        yield resource.finding(("metadata", "name"), f"is not {due}", "plural.group, as in the spec")
    words = [((field,), given.get(field)) for field in ("plural", "singular", "kind", "listKind")]
    rows: list[tuple[Path, Any]] = [*words]
    rows += [((field, i), v) for field in ("shortNames", "categories") for i, v in enumerate(listing(given.get(field)))]
    for path, value in rows:
        text = str(value or "")
        plain = text.lower() if path[0] in ("kind", "listKind") else text
        if (value is not None or path[0] in ("plural", "kind")) and not OLD_LABEL.fullmatch(plain):
            yield resource.finding(("spec", "names", *path), f"{text!r:.80} is no name", "letters, digits and -")
    if given.get("kind") and given.get("listKind") == given["kind"]:
        yield resource.finding(("spec", "names", "listKind"), "is the kind's own", f"{given['kind']}List")


def _versions(resource: Resource, versions: list[Mapping[str, Any]]) -> Iterator[Finding]:
    yield from once(resource, ("spec", "versions"), [version.get("name") for version in versions], "name")
    if (stored := sum(version.get("storage") is True for version in versions)) != 1:
        yield resource.finding(("spec", "versions"), f"{stored} of them are stored", "storage: true for exactly one")
    for index, version in enumerate(versions):
        path: Path = ("spec", "versions", index)
        if not OLD_LABEL.fullmatch(str(version.get("name") or "")):
            yield resource.finding((*path, "name"), f"{version.get('name')!r:.60} is no version", "v1, v1beta1")
        schema = at(version, "schema", "openAPIV3Schema")
        if isinstance(schema, Mapping):
            yield from structural(resource, (*path, "schema", "openAPIV3Schema"), schema)
        else:
            yield resource.finding((*path, "schema", "openAPIV3Schema"), "missing", "say what a resource looks like")
        yield from _shown(resource, path, version)


def _shown(resource: Resource, path: Path, version: Mapping[str, Any]) -> Iterator[Finding]:
    for index, column in enumerate(mapping(one) for one in listing(version.get("additionalPrinterColumns"))):
        place: Path = (*path, "additionalPrinterColumns", index)
        if (kind := column.get("type")) not in _COLUMNS:
            yield resource.finding((*place, "type"), f"{kind!r:.40} is not allowed", f"one of {', '.join(_COLUMNS)}")
        yield from _json_path(resource, (*place, "jsonPath"), column.get("jsonPath"), ".")
    for index, field in enumerate(listing(version.get("selectableFields"))):
        yield from _json_path(resource, (*path, "selectableFields", index, "jsonPath"), at(field, "jsonPath"), ".")
    if isinstance(scale := at(version, "subresources", "scale"), Mapping):
        for name, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
            yield from _json_path(resource, (*path, "subresources", "scale", name), scale.get(name), root)


def _json_path(resource: Resource, path: Path, value: Any, root: str) -> Iterator[Finding]:
    if not str(value or "").startswith(root):
        yield resource.finding(path, f"{value!r:.60} is no path", f"begin with {root}")


def _conversion(resource: Resource, conversion: Mapping[str, Any]) -> Iterator[Finding]:
    path: Path = ("spec", "conversion")
    strategy, hook = conversion.get("strategy", "None"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        yield resource.finding((*path, "strategy"), f"{strategy!r:.40} is not allowed", "None or Webhook")
    elif strategy == "None" and hook is not None:
        yield resource.finding((*path, "webhook"), "beside strategy None", "strategy: Webhook, or remove it")
    elif strategy == "Webhook":
        if not listing(at(hook, "conversionReviewVersions")):
            yield resource.finding((*path, "webhook", "conversionReviewVersions"), "missing", "[v1]")
        yield from client(resource, (*path, "webhook", "clientConfig"), mapping(at(hook, "clientConfig")))
