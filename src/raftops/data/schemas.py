"""The JSON Schemas (draft 7) of the files beside a spec: rows of examples, the access file, questions for the router.

That of the spec itself is `raftops.spec.schema`. A schema sees shapes; whether a quote stands in its document, or a group
exists, is said by `raftops validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raftops.access import AccessPolicies
from raftops.data.records import Example
from raftops.spec.model.base import Section
from raftops.spec.schema import json_schema, model_schema, overlay_schema

_ANSWERED = {
    "if": {
        "properties": {"kind": {"const": "knowledge"}, "unanswerable": {"const": False}},
        "required": ["kind"],
    },
    "then": {"required": ["answer", "evidence"]},
}
_DECLINED = {
    "if": {"properties": {"unanswerable": {"const": True}, "kind": {"const": "knowledge"}}, "required": ["unanswerable"]},
    "then": {"not": {"anyOf": [{"required": [name]} for name in ("answer", "evidence", "accepted", "must")]}},
    "else": {"not": {"required": ["near_miss"], "properties": {"near_miss": {"const": True}}}},
}


class RouterQuestions(Section):
    """Questions by the class that a router should send them to; a spec takes them under `router.<class>.questions`."""

    behaviour: tuple[str, ...] = ()
    """Requests about form only: rewrite, convert, format."""
    knowledge: tuple[str, ...] = ()
    """Requests that the documents answer."""
    both: tuple[str, ...] = ()
    """Requests for a form that needs facts."""


def examples_schema() -> dict[str, Any]:
    """The schema of one row, a line of a file of examples."""
    schema = model_schema(Example, "a row of raftops examples")
    schema["properties"].pop("split")  # set by validate, never by hand
    asked = {"anyOf": [{"required": ["question"]}, {"required": ["messages"]}]}
    return {**schema, "allOf": [asked, _ANSWERED, _DECLINED]}


def access_schema() -> dict[str, Any]:
    """The schema of an access file."""
    return model_schema(AccessPolicies, "raftops access file")


def router_schema() -> dict[str, Any]:
    """The schema of a file with questions for the router."""
    return model_schema(RouterQuestions, "raftops router questions")


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "spec": json_schema,
    "overlay": overlay_schema,
    "examples": examples_schema,
    "access": access_schema,
    "router": router_schema,
}
"""By what `raftops schema` calls them."""


def file_name(name: str) -> str:
    """What the file of a schema is called, in a project as here."""
    return "raftops.schema.json" if name == "spec" else f"raftops.{name}.schema.json"
