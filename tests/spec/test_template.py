"""What `raftops init` writes is valid, complete and never written over anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from raftops.data.records import Example
from raftops.errors import RaftopsError, SpecError
from raftops.spec.access_file import load_access
from raftops.spec.load import load_spec
from raftops.spec.schema import json_schema
from raftops.spec.template import write_project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path / "new", "my-guide")
    return tmp_path / "new"


def test_the_spec_loads_and_carries_the_name(folder: Path) -> None:
    loaded = load_spec(folder / "raftops.yaml")
    assert loaded.assistant.name == "my-guide"
    assert loaded.root == folder


def test_the_spec_loads_with_every_commented_key_taken_in(folder: Path) -> None:
    text = (folder / "raftops.yaml").read_text(encoding="utf-8")
    live, taken_in = re.subn(r"^( +)# (?=\s*(?:\w+:|- \{))", r"\1", text, flags=re.MULTILINE)
    assert taken_in > 10
    data = yaml.safe_load(live)
    assert {"models", "prompt", "platform"} <= set(data["spec"])
    assert not list(jsonschema.Draft7Validator(json_schema()).iter_errors(data))


def test_the_modeline_points_at_a_schema_that_the_spec_fits(folder: Path) -> None:
    text = (folder / "raftops.yaml").read_text(encoding="utf-8")
    schema = json.loads((folder / text.splitlines()[0].partition("=")[2]).read_text(encoding="utf-8"))
    assert schema == json_schema()
    jsonschema.validate(yaml.safe_load(text), schema, jsonschema.Draft7Validator)


def test_every_quote_is_verbatim_in_a_document_that_the_audience_may_read(folder: Path) -> None:
    access = load_access(folder / "data/access.yaml")
    rows = [
        json.loads(line) for line in (folder / "data/examples/examples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    examples = [Example(**row) for row in rows]
    quotes = [evidence for example in examples for evidence in example.evidence]
    assert len(examples) >= 14 and len(quotes) >= 9
    for evidence in quotes:
        assert evidence.quote in (folder / "data/documents" / evidence.doc_id).read_text(encoding="utf-8")
        assert access.may_read(["staff"], access.policy_of(evidence.doc_id))
    assert any(e.unanswerable for e in examples) and any(e.kind == "behaviour" for e in examples)


def test_a_restricted_document_shows_what_access_is_for(folder: Path) -> None:
    access = load_access(folder / "data/access.yaml")
    assert not access.may_read(["staff"], access.policy_of("managers/pay-review.md"))
    assert access.may_read(["managers"], access.policy_of("managers/pay-review.md"))


def test_nothing_is_written_over(folder: Path) -> None:
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / "README.md").unlink()
    with pytest.raises(RaftopsError, match="already; nothing was written"):
        write_project(folder, "other")
    assert not (folder / "README.md").exists()
    assert all(p.read_bytes() == text for p, text in before.items() if p.name != "README.md")


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("", encoding="utf-8")
    with pytest.raises(RaftopsError, match="exists already"):
        write_project(tmp_path / "new", "demo")


def test_a_name_that_kubernetes_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="RFC 1123"):
        write_project(tmp_path / "new", "My Guide")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["true", "2026", "null", "1e3", "on"])
def test_a_name_that_yaml_takes_for_something_else_is_quoted(tmp_path: Path, name: str) -> None:
    write_project(tmp_path / "x", name)
    assert load_spec(tmp_path / "x" / "raftops.yaml").assistant.name == name
