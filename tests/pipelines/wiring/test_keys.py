from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.wiring.code import Code
from pipelines.wiring.compile import Compiled
from pipelines.wiring.keys import step_keys

Compile = Callable[[Any], Compiled]
LAST = '{"doc_id": "managers/pay.md"}\n'
"""Documents of the last run here: the rule about this one was not mistyped."""
ALL = {"validate", "ingest", "index", "augment", "train", "evaluate", "deploy"}


def digests(compiled: Compiled) -> dict[str, str]:
    return {step: key.digest for step, key in compiled.keys.items()}


@pytest.fixture
def changed(project: Any, compile_project: Compile) -> Callable[[Callable[[Any], object]], set[str]]:
    """The steps whose key an edit of the project changes."""

    def by(edit: Callable[[Any], object]) -> set[str]:
        before = digests(compile_project(project))
        edit(project)
        after = digests(compile_project(project))
        return {step for step in before if before[step] != after[step]}

    return by


def test_a_changed_document_does_not_retrain(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.write("data/documents/leave/annual.md", "# Annual leave\n\nEvery employee has 31 days.\n")

    assert changed(edit) == ALL - {"augment", "train"}


def test_a_new_document_under_an_old_rule_does_not_retrain(changed: Any) -> None:
    assert changed(lambda p: p.write("data/documents/leave/new.md", "# New\n")) == ALL - {"augment", "train"}


def test_a_deleted_document_does_not_retrain(changed: Any) -> None:
    def edit(project: Any) -> None:
        (project.root / "data/documents/managers/pay.md").unlink()
        project.write(".raftops/latest/tiny/validate/accepted/documents.jsonl", LAST)

    assert changed(edit) == ALL - {"augment", "train"}


def test_a_changed_example_does_not_index_again(changed: Any) -> None:
    assert changed(lambda p: p.examples[0].update(answer="30 days a year")) == ALL - {"ingest", "index"}


def test_the_order_of_examples_changes_nothing(changed: Any) -> None:
    assert changed(lambda p: p.examples.reverse()) == set()


def test_a_changed_prompt_changes_what_reads_it_and_nothing_else(changed: Any) -> None:
    edit = changed(lambda p: p.spec["spec"].update(prompt={"units": 4}))
    assert edit == {"augment", "train", "evaluate", "deploy"}


@pytest.mark.parametrize("threshold", ["least_score", "least_confidence"])
def test_when_the_service_keeps_silent_trains_nothing(changed: Any, threshold: str) -> None:
    assert changed(lambda p: p.spec["spec"].update(prompt={threshold: 0.5})) == {"evaluate", "deploy"}


def test_a_group_that_may_read_more_embeds_and_trains_nothing(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.access["groups"]["board"] = "the board"
        project.access["policies"]["managers-only"]["groups"].append("board")

    assert changed(edit) == {"validate", "evaluate", "deploy"}


def test_what_the_audience_may_no_longer_read_is_trained_out(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.access["policies"]["all"]["groups"].remove("employees")
        project.access["policies"]["new"] = {"groups": ["employees"]}
        project.access["documents"].insert(0, {"match": "leave/**", "policy": "new"})

    assert "train" in changed(edit)


def test_a_document_that_moves_to_a_policy_out_of_reach_is_trained_out(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.access["documents"].insert(0, {"match": "leave/parental.md", "policy": "managers-only"})

    assert changed(edit) == ALL


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_a_document_that_an_example_quotes_is_trained_out_when_it_is_gone(changed: Any, how: str) -> None:
    def edit(project: Any) -> None:
        path = project.root / "data/documents/leave/parental.md"
        if how == "moved":  # the natural way to restrict a document
            project.write("data/documents/managers/parental.md", path.read_text())
        path.unlink()

    assert changed(edit) == ALL


def test_a_document_that_no_example_quotes_trains_nothing_when_it_is_gone(project: Any, changed: Any) -> None:
    unquoted = project.write("data/documents/unquoted.md", "Doors close at eight.")
    assert changed(lambda p: unquoted.unlink()) == ALL - {"augment", "train"}


def test_a_document_that_comes_back_has_the_weights_of_before(project: Any, compile_project: Compile) -> None:
    path = project.root / "data/documents/leave/parental.md"
    before, text = digests(compile_project(project)), path.read_text()
    path.unlink()
    without = digests(compile_project(project))
    path.write_text(text)
    assert digests(compile_project(project)) == before and without["train"] != before["train"]


def test_a_new_address_of_the_documents_reaches_the_passages(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.spec["spec"]["data"]["documents"]["uri"] = "https://handbook.example/"

    assert changed(edit) == ALL - {"augment", "train"}


def test_what_only_says_where_files_lie_changes_nothing_but_validate(changed: Any) -> None:
    def edit(project: Any) -> None:
        (project.root / "data/documents").rename(project.root / "data/texts")
        project.spec["spec"]["data"]["documents"]["path"] = "data/texts"

    assert changed(edit) == {"validate"}


@pytest.mark.parametrize(
    ("section", "value", "steps"),
    [
        ("validate", {"question_chars_max": 500}, ALL),
        ("ingest", {"chunk_tokens": 100}, ALL - {"validate"}),
        ("index", {"bm25": {"k1": 1.2}}, ALL - {"validate", "ingest"}),
        ("augment", {"seed": 8}, {"augment", "train", "evaluate", "deploy"}),
        ("train", {"audience": ["employees"], "rank": 8}, {"train", "evaluate", "deploy"}),
        ("train", {"audience": ["employees"], "threads": 2}, set()),
        ("evaluate", {"questions": 2}, {"evaluate", "deploy"}),
        ("deploy", {"port": 3001}, {"deploy"}),
        ("router", {"margin": 0.1}, {"evaluate", "deploy"}),
        ("platform", {"store": ".elsewhere", "resources": {"train": {"cpu": "2"}}}, set()),
    ],
)
def test_a_section_changes_its_step_and_those_behind_it(
    changed: Any, section: str, value: dict[str, Any], steps: set[str]
) -> None:
    assert changed(lambda p: p.spec["spec"].update({section: value})) == steps


def test_another_base_model_does_not_index_again(changed: Any) -> None:
    assert changed(lambda p: p.write("models/base.gguf", "other")) == ALL - {"validate", "ingest", "index"}


def test_another_embedder_does_not_validate_again(changed: Any) -> None:
    assert changed(lambda p: p.write("models/embedder/config.json", '{"a": 1}')) == ALL - {"validate"}


def test_times_of_files_change_nothing(changed: Any) -> None:
    def edit(project: Any) -> None:
        path = project.root / "data/documents/leave/annual.md"
        path.write_bytes(path.read_bytes())

    assert changed(edit) == set()


def test_keys_are_the_same_in_another_place(new_project: Any, compile_project: Compile) -> None:
    assert digests(compile_project(new_project("one"))) == digests(compile_project(new_project("two")))


def test_keys_are_the_same_from_another_working_directory_and_process(
    project: Any, compile_project: Compile, tmp_path: Path
) -> None:
    here = digests(compile_project(project))
    program = (
        "import json, sys; from pathlib import Path; from pipelines.wiring.compile import compile_spec; "
        "from raftops.spec.load import load_spec; compiled = compile_spec(load_spec(Path(sys.argv[1]))); "
        "print(json.dumps({step: key.digest for step, key in compiled.keys.items()}))"
    )
    command = [sys.executable, "-c", program, str(project.path)]
    environment = {"PYTHONHASHSEED": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here


def test_a_change_is_named_by_its_part(project: Any, compile_project: Compile) -> None:
    before = compile_project(project).keys["evaluate"]
    project.examples.pop()
    project.spec["spec"]["prompt"] = {"units": 4}
    after = compile_project(project).keys["evaluate"]
    assert after.changed(before.parts) == ["examples", "spec.prompt", "step train"]


def test_every_part_of_the_spec_is_in_a_key_or_left_out_on_purpose(project: Any, compile_project: Compile) -> None:
    """A new section that no key reads would never be noticed."""
    from raftops.spec.model.assistant import Spec

    loaded, compiled = project.load(), compile_project(project)
    parts = {part for key in step_keys(loaded.assistant, compiled.inputs, Code()).values() for part in key.parts}
    sections = {field.alias or name for name, field in Spec.model_fields.items()}
    assert sections - {part.split(".")[1] for part in parts if part.startswith("spec.")} == {"models", "platform"}


def test_where_it_is_trained_is_no_part_of_a_key(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.spec["spec"]["platform"] = {"workspace": "store"}
        project.spec["spec"]["train"] |= {"nodes": 2, "runtime": "torch-other"}

    assert changed(edit) == set()


def test_candidates_are_part_of_the_key_of_what_writes_and_reads_the_dev_split(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.spec["spec"]["train"]["candidates"] = [{"name": "a"}, {"name": "b", "rank": 8}]

    assert changed(edit) == {"augment", "train", "evaluate", "deploy"}


def test_another_candidate_writes_no_conversation_anew(project: Any, changed: Any) -> None:
    project.spec["spec"]["train"]["candidates"] = [{"name": "a"}]
    more = {"name": "b", "rank": 8}
    assert changed(lambda p: p.spec["spec"]["train"]["candidates"].append(more)) == {"train", "evaluate", "deploy"}


def test_how_many_candidates_are_tried_at_once_is_no_part_of_a_key(project: Any, changed: Any) -> None:
    project.spec["spec"]["train"]["candidates"] = [{"name": "a"}, {"name": "b", "rank": 8}]
    assert changed(lambda p: p.spec["spec"]["train"].update(candidates_at_once=2)) == set()


def test_a_change_of_candidates_is_named(project: Any, compile_project: Compile) -> None:
    before = compile_project(project).keys["train"]
    project.spec["spec"]["train"]["candidates"] = [{"name": "a"}]
    after = compile_project(project).keys["train"]
    assert after.changed(before.parts) == ["spec.train.candidates", "step augment"]
    assert after.without("spec.train") == compile_project(project).keys["train"].without("spec.train")


def test_where_it_is_served_is_part_of_the_deploys_key_alone(changed: Any) -> None:
    def edit(project: Any) -> None:
        project.spec["spec"]["platform"] = {"workspace": "store", "milvus": {"uri": "http://milvus:19530"}}
        token = {"secret": "smoke", "key": "token", "env": "SMOKE_TOKEN"}
        project.spec["spec"]["deploy"] = {
            "target": "kubernetes", "identity": {"jwks": "https://id.example/keys", "issuer": "i", "audience": "a"},
            "kubernetes": {"smoke_token": token},
        }  # fmt: skip

    assert "deploy" in changed(edit) <= {"index", "evaluate", "deploy"}
