"""The schemas of examples, access and router files say what the models say; the committed copies are in step."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from raftops.data.schemas import SCHEMAS, examples_schema, file_name

ROOT = Path(__file__).parents[2]
ROWS = [
    (path, line)
    for path in [*ROOT.glob("data/quickstart/*.jsonl"), *ROOT.glob("src/raftops/spec/starter/data/examples/*.jsonl")]
    for line in path.read_text(encoding="utf-8").splitlines()
]
KNOWN = {"id": "a", "kind": "knowledge", "question": "Q?", "answer": "A.", "evidence": [{"doc_id": "d", "quote": "q"}]}
WRONG = {
    "no id": {k: v for k, v in KNOWN.items() if k != "id"},
    "unknown key": {**KNOWN, "context": "x"},
    "no evidence": {k: v for k, v in KNOWN.items() if k != "evidence"},
    "no question": {k: v for k, v in KNOWN.items() if k != "question"},
    "an answer that nothing answers": {**KNOWN, "unanswerable": True},
    "a near miss that is answered": {**KNOWN, "near_miss": True},
    "a split by hand": {**KNOWN, "split": "test"},
    "accepted as text": {**KNOWN, "accepted": "A"},
}


def errors(schema: dict, value: object) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(value)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_draft_7_schema_and_the_committed_copy_is_in_step(name: str) -> None:
    made = SCHEMAS[name]()
    jsonschema.Draft7Validator.check_schema(made)
    assert json.loads((ROOT / "schema" / file_name(name)).read_text(encoding="utf-8")) == made, "run: make schema"


@pytest.mark.parametrize("name", ["examples", "access", "router"])
def test_every_key_is_described(name: str) -> None:
    schema = SCHEMAS[name]()
    for definition in (schema, *schema["definitions"].values()):
        for key, field in definition["properties"].items():
            assert field.get("description") or list(field) == ["$ref"], key


def test_rows_that_run_fit_and_wrong_ones_do_not() -> None:
    assert len(ROWS) > 20
    assert [str(path) for path, line in ROWS if errors(examples_schema(), json.loads(line))] == []
    assert not errors(examples_schema(), KNOWN)
    assert [name for name, row in WRONG.items() if not errors(examples_schema(), row)] == []


def test_the_access_file_that_init_writes_names_the_schema_that_it_fits() -> None:
    path = ROOT / "src/raftops/spec/starter/data/access.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0].endswith(f"=../schema/{file_name('access')}")
    assert not errors(SCHEMAS["access"](), yaml.safe_load(text))
    assert errors(SCHEMAS["access"](), {"policies": {"all": ["staff"]}})


def test_questions_for_the_router_fit() -> None:
    assert not errors(SCHEMAS["router"](), {"behaviour": ["Rewrite this."], "knowledge": ["How many days?"]})
    assert errors(SCHEMAS["router"](), {"other": ["What?"]})
