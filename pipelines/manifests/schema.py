"""The strict schemas of Kubernetes' own kinds, by minor version (kubernetes-validate). Operators' kinds have none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing import Resource as Document

from pipelines.manifests.resource import Finding, Path, Resource, at, listing, mapping

MINORS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
"""Minor versions of Kubernetes that resources can be checked for."""


def shapes(resource: Resource, minor: str) -> Iterator[Finding]:
    """Everything about a resource that its schema does not allow."""
    for key in ("apiVersion", "kind"):
        if not isinstance(resource.body.get(key), str) or not resource.body[key]:
            yield resource.finding((key,), "missing", f"add {key}")
            return
    validator = None if resource.of_an_operator else _validator(minor, resource.api_version, resource.kind)
    if validator:
        body = _pruned(json.loads(json.dumps(resource.body, default=str)))
        for error in validator.iter_errors(body):
            for path, what, next_step in explained(error):
                yield resource.finding(path, what, next_step)
    elif not resource.of_an_operator:
        what = f"Kubernetes {minor} has no {resource.kind} in {resource.api_version}"
        yield resource.finding(("kind",), what, "correct apiVersion or kind: kubectl api-resources lists them")


def unchecked(resources: Sequence[Resource]) -> list[str]:
    """Kinds of operators among resources: no schema of theirs is here."""
    return sorted({f"{r.kind} ({r.api_version})" for r in resources if r.of_an_operator})


@lru_cache(maxsize=512)
def _validator(minor: str, api_version: str, kind: str) -> Draft202012Validator | None:
    """The schema of a kind of Kubernetes' own, or None where this minor has no such kind."""
    group, _, version = api_version.rpartition("/")
    name = "-".join(part for part in (re.sub(r"\W", "", kind).lower(), group.partition(".")[0], version) if part)
    schema = _read(minor, name)
    # Files are named in lower case: a kind in the wrong case would find one, and no server knows it.
    known = kind in listing(at(schema, "properties", "kind", "enum"))
    return Draft202012Validator(schema, registry=_definitions(minor)) if known else None


@lru_cache(maxsize=len(MINORS))
def _definitions(minor: str) -> Registry[Any]:
    return Document.from_contents(_read(minor, "_definitions")) @ Registry()


def _read(minor: str, name: str) -> Any:
    file = files(kubernetes_validate) / "kubernetes-json-schema" / f"v{minor}.0-local-strict" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _pruned(value: Any) -> Any:
    """Without fields that are null: to a server they are absent."""
    if isinstance(value, Mapping):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def explained(error: ValidationError) -> Iterator[tuple[Path, str, str]]:
    """Where, what and what next, at the field itself."""
    path: Path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(mapping(mapping(error.schema).get("properties")))
        for name in sorted(set(mapping(error.instance)) - set(known)):
            near = get_close_matches(name, known, 1)
            mend = f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(sorted(known)[:12])}"
            yield (*path, name), "unknown field", mend
    elif error.validator == "required":
        [name, *_] = re.findall(r"'([^']+)'", error.message)
        yield (*path, name), "missing", f"add {name}"
    elif error.validator in ("type", "oneOf"):
        types = re.findall(r"object|array|string|integer|number|boolean", str(error.validator_value))
        is_ = "a mapping" if isinstance(error.instance, dict) else f"{error.instance!r:.60}"
        yield path, f"must be of type {' or '.join(types)}, is {is_}", "correct it; quote what YAML reads otherwise"
    else:
        yield path, error.message[:200], "correct the value"
