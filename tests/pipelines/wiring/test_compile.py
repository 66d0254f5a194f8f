from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.wiring.compile import Compiled, compile_spec
from pipelines.wiring.provenance import Provenance, provenance
from pipelines.wiring.steps import downstream
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parents[1] / "golden" / "quickstart.yaml"
QUICKSTART = ROOT / "specs" / "quickstart.yaml"
HANDBOOK = ROOT / "specs" / "handbook.yaml"
CANDIDATES = {
    "candidates": [
        {"name": "slow", "learning_rate": 1e-4},
        {"name": "fast", "epochs": 2},
        {"name": "wide", "rank": 32},
    ],
    "candidates_at_once": 2,
}
MAIN = "from pipelines.cli import main; main()"


def pipeline_of(project: Any) -> dict[str, Any]:
    return dict(next(yaml.safe_load_all(compile_spec(project.load()).text)))


def tasks_of(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Every task of every group, by its name."""
    groups = [pipeline["root"], *pipeline["components"].values()]
    return {name: task for group in groups for name, task in group.get("dag", {}).get("tasks", {}).items()}


def without_what_moves(text: str, origin: Provenance) -> str:
    """The file without KFP's version, and with names in place of what follows code and data: keys, commit, hashes."""
    text = re.sub(r"^sdkVersion: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?i)(key): '?([0-9a-f]{64}|[0-9a-f]{16})\b'?", r"\1: KEY", text)
    for name in ("spec", "commit", "data"):
        value = getattr(origin, name)
        for moving in (value, value[:16]) if value else ():
            text = text.replace(f"'{moving}'", name.upper()).replace(moving, name.upper())
    return re.sub(r"raftops/commit: COMMIT, |commit COMMIT; |(?<=commit: )(COMMIT|'')", "", text)


def reviewed(path: Path) -> str:
    loaded = load_spec(path)
    compiled = compile_spec(loaded)
    return without_what_moves(compiled.text, provenance(loaded.assistant, compiled.inputs, loaded.root))


def test_the_compiled_quickstart_is_the_one_that_was_reviewed() -> None:
    """`make golden` writes it anew; the diff is then the review of what a cluster will do."""
    text = reviewed(QUICKSTART)
    if os.environ.get("RAFTOPS_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("overlay", [(), ("bucket",), ("gpu",), ("candidates",)])
def test_the_compiled_handbook_is_small(overlay: tuple[str, ...]) -> None:
    overlays = [ROOT / "specs" / "env" / f"{name}.yaml" for name in overlay]
    assert len(compile_spec(load_spec(HANDBOOK, overlays)).text.encode()) < 60_000


@pytest.mark.slow
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
        project.spec["spec"]["platform"] = {"resources": {"train": {"timeout_minutes": 5}}, "shards": 3}
        project.spec["spec"]["train"] |= CANDIDATES
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

    def test_size_with_shards_and_candidates(self, text: str) -> None:
        assert len(text.encode()) < 64 * 1024

    def test_strict_protojson_takes_the_pipeline(self, text: str) -> None:
        pipeline, platform = yaml.safe_load_all(text)
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        assert set(spec.root.dag.tasks) == {"exit-handler-1", "finish"}
        parsed = json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        executors = json_format.MessageToDict(parsed)["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert set(executors) == set(pipeline["deploymentSpec"]["executors"])
        for told in executors.values():
            json_format.ParseDict(told, kubernetes_executor_config_pb2.KubernetesExecutorConfig())

    def test_a_run_needs_no_parameters(self, text: str) -> None:
        assert "inputDefinitions" not in next(yaml.safe_load_all(text))["root"]


def test_the_steps_depend_on_each_other_as_designed(project: Any) -> None:
    tasks = tasks_of(pipeline_of(project))
    assert {step: set(tasks[step].get("dependentTasks", [])) for step in STEPS} == {
        "validate": set(), "ingest": {"validate"}, "index": {"ingest"}, "augment": {"validate", "index"},
        "train": {"augment"}, "evaluate": {"validate", "index", "train"}, "deploy": set(),
    }  # fmt: skip
    assert set(tasks["condition-branches-2"]["dependentTasks"]) == {"validate", "index", "train", "evaluate"}


def test_a_release_needs_the_gates_and_a_run_that_they_hold_fails(project: Any) -> None:
    pipeline = pipeline_of(project)
    tasks, held = tasks_of(pipeline), "inputs.parameter_values['pipelinechannel--evaluate-Output'] == 'passed'"
    ways = {name: pipeline["components"][f"comp-{name}"]["dag"]["tasks"] for name in ("condition-3", "condition-4")}
    assert (set(ways["condition-3"]), set(ways["condition-4"])) == ({"deploy"}, {"hold"})
    assert tasks["condition-3"]["triggerPolicy"]["condition"] == held
    assert tasks["condition-4"]["triggerPolicy"]["condition"] == f"!({held})"


def test_the_end_of_a_run_is_recorded_however_it_comes(project: Any) -> None:
    project.spec["spec"]["platform"] = {"notify": {"secret": "chat", "key": "url", "env": "CHAT_URL"}}
    pipeline, platform = yaml.safe_load_all(compile_spec(project.load()).text)
    finish = pipeline["root"]["dag"]["tasks"]["finish"]
    assert finish["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert finish["cachingOptions"] == {}
    assert finish["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]["webhook"] == "CHAT_URL"
    told = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert [name for name, pod in told.items() if "secretAsEnv" in pod] == ["exec-finish"]
    (webhook,) = told["exec-finish"]["secretAsEnv"]
    assert webhook["optional"], "without the secret nobody is told, and the run is still recorded"


class TestShards:
    """Ingest and index in parts."""

    def test_one_shard_is_one_task_and_no_loop(self, project: Any) -> None:
        assert not any("parameterIterator" in task for task in tasks_of(pipeline_of(project)).values())

    def test_shards_are_a_bounded_loop_before_the_task_that_has_the_steps_key(self, project: Any) -> None:
        project.spec["spec"]["platform"] = {"shards": 5, "shards_at_once": 2}
        compiled = compile_spec(project.load())
        tasks = tasks_of(yaml.safe_load(compiled.text.split("\n---\n")[0]))
        loops = [task for task in tasks.values() if "parameterIterator" in task]
        assert [loop["parameterIterator"]["items"]["raw"] for loop in loops] == ["[0, 1, 2, 3, 4]"] * 2
        assert [loop["iteratorPolicy"]["parallelismLimit"] for loop in loops] == [2, 2]
        for step in ("ingest", "index"):
            assert tasks[step]["cachingOptions"]["cacheKey"] == compiled.keys[step].digest
            assert tasks[f"{step}-shard"]["cachingOptions"] == {"enableCache": True}
            config = tasks[f"{step}-shard"]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
            assert compiled.keys[step].digest.startswith(config["key"]) and config["shards"] == 5

    def test_shards_change_no_key(self, project: Any) -> None:
        one = compile_spec(project.load()).keys
        project.spec["spec"]["platform"] = {"shards": 7, "images": {"ingest": f"x/ingest@sha256:{'0' * 64}"}}
        assert compile_spec(project.load()).keys == one


class TestCandidates:
    """Several trainings, one of which goes on."""

    @staticmethod
    def compiled(project: Any, **train: Any) -> Compiled:
        project.spec["spec"]["train"] |= CANDIDATES | train
        return compile_spec(project.load())

    def test_they_are_a_bounded_loop_before_the_task_that_has_the_steps_key(self, project: Any) -> None:
        compiled = self.compiled(project)
        tasks = tasks_of(next(yaml.safe_load_all(compiled.text)))
        [loop] = [task for task in tasks.values() if "parameterIterator" in task]
        items = [json.loads(item) for item in json.loads(loop["parameterIterator"]["items"]["raw"])]
        assert items == CANDIDATES["candidates"]
        assert loop["iteratorPolicy"]["parallelismLimit"] == 2
        assert tasks["train"]["cachingOptions"]["cacheKey"] == compiled.keys["train"].digest
        assert tasks["train"]["inputs"]["artifacts"].keys() == {"conversations", "parts"}
        assert tasks["train-candidate"]["cachingOptions"] == {"enableCache": True}
        assert tasks["train-candidate"]["taskInfo"]["name"] == "train candidate"

    def test_one_after_the_other_they_are_the_step_itself(self, project: Any) -> None:
        compiled = self.compiled(project, candidates_at_once=1)
        tasks = tasks_of(next(yaml.safe_load_all(compiled.text)))
        assert not any("parameterIterator" in task for task in tasks.values())
        assert tasks["train"]["inputs"]["artifacts"].keys() == {"conversations"}
        assert compiled.keys == self.compiled(project).keys

    def test_each_gets_what_the_step_gets(self, project: Any) -> None:
        resources = {"cpu": 4, "memory": "16Gi", "accelerator": {"count": 1}, "node_selector": {"pool": "gpu"}}
        project.spec["spec"]["platform"] = {"resources": {"train": resources | {"timeout_minutes": 90}}}
        pipeline, platform = yaml.safe_load_all(self.compiled(project).text)
        executors = pipeline["deploymentSpec"]["executors"]
        one, all_ = (executors[f"exec-{name}"]["container"] for name in ("train-candidate", "train"))
        assert (one["resources"], one["image"]) == (all_["resources"], all_["image"])
        pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert pods["exec-train-candidate"] == pods["exec-train"]

    def test_one_more_leaves_the_tasks_of_the_others_as_they_are(self, project: Any) -> None:
        def told(**train: Any) -> Any:
            tasks = tasks_of(next(yaml.safe_load_all(self.compiled(project, **train).text)))
            return tasks["train-candidate"]["inputs"]["parameters"]["config"], tasks["train"]["cachingOptions"]

        before, key = told()
        more = [*CANDIDATES["candidates"], {"name": "new", "seed": 8}]
        after, other_key = told(candidates=more)
        assert after == before and other_key != key
        project.spec["spec"]["evaluate"] = {"arms": ["raft"]}
        assert told(candidates=more, plain=False)[0] == before
        assert told(candidates=more, learning_rate=1e-2)[0] != before
        project.spec["spec"]["prompt"] = {"units": 4}
        assert told(candidates=more, learning_rate=5e-4)[0] != before, "what is upstream is part of it"

    def test_sixteen_fit_what_a_server_takes(self, project: Any) -> None:
        many = [{"name": f"{'n' * 60}{n}", "rank": 8, "learning_rate": 0.001234567, "seed": n} for n in range(16)]
        assert len(self.compiled(project, candidates=many, candidates_at_once=16).text.encode()) < 60 * 1024


class TestPlainBeside:
    """The plain adapter in tasks of its own."""

    @staticmethod
    def compiled(project: Any, **more: Any) -> Compiled:
        project.spec["spec"]["train"] |= {"plain_beside": True}
        project.spec["spec"] |= more
        return compile_spec(project.load())

    def test_it_waits_for_the_documents_and_not_for_the_index(self, project: Any) -> None:
        tasks = tasks_of(next(yaml.safe_load_all(self.compiled(project).text)))

        def waits_for(name: str) -> set[str]:
            direct = set(tasks[name].get("dependentTasks", ()))
            return direct.union(*map(waits_for, direct))

        assert waits_for("train-plain") == {"validate", "ingest", "augment-plain"}
        assert waits_for("train") == {"validate", "ingest", "index", "augment", "augment-plain", "train-plain"}
        assert tasks["train"]["inputs"]["artifacts"]["plain"]["taskOutputArtifact"]["producerTask"] == "train-plain"

    def test_the_keys_are_those_of_one_task_and_its_parts_have_keys_that_follow_them(self, project: Any) -> None:
        whole = compile_spec(project.load())
        apart = self.compiled(project)
        assert {step: key.digest for step, key in apart.keys.items()} == {s: k.digest for s, k in whole.keys.items()}

        def keys(text: str) -> dict[str, str]:
            return {name: task["cachingOptions"]["cacheKey"] for name, task in parts(text).items()}

        def parts(text: str) -> dict[str, Any]:
            tasks = tasks_of(next(yaml.safe_load_all(text)))
            return {name: tasks[name] for name in ("augment-plain", "train-plain")}

        before = keys(apart.text)
        assert len({*before.values(), apart.keys["augment"].digest, apart.keys["train"].digest}) == 4
        project.write("docs/new.md", "# New\n\nA document that no example is about.\n")
        assert keys(self.compiled(project).text) == before, "a changed document does not retrain"
        faster = keys(self.compiled(project, train=project.spec["spec"]["train"] | {"learning_rate": 1e-2}).text)
        assert faster["augment-plain"] == before["augment-plain"] and faster["train-plain"] != before["train-plain"]

    def test_it_gets_what_the_step_gets(self, project: Any) -> None:
        resources = {"cpu": 4, "memory": "16Gi", "accelerator": {"count": 1}, "timeout_minutes": 90}
        platform = {"resources": {"train": resources}}
        pipeline, placed = yaml.safe_load_all(self.compiled(project, platform=platform).text)
        executors = pipeline["deploymentSpec"]["executors"]
        one, other = (executors[f"exec-{name}"]["container"] for name in ("train-plain", "train"))
        assert (one["resources"], one["image"]) == (other["resources"], other["image"])
        pods = placed["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert pods["exec-train-plain"] == pods["exec-train"]


def test_every_task_carries_its_key(project: Any) -> None:
    compiled = compile_spec(project.load())
    tasks = tasks_of(next(yaml.safe_load_all(compiled.text)))
    for step, key in compiled.keys.items():
        assert tasks[step]["cachingOptions"] == {"cacheKey": key.digest, "enableCache": True}


def test_a_step_receives_its_own_sections_and_nothing_else(project: Any) -> None:
    tasks = tasks_of(pipeline_of(project))
    config = tasks["train"]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
    assert set(config) == {"train", "base", "embedder", "cache", "key"}


def test_a_description_of_several_lines_stays_a_description(project: Any) -> None:
    project.spec["metadata"]["description"] = "one\ntwo: three\n# four"
    assert pipeline_of(project)["pipelineInfo"]["description"].startswith("one\ntwo: three\n# four\n\nraftops ")


def test_what_stands_behind_a_step_is_what_reads_its_results(project: Any) -> None:
    assert downstream(["deploy"]) == {"deploy"}
    assert downstream(["train"]) == {"train", "evaluate", "deploy"}
    assert downstream(["validate"]) == set(STEPS)
    assert downstream([]) == frozenset()
    tasks = tasks_of(pipeline_of(project))
    for step in STEPS:
        direct = {name for name in STEPS if step in tasks[name].get("dependentTasks", [])}
        assert direct <= downstream([step])
