"""The spec's JSON Schema in draft 7, which yaml-language-server takes. Made from the model, by no other hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from raftops.spec.model.assistant import Assistant

DRAFT = "http://json-schema.org/draft-07/schema#"


def json_schema() -> dict[str, Any]:
    """The schema of a whole spec file."""
    return model_schema(Assistant, "raftops assistant")


def model_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of a model, under a title."""
    schema = _draft7(model.model_json_schema(by_alias=True, mode="validation"))
    definitions = schema.pop("definitions", {})
    return {"$schema": DRAFT, "title": title, **schema, "definitions": definitions}


def overlay_schema() -> dict[str, Any]:
    """The schema of an overlay: the same keys, none of them required."""
    schema: dict[str, Any] = _without_required(json_schema())
    return {**schema, "title": "raftops overlay"}


def _draft7(node: Any, *, names: bool = False) -> Any:
    """Rewrite 2020-12 as draft 7; `names` says that the keys of this mapping are a person's, not the schema's."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _draft7(value) for key, value in node.items()}
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key == "title" or (key == "default" and isinstance(value, dict)):
            continue
        if key in ("$defs", "properties"):
            out["definitions" if key == "$defs" else key] = _draft7(value, names=True)
        elif key == "$ref":
            out[key] = value.replace("#/$defs/", "#/definitions/")
        elif key in ("default", "enum", "const"):
            out[key] = value
        elif key == "description":
            out[key] = " ".join(value.split())  # docstrings, on one line each
        else:
            out[key] = _draft7(value)
    return _reference_alone(out)


def _reference_alone(node: dict[str, Any]) -> dict[str, Any]:
    """Draft 7 ignores what stands beside a `$ref`: put the reference into `allOf`."""
    if "$ref" not in node or len(node) == 1:
        return node
    rest = {key: value for key, value in node.items() if key != "$ref"}
    return {**rest, "allOf": [{"$ref": node["$ref"]}]}


def _without_required(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_without_required(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if names or key != "required"}
    return {key: _without_required(value, names=key in ("properties", "definitions")) for key, value in kept.items()}
