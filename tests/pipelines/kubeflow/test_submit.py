from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.kubeflow.client import Endpoint, Server
from pipelines.kubeflow.earlier_runs import past_steps
from pipelines.kubeflow.run_state import steps_of
from pipelines.kubeflow.submit import as_struct, experiment_of, find_submitted, submit, submitted
from pipelines.kubeflow.watch import failure, watch
from pipelines.wiring.compile import compile_spec
from pipelines.wiring.steps import downstream
from raftops.errors import ClusterError
from raftops.spec.model.base import STEPS, StepName
from tests.standin.runs import locally
from tests.standin.server import Cluster
from tests.standin.server import Server as StandIn


@pytest.fixture
def server(tiny_run: Any, tmp_path: Path) -> Iterator[Server]:
    """A Kubeflow that really executes."""
    with StandIn(Cluster(locally(tiny_run.loaded.root, tmp_path / "cluster"))) as standin:
        yield Server(Endpoint(standin.url, namespace=""))


@pytest.mark.local
class TestARealRun:
    """KFP runs seven tiny components behind the stand-in; nothing here is scripted."""

    def test_a_submitted_run_ends_well_and_a_second_one_is_cached(self, tiny_run: Any, server: Server) -> None:
        first = self.submitted(tiny_run, server)
        ended = watch(server, first.run_id, tiny_run.heard, pause=0.2)
        assert failure(server, ended) is None
        assert {state.status for state in steps_of(ended).values()} == {"done"}
        assert tiny_run.heard.steps("done") == list(STEPS)
        assert {(step.step, step.key) for step in past_steps(server, "tiny")} == set(first.keys.items())
        again = watch(server, self.submitted(tiny_run, server).run_id, tiny_run.heard, pause=0.2)
        assert {state.status for state in steps_of(again).values()} == {"skipped"}

    def test_a_rejection_in_a_pod_reaches_the_user(self, tiny_run: Any, server: Server) -> None:
        tiny_run.manners["augment"] = "rejected"
        run = self.submitted(tiny_run, server)
        ended = watch(server, run.run_id, tiny_run.heard, pause=0.2)
        error = failure(server, ended)
        assert error is not None and str(error) == "augment: row k7 has no evidence"
        assert error.next_step == "mend data/examples.jsonl"
        assert steps_of(ended)["deploy"].status == "left out"

    def test_a_forced_step_and_those_behind_it_run_again(self, tiny_run: Any, server: Server) -> None:
        watch(server, self.submitted(tiny_run, server).run_id, tiny_run.heard, pause=0.2)
        run = self.submitted(tiny_run, server, downstream(["train"]))
        states = steps_of(watch(server, run.run_id, tiny_run.heard, pause=0.2))
        assert {step for step, state in states.items() if state.status == "done"} == {"train", "evaluate", "deploy"}
        assert {step for step, state in states.items() if state.status == "skipped"} == set(STEPS[:4])

    @staticmethod
    def submitted(tiny_run: Any, server: Server, again: Collection[StepName] = ()) -> Any:
        return submit(tiny_run.loaded, tiny_run.compiled(), server, "tiny", tiny_run.store.root, again)


class TestWhereArtifactsGo:
    """Kubeflow's driver asks the run, not the pipeline, so the run says it."""

    @staticmethod
    def root_of(project: Any, tmp_path: Path, **platform: Any) -> str | None:
        project.spec["spec"]["platform"] = platform
        loaded = project.load()
        with StandIn(Cluster(lambda run: None)) as standin:
            server = Server(Endpoint(standin.url, namespace=""))
            run = submit(loaded, compile_spec(loaded), server, "tiny", tmp_path / "store")
            return server.run(run.run_id)["runtime_config"].get("pipeline_root")

    def test_a_run_goes_to_the_bucket_of_the_spec(self, project: Any, tmp_path: Path) -> None:
        root = self.root_of(project, tmp_path, artifacts={"uri": "s3://bucket/team/"})
        assert root == "s3://bucket/team/pipelines/tiny"

    def test_without_a_bucket_it_is_left_to_kubeflow(self, project: Any, tmp_path: Path) -> None:
        assert not self.root_of(project, tmp_path)


class TestWhatIsNoted:
    @pytest.fixture
    def noted(self, tiny_run: Any, server: Server, tmp_path: Path) -> Any:
        section = tiny_run.loaded.assistant.spec.platform.kubeflow
        assert section.token_env == "KFP_TOKEN"
        return submit(tiny_run.loaded, tiny_run.compiled(), server, "tiny", tmp_path / "store")

    def test_a_run_is_known_by_its_first_digits_and_as_the_latest(self, noted: Any, tmp_path: Path) -> None:
        store = tmp_path / "store"
        assert find_submitted(store, noted.run_id[:5]) == find_submitted(store, "latest") == noted
        assert find_submitted(store, "zzzzz") is None
        assert submitted(store) == [noted]

    def test_the_way_back_to_the_server_is_noted(self, noted: Any, server: Server) -> None:
        assert noted.section().endpoint == server.endpoint.url

    def test_a_file_that_is_no_note_is_left_out(self, noted: Any, tmp_path: Path) -> None:
        (tmp_path / "store" / "cluster" / "broken.json").write_text("{", encoding="utf-8")
        (tmp_path / "store" / "cluster" / "other.json").write_text('{"a": 1}', encoding="utf-8")
        assert submitted(tmp_path / "store") == [noted]

    def test_two_runs_that_begin_alike_are_not_guessed(self, noted: Any, tmp_path: Path) -> None:
        from dataclasses import asdict

        from raftops.files import write_json

        twin = replace(noted, run_id=noted.run_id[:8] + "-another")
        write_json(tmp_path / "store" / "cluster" / "twin.json", asdict(twin))
        with pytest.raises(ClusterError, match="any of 2"):
            find_submitted(tmp_path / "store", noted.run_id[:8])


def test_a_file_is_sent_as_the_api_takes_it() -> None:
    assert as_struct({"pipelineInfo": {"name": "tiny"}}, {}) == {"pipelineInfo": {"name": "tiny"}}
    both = as_struct({"pipelineInfo": {}}, {"platforms": {}})
    assert both == {"pipeline_spec": {"pipelineInfo": {}}, "platform_spec": {"platforms": {}}}


def test_the_experiment_is_named_by_spec_environment_or_assistant(project: Any) -> None:
    assert experiment_of(project.load().assistant, {}) == "tiny"
    assert experiment_of(project.load().assistant, {"KFP_EXPERIMENT": "theirs"}) == "theirs"
    project.spec["spec"]["platform"] = {"kubeflow": {"experiment": "ours"}}
    assert experiment_of(project.load().assistant, {"KFP_EXPERIMENT": "theirs"}) == "ours"
