from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.compile import compile_spec, downstream
from raftops.spec.load import load_spec
from raftops.spec.model import STEPS

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "quickstart.yaml"
QUICKSTART = ROOT / "specs" / "quickstart.yaml"
MAIN = "from pipelines.cli import main; main()"


def pipeline_of(project: Any) -> dict[str, Any]:
    return dict(next(yaml.safe_load_all(compile_spec(project.load()).text)))


def without_what_moves(text: str) -> str:
    """The file without KFP's version, and with names in place of cache keys: they follow code and data."""
    text = re.sub(r"^sdkVersion: .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"cacheKey: [0-9a-f]{64}", "cacheKey: KEY", text)


def test_the_compiled_quickstart_is_the_one_that_was_reviewed() -> None:
    """`make golden` writes it anew; the diff is then the review of what a cluster will do."""
    text = without_what_moves(compile_spec(load_spec(QUICKSTART)).text)
    if os.environ.get("RAFTOPS_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_two_processes_write_the_same_bytes(project: Any, tmp_path: Path) -> None:
    project.save()
    texts = []
    for seed in ("1", "4711"):
        out = tmp_path / f"{seed}.yaml"
        command = [sys.executable, "-c", MAIN, "compile", str(project.path), "-o", str(out)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        texts.append(out.read_bytes())
    assert texts[0] == texts[1]


class TestWhatAKfpServerAsks:
    """The rules of the API server on what it accepts, as measured (facts: KFP 2.17)."""

    @pytest.fixture
    def text(self, project: Any) -> str:
        project.spec["spec"]["platform"] = {"resources": {"train": {"timeout_minutes": 5}}}
        return compile_spec(project.load()).text

    def test_one_pipeline_and_at_most_one_platform_document(self, text: str) -> None:
        documents = list(yaml.safe_load_all(text))
        assert len(documents) == 2
        assert ["pipelineInfo" in document for document in documents] == [True, False]
        assert list(documents[1]) == ["platforms"]

    def test_schema_version_and_name(self, text: str) -> None:
        pipeline = next(yaml.safe_load_all(text))
        assert pipeline["schemaVersion"] == "2.1.0"
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", pipeline["pipelineInfo"]["name"])

    def test_size(self, text: str) -> None:
        assert len(text.encode()) < 200_000

    def test_strict_protojson_takes_the_pipeline(self, text: str) -> None:
        pipeline, platform = yaml.safe_load_all(text)
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        assert set(spec.root.dag.tasks) == set(STEPS)
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())

    def test_a_run_needs_no_parameters(self, text: str) -> None:
        assert "inputDefinitions" not in next(yaml.safe_load_all(text))["root"]


def test_the_steps_depend_on_each_other_as_designed(project: Any) -> None:
    tasks = pipeline_of(project)["root"]["dag"]["tasks"]
    assert {step: set(tasks[step].get("dependentTasks", [])) for step in STEPS} == {
        "validate": set(), "ingest": {"validate"}, "index": {"ingest"}, "augment": {"validate", "index"},
        "train": {"augment"}, "evaluate": {"validate", "index", "train"},
        "deploy": {"validate", "index", "train", "evaluate"},
    }  # fmt: skip


def test_every_task_carries_its_key(project: Any) -> None:
    compiled = compile_spec(project.load())
    tasks = next(yaml.safe_load_all(compiled.text))["root"]["dag"]["tasks"]
    for step, key in compiled.keys.items():
        assert tasks[step]["cachingOptions"] == {"cacheKey": key.digest, "enableCache": True}


def test_a_step_receives_its_own_sections_and_nothing_else(project: Any) -> None:
    tasks = pipeline_of(project)["root"]["dag"]["tasks"]
    config = tasks["train"]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
    assert set(config) == {"train", "base", "cache"}


def test_a_description_of_several_lines_stays_a_description(project: Any) -> None:
    project.spec["metadata"]["description"] = "one\ntwo: three\n# four"
    assert pipeline_of(project)["pipelineInfo"]["description"] == "one\ntwo: three\n# four"


def test_what_stands_behind_a_step_is_what_reads_its_results(project: Any) -> None:
    assert downstream(["deploy"]) == {"deploy"}
    assert downstream(["train"]) == {"train", "evaluate", "deploy"}
    assert downstream(["validate"]) == set(STEPS)
    assert downstream([]) == frozenset()
    tasks = pipeline_of(project)["root"]["dag"]["tasks"]
    for step in STEPS:
        direct = {name for name, task in tasks.items() if step in task.get("dependentTasks", [])}
        assert direct <= downstream([step])
