"""What we ship of operators' kinds has the fields that they have: schemas for our own files, in `crds/`."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipelines.manifests import Resource, unchecked
from tests.manifests.samples import all_kinds

CRDS = Path(__file__).parent / "crds"
SHIPPED = [resource for resource in all_kinds() if resource.of_an_operator]


@cache
def schemas() -> dict[str, Any]:
    """By `kind (apiVersion)`, closed: the schema of a resource around the one of its spec."""
    found = {}
    for content in (yaml.safe_load(path.read_text(encoding="utf-8")) for path in CRDS.glob("*.yaml")):
        for kind, spec in content["kinds"].items():
            around = {"apiVersion": True, "kind": True, "metadata": True, "operation": True, "spec": spec}
            schema = {"properties": around, "required": ["spec"], "additionalProperties": False}
            found[f"{kind} ({content['apiVersion']})"] = schema | {"$defs": content.get("$defs", {})}
    return found


def mistakes(resource: Resource) -> list[str]:
    validator = Draft202012Validator(schemas()[unchecked([resource])[0]])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(resource.body)]


@pytest.mark.parametrize("resource", SHIPPED, ids=lambda resource: resource.label.replace(" ", "-"))
def test_what_we_ship_has_the_fields_of_its_operator(resource: Resource) -> None:
    assert mistakes(resource) == []


@pytest.mark.parametrize("resource", SHIPPED, ids=lambda resource: resource.label.replace(" ", "-"))
def test_a_field_misspelt_would_be_noticed(resource: Resource) -> None:
    body = copy.deepcopy(dict(resource.body))
    body["spec"]["misspelt"] = 1
    assert "misspelt" in " ".join(mistakes(Resource(body)))
