from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_valid_spec_is_said_to_be_valid(raftops: Run, project: Any) -> None:
    project.save()
    ended = raftops("validate", project.path)
    assert (ended.code, ended.err) == (0, "")
    assert "is valid" in ended.out and "tiny" in ended.out
    assert json.loads(raftops("--output", "json", "validate", project.path).out) == {"valid": True, "name": "tiny"}


def test_all_specs_are_checked_and_the_mistakes_of_each_are_shown(raftops: Run, project: Any, new_project: Any) -> None:
    others = [new_project(name) for name in ("my first", "second")]
    for other in others:
        other.spec["spec"]["train"]["lora_rnak"] = 8
        other.save()
    specs = [others[0].path, project.path, others[1].path]
    ended = raftops("validate", *specs)
    assert ended.code == 2 and f"{project.path} is valid: assistant tiny" in ended.out
    assert [other.path for other in others if f"{other.path}:" not in ended.err] == []
    assert ended.err.count("next:") == 1 and f"raftops validate '{others[0].path}' {project.path} " in ended.err
    listed = raftops("--output", "json", "validate", *specs)
    assert json.loads(listed.out) == {"valid": True, "name": "tiny", "spec": str(project.path)}
    assert listed.code == 2 and set(json.loads(listed.err)) == {"error", "next"}
    assert raftops("validate", project.path, project.path).code == 0


def test_an_overlay_is_merged_before_it_is_checked(raftops: Run, project: Any) -> None:
    project.save()
    overlay = project.write("specs/env/wrong.yaml", "spec:\n  train:\n    rank: 0\n")
    ended = raftops("validate", project.path, "-f", overlay)
    assert ended.code == 2 and "wrong.yaml:3" in ended.err


def test_the_schema_is_json_and_can_be_written_to_a_file(raftops: Run, tmp_path: Path) -> None:
    shown = json.loads(raftops("schema").out)
    assert raftops("schema", "-o", tmp_path / "schema.json").code == 0
    assert json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == shown
    assert "draft-07" in shown["$schema"]


def test_what_init_writes_is_valid_and_named_after_its_folder(
    raftops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = raftops("--output", "json", "init", "My Handbook")
    assert ended.code == 0
    written = [Path(path) for path in json.loads(ended.out)["written"]]
    assert written and all(path.is_file() for path in written)
    monkeypatch.chdir(tmp_path / "My Handbook")
    checked = raftops("--output", "json", "validate", "raftops.yaml")
    assert (checked.code, json.loads(checked.out or "{}").get("name")) == (0, "my-handbook"), checked.err


def test_what_comes_after_init_can_be_copied(raftops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "next: cd 'my büro' && raftops validate raftops.yaml && " in raftops("init", "my büro").out


def test_the_guide_that_init_writes_serves_before_it_asks(raftops: Run, tmp_path: Path) -> None:
    assert raftops("init", tmp_path, "--name", "desk").code == 0
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    verbs = [line.split()[1] for line in lines if line.startswith("    raftops ")]
    assert verbs[:5] == ["validate", "plan", "run", "serve", "ask"]


def test_what_init_writes_for_a_cluster_is_valid_without_its_signs_of_a_comment(raftops: Run, tmp_path: Path) -> None:
    assert raftops("init", tmp_path, "--name", "desk").code == 0
    spec = tmp_path / "raftops.yaml"
    text = spec.read_text(encoding="utf-8")
    begin = text.index("  # platform:")
    for sign in ("^  # ", "^ +# "):  # the buckets, and then what may be left out, too
        block = re.sub(sign, lambda found: found[0].replace("# ", ""), text[begin:], flags=re.MULTILINE)
        spec.write_text(text := text[:begin] + block, encoding="utf-8")
        ended = raftops("validate", spec)
        assert ended.code == 0, ended.err
    assert "uri: s3://my-bucket/desk" in text


def test_git_is_told_to_leave_out_the_store_and_what_it_was_told_before_stays(raftops: Run, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\nbuild\n", encoding="utf-8")
    assert raftops("init", tmp_path).code == 0
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "*.log\nbuild\n.raftops/\n.venv/\n"
    assert raftops("init", tmp_path / "other").code == 0
    assert (tmp_path / "other" / ".gitignore").read_text(encoding="utf-8") == ".raftops/\nbuild/\n.venv/\n"


def test_init_overwrites_nothing(raftops: Run, tmp_path: Path) -> None:
    assert raftops("init", tmp_path).code == 0
    spec = tmp_path / "raftops.yaml"
    spec.write_text("mine", encoding="utf-8")
    ended = raftops("init", tmp_path)
    assert ended.code in (1, 2) and "Traceback" not in ended.err
    assert spec.read_text(encoding="utf-8") == "mine"


def test_a_workflow_is_written_beside_a_new_project_and_beside_one_that_is_there(raftops: Run, tmp_path: Path) -> None:
    new = raftops("--output", "json", "init", tmp_path / "new", "--ci", "github")
    names = {Path(path).relative_to(tmp_path / "new").as_posix() for path in json.loads(new.out)["written"]}
    assert {"raftops.yaml", ".github/workflows/raftops.yml", "requirements-models.txt"} <= names
    there = raftops("--output", "json", "init", tmp_path / "new", "--ci", "gitlab")
    assert [Path(path).name for path in json.loads(there.out)["written"]] == [".gitlab-ci.yml"]


def test_the_workflow_names_the_spec_that_is_there(raftops: Run, project: Any) -> None:
    project.save()
    assert raftops("init", project.root, "--ci", "github", "--spec", "specs/tiny.yaml").code == 0
    text = (project.root / ".github/workflows/raftops.yml").read_text(encoding="utf-8")
    assert 'SPEC: "specs/tiny.yaml"' in text and 'EXPERIMENT: "tiny"' in text


def test_a_workflow_is_not_written_over(raftops: Run, project: Any) -> None:
    project.save()
    mine = project.write(".gitlab-ci.yml", "mine")
    ended = raftops("init", project.root, "--ci", "gitlab", "--spec", "specs/tiny.yaml")
    assert ended.code == 1 and ".gitlab-ci.yml exists already" in ended.err and mine.read_text() == "mine"


def test_a_workflow_for_a_spec_that_is_not_there_is_refused(raftops: Run, project: Any) -> None:
    ended = raftops("init", project.root, "--ci", "github", "--spec", "specs/other.yaml")
    assert ended.code == 2 and "specs/other.yaml: no such spec" in ended.err


def test_what_a_command_makes_never_takes_the_place_of_another_file(raftops: Run, project: Any) -> None:
    spec = project.path.read_text(encoding="utf-8")
    for command in (
        ("compile", project.path, "-o", project.path), ("schema", "-o", project.path),
        ("kfp-run", project.path, "-o", project.path, "--endpoint", "http://127.0.0.1:1"),
    ):  # fmt: skip
        ended = raftops(*command)
        assert ended.code != 0 and "nothing was written" in ended.err and "next:" in ended.err
        assert project.path.read_text(encoding="utf-8") == spec
    assert "is a folder" in raftops("schema", "-o", project.path.parent).err


def test_what_a_command_made_is_made_again(raftops: Run, project: Any) -> None:
    (project.path.parent / "empty.yaml").touch()
    for name in ("empty.yaml", "empty.yaml", "new.yaml", "new.yaml"):
        assert raftops("compile", project.path, "-o", project.path.parent / name).code == 0
