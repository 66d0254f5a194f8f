from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pipelines.wiring.inputs import read_inputs
from raftops.errors import RaftopsError


def inputs_of(project: Any) -> Any:
    loaded = project.load()
    return read_inputs(loaded.assistant, loaded.root)


def test_documents_are_known_by_the_hash_of_their_bytes(project: Any) -> None:
    text = (project.root / "data/documents/leave/annual.md").read_bytes()
    documents = inputs_of(project).documents
    assert documents["leave/annual.md"] == hashlib.sha256(text).hexdigest()
    assert set(documents) == {"leave/annual.md", "leave/parental.md", "managers/pay.md"}


def test_every_document_has_the_policy_of_the_first_rule_that_takes_it(project: Any) -> None:
    assert inputs_of(project).rules == {
        "leave/annual.md": "all", "leave/parental.md": "all", "managers/pay.md": "managers-only",
    }  # fmt: skip


def test_rows_without_an_id_or_with_one_twice_are_known_by_their_place(project: Any) -> None:
    project.save()
    project.write("data/more.jsonl", '{"id": "k1"}\n\nnot json\n{"id": 7}\n"text"\n')
    examples = inputs_of(project).examples
    assert {"k1", "7", "data/more.jsonl:1", "data/more.jsonl:3", "data/more.jsonl:5"} <= set(examples)


def test_a_line_separator_inside_a_row_does_not_cut_it(project: Any) -> None:
    project.save()
    project.write("data/more.jsonl", '{"id": "z", "question": "a\u2028b"}\n')
    assert [name for name in inputs_of(project).examples if name not in ("k1", "k2", "u1", "b1")] == ["z"]


def test_a_model_of_the_hub_is_known_by_its_revision_and_not_fetched(project: Any) -> None:
    project.spec["spec"]["models"]["base"] = "hf://org/name@abc123"
    assert inputs_of(project).models["base"] == "hf://org/name@abc123"


def test_the_starter_adapter_is_known_by_its_content(project: Any) -> None:
    assert inputs_of(project).models["init_from"] == ""
    project.spec["spec"]["train"]["init_from"] = "starter"
    project.write("starter/raft/adapter_config.json", "{}")
    project.write("starter/plain/adapter_config.json", "{}")
    first = inputs_of(project).models["init_from"]
    project.write("starter/plain/adapter_config.json", "{ }")
    assert first and inputs_of(project).models["init_from"] != first


def test_the_hash_of_the_data_is_read_from_dvcs_pointer(project: Any) -> None:
    project.spec["spec"]["data"]["dvc"] = "data.dvc"
    project.write("data.dvc", "outs:\n- md5: 0123abc.dir\n  size: 5\n  path: data\n")
    assert inputs_of(project).dvc == "0123abc.dir"


def test_what_is_missing_is_said_with_its_place(project: Any) -> None:
    project.spec["spec"]["train"]["init_from"] = "starter"
    project.spec["spec"]["data"]["dvc"] = "data.dvc"
    project.write("starter/raft/x", "")
    project.write("starter/plain/x", "")
    project.write("data.dvc", "outs: []\n")
    loaded = project.load()
    (project.root / "data.dvc").unlink()
    with pytest.raises(RaftopsError, match=r"data\.dvc: no file"):
        read_inputs(loaded.assistant, loaded.root)
    (project.root / "starter").rename(project.root / "gone")
    with pytest.raises(RaftopsError, match=r"train\.init_from: no folder"):
        read_inputs(loaded.assistant, loaded.root)
