"""Shapes: the strict schemas of Kubernetes' own kinds by minor version, ours of the operators' kinds, and whatever
CustomResourceDefinition stands among the resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing import Resource as Document

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Resource, at, listing, mapping, own, select

MINORS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
"""Minor versions of Kubernetes that resources can be checked for."""
Mistake = tuple[Path, str, str]
"""Where, what, what next."""
_FORMATS = FormatChecker(formats=())
"""What Kubernetes' own schemas say of a value beyond its type, and a server refuses to read."""
_FORMS = {
    "int32": "a whole number below 2^31", "int64": "a whole number below 2^63", "byte": "text in base64",
    "date-time": "a time: 2026-01-31T12:00:00Z",
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_TYPES = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number", "null": ""}
_TYPES |= {"number": "a number", "boolean": "true or false"}


def shapes(resource: Resource, minor: str, more: Mapping[tuple[str, str], Any]) -> Iterator[Finding]:
    """Everything about a resource that its schema does not allow. `more` has schemas by (apiVersion, kind)."""
    for key in ("apiVersion", "kind"):
        if not isinstance(resource.body.get(key), str) or not resource.body[key]:
            yield resource.finding((key,), "missing", f"add {key}")
            return
    own = more.get((resource.api_version, resource.kind))
    text = json.dumps(_pruned(resource.body), default=str)
    known = _known(minor, resource.api_version, resource.kind, text)
    mistakes = _mistakes(Draft202012Validator(own), text) if own else known
    if mistakes is None:
        yield _unknown(resource, minor)
    for path, what, next_step in mistakes or ():
        yield resource.finding(path, what, next_step)
    for path in _nulls(resource.body, ()):
        yield resource.finding(path, "an element of a list that is nothing", "remove it, or say what it is")


@_FORMATS.checks("int32")
def _int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@_FORMATS.checks("int64")
def _int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@_FORMATS.checks("byte")
def _byte(value: object) -> bool:
    return not isinstance(value, str) or bool(_BASE64.fullmatch(re.sub(r"[\r\n]", "", value)))


@_FORMATS.checks("date-time")
def _date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(_TIME.fullmatch(value))


def _nulls(value: Any, path: Path) -> Iterator[Path]:
    """Elements of lists that are null: a server takes them for empty ones. (A field that is null is absent.)"""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nulls(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if item is None:
                yield (*path, index)
            yield from _nulls(item, (*path, index))


@lru_cache(maxsize=4096)
def _known(minor: str, api_version: str, kind: str, text: str) -> tuple[Mistake, ...] | None:
    """Mistakes in a resource of a kind whose schema is here, or None. Kept: overlays share most of their resources."""
    validator = _builtin(minor, api_version, kind)
    if validator is None:
        schema = _shipped().get((api_version, kind))
        validator = Draft202012Validator(schema) if schema else None
    return _mistakes(validator, text) if validator else None


def _mistakes(validator: Draft202012Validator, text: str) -> tuple[Mistake, ...]:
    return tuple(mistake for error in validator.iter_errors(json.loads(text)) for mistake in _told(error))


def definitions(resources: Sequence[Resource]) -> dict[tuple[str, str], Any]:
    """Schemas by (apiVersion, kind) of CustomResourceDefinitions among resources, closed as a server closes them."""
    found: dict[tuple[str, str], Any] = {}
    for resource in resources:
        if resource.kind == "CustomResourceDefinition":
            spec = mapping(resource.body.get("spec"))
            for version in listing(spec.get("versions")):
                schema = at(version, "schema", "openAPIV3Schema")
                where = f"{spec.get('group')}/{mapping(version).get('name')}", str(at(spec, "names", "kind"))
                if isinstance(schema, dict):
                    found[where] = _rooted(_closed(schema)) | {"$schema": Draft202012Validator.META_SCHEMA["$id"]}
    return found


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """With the fields that every resource has, whether or not its definition names them."""
    if "properties" not in schema:
        return schema
    return schema | {"properties": schema["properties"] | {"apiVersion": True, "kind": True, "metadata": True}}


def _closed(schema: Any) -> Any:
    """A structural schema that refuses what a server would drop."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
        if "spec" in closed["properties"]:
            closed["properties"] |= {"apiVersion": True, "kind": True, "metadata": True, "status": True}
    return closed


def _folder(minor: str) -> Traversable:
    return files(kubernetes_validate) / "kubernetes-json-schema" / f"v{minor}.0-local-strict"


@lru_cache(maxsize=len(MINORS))
def _registry(minor: str) -> Registry[Any]:
    text = (_folder(minor) / "_definitions.json").read_text(encoding="utf-8")
    document = Document.from_contents(json.loads(text))
    return document @ Registry()


@lru_cache(maxsize=512)
def _builtin(minor: str, api_version: str, kind: str) -> Draft202012Validator | None:
    """The schema of a kind of Kubernetes' own, or None where this minor has no such kind."""
    group, _, version = api_version.rpartition("/")
    if not own(group) or not re.fullmatch(r"[A-Za-z]+", kind):
        return None
    first = group.partition(".")[0]
    file = _folder(minor) / f"{kind.lower()}-{f'{first}-' if first else ''}{version}.json"
    if not file.is_file():
        return None
    schema = json.loads(file.read_text(encoding="utf-8"))
    known = listing(at(schema, "properties", "kind", "enum"))
    return Draft202012Validator(schema, registry=_registry(minor), format_checker=_FORMATS) if kind in known else None


@lru_cache(maxsize=1)
def _shipped() -> dict[tuple[str, str], Any]:
    """Our schemas of the operators' kinds: the fields that we use and their neighbours."""
    folder = files("pipelines.manifests") / "crds"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".yaml"):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            for kind, schema in content["kinds"].items():
                found[content["apiVersion"], kind] = _whole(schema, content.get("$defs", {}))
    return found


def _whole(spec: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a resource around the one of its spec."""
    around = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {
        "type": "object",
        "properties": around | {"status": {"type": "object"}, "spec": spec, "operation": {"type": "object"}},
        "required": ["metadata", "spec"],
        "additionalProperties": False,
        "$defs": defs,
    }


def _unknown(resource: Resource, minor: str) -> Finding:
    if own(resource.group):
        what = f"Kubernetes {minor} has no {resource.kind} in {resource.api_version}"
        return resource.finding(("kind",), what, "correct apiVersion or kind: kubectl api-resources lists them")
    what = f"no schema is known for {resource.kind} in {resource.api_version}"
    return resource.finding(("kind",), what, "add its CustomResourceDefinition to the files that are checked")


def _pruned(value: Any) -> Any:
    """Without nulls: to a server they are absent."""
    if isinstance(value, Mapping):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def _told(error: ValidationError) -> Iterator[Mistake]:
    """An error of the schema in our words, at the field itself."""
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(mapping(mapping(error.schema).get("properties")))
        for name in mapping(error.instance):
            if name not in known:
                near = get_close_matches(str(name), known, 1)
                mend = f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(sorted(known)[:12])}"
                yield (*path, str(name)), "unknown field", mend
    elif error.validator == "required":
        name = str(re.findall(r"'([^']+)'", error.message)[0])
        yield (*path, name), "missing", f"add {name}"
    elif error.validator == "type" or (error.validator == "oneOf" and _allowed(error)):
        is_ = "a mapping" if isinstance(error.instance, dict) else f"{error.instance!r:.60}"
        yield path, f"must be {_allowed(error)}, is {is_}", "correct it; quote what YAML reads as another type"
    elif error.validator == "format":
        form = _FORMS.get(str(error.validator_value), str(error.validator_value))
        yield path, f"{error.instance!r:.60} is not {form}", f"write {form}"
    elif error.validator == "enum":
        allowed = ", ".join(map(str, listing(error.validator_value)))
        yield path, f"{error.instance!r:.60} is not allowed", f"one of {allowed}"
    else:
        yield path, error.message[:200], "correct the value"


def _allowed(error: ValidationError) -> str:
    """Types that would fit, as words."""
    schemas = error.validator_value if error.validator == "oneOf" else [{"type": error.validator_value}]
    names: list[str] = []
    for _, value in select({"schemas": schemas}, "schemas[].type"):
        names += value if isinstance(value, list) else [value]
    return " or ".join(word for name in dict.fromkeys(names) if (word := _TYPES.get(name, name)))
