"""The JSON Schema that editors read says what the loader says, and the committed copy is in step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from raftops.spec.read import read_yaml
from raftops.spec.schema import json_schema, overlay_schema
from raftops.spec.tree import plain
from tests.spec.wrong_specs import TYPES, VALID, Wrong

ROOT = Path(__file__).parents[2]
SPECS = sorted(p for p in (ROOT / "specs").rglob("*.yaml"))
LOADER_ONLY = {
    # what JSON Schema cannot see: how a scalar was written, or whether YAML 1.1 or 1.2 reads it
    "an octal number", "a base-60 number", "an infinite number", "no number at all", "a number of 400 digits",
    "a date as a name", "an exponent as a name",
}  # fmt: skip


def errors(schema: dict[str, Any], data: Any) -> list[str]:
    return [f"{list(e.path)}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(data)]


@pytest.mark.parametrize("made", [json_schema, overlay_schema])
def test_the_schema_is_a_draft_7_schema(made: Any) -> None:
    schema = made()
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert not any(word in text for word in ('"$defs"', "prefixItems", "unevaluated", "#/$defs"))


def test_nothing_stands_beside_a_reference() -> None:
    def lonely(node: Any) -> bool:
        if isinstance(node, dict):
            return ("$ref" not in node or len(node) == 1) and all(map(lonely, node.values()))
        return all(map(lonely, node)) if isinstance(node, list) else True

    assert lonely(json_schema())


def test_every_key_is_described_and_no_title_is_in_the_way() -> None:
    schema = json_schema()
    for name, definition in schema["definitions"].items():
        assert "title" not in definition
        for key, field in definition.get("properties", {}).items():
            assert field.get("description") or list(field) == ["$ref"], f"{name}.{key} has no description"
            assert "title" not in field


@pytest.mark.parametrize("made", [json_schema, overlay_schema])
def test_the_committed_schema_is_in_step(made: Any) -> None:
    name = "raftops.schema.json" if made is json_schema else "raftops.overlay.schema.json"
    committed = (ROOT / "schema" / name).read_text(encoding="utf-8")
    assert committed == json.dumps(made(), indent=2, ensure_ascii=False) + "\n", (
        f"schema/{name} is out of step with the model: regenerate it (make schema)"
    )


def test_every_spec_of_this_project_fits_the_schema_and_starts_with_the_modeline() -> None:
    assert SPECS, "no spec found: this test would check nothing"
    for path in SPECS:
        overlay = "env" in path.relative_to(ROOT).parts
        text, tree = path.read_text(encoding="utf-8"), read_yaml(path).tree
        assert tree is not None, path
        data = json.loads(json.dumps(plain(tree)))
        assert errors(overlay_schema() if overlay else json_schema(), data) == [], path
        first = text.splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema="), path
        assert (path.parent / first.partition("=")[2]).is_file(), f"{path}: the modeline points nowhere"


def test_the_valid_fixture_fits() -> None:
    assert errors(json_schema(), yaml.safe_load(VALID)) == []
    assert errors(overlay_schema(), {"spec": {"train": {"rank": 8}}}) == []


@pytest.mark.parametrize(
    "wrong", [w for w in TYPES if w.name not in LOADER_ONLY], ids=lambda w: w.name.replace(" ", "-")
)
def test_what_the_loader_refuses_by_type_the_editor_underlines(wrong: Wrong) -> None:
    data = yaml.safe_load(VALID.replace(wrong.old, str(wrong.new)))
    assert errors(json_schema(), data), wrong.name
