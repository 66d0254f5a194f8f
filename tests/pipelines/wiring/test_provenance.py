"""A compiled file says where it comes from, and that changes no key."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from pipelines.wiring.compile import compile_spec
from pipelines.wiring.provenance import commit_of, provenance
from raftops.spec.model.base import STEPS


def git(root: Path, *words: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(["git", "-C", str(root), *name, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(root: Path) -> str:
    git(root, "init", "-q")
    git(root, "add", "specs", "data")
    git(root, "commit", "-q", "-m", "first")
    return git(root, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_project_and_says_when_files_differ(project: Any) -> None:
    assert commit_of(project.root) == ""
    commit = committed(project.root)
    assert commit_of(project.root) == commit
    project.write("data/documents/leave/annual.md", "# Other\n\nOther words.\n")
    assert commit_of(project.root) == f"{commit}-dirty"


def test_the_file_tells_people_pods_and_the_record(project: Any) -> None:
    commit = committed(project.root)
    loaded = project.load()
    compiled = compile_spec(loaded)
    pipeline, platform = yaml.safe_load_all(compiled.text)
    origin = provenance(loaded.assistant, compiled.inputs, loaded.root)
    description = pipeline["pipelineInfo"]["description"]
    assert f"spec {origin.spec}; commit {commit}; data {origin.data}; 0 of 7 images by digest" in description
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {pod["podMetadata"]["annotations"]["raftops/commit"] for pod in executors.values()} == {commit[:16]}
    finish = pipeline["root"]["dag"]["tasks"]["finish"]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
    assert finish["about"] == origin.as_json()
    assert set(finish["about"]["images"]) == set(STEPS)


def test_a_commit_changes_no_key(project: Any) -> None:
    before = compile_spec(project.load())
    committed(project.root)
    after = compile_spec(project.load())
    assert before.keys == after.keys and before.text != after.text


def test_another_word_in_the_spec_is_another_spec_and_another_document_is_other_data(project: Any) -> None:
    def origin() -> Any:
        loaded = project.load()
        return provenance(loaded.assistant, compile_spec(loaded).inputs, loaded.root)

    first = origin()
    project.spec["metadata"]["description"] = "another"
    second = origin()
    assert (first.spec != second.spec, first.data == second.data) == (True, True)
    project.write("data/documents/leave/annual.md", "# Other\n\nOther words.\n")
    assert origin().data != second.data
