from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import cluster as commands
from pipelines.cli.planning import cluster_costs
from pipelines.kubeflow import client as kfp
from pipelines.kubeflow.run_state import StepState
from pipelines.runs.estimate import with_questions
from pipelines.wiring.compile import compile_spec
from raftops.errors import ClusterError
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS
from tests.standin.runs import scripted
from tests.standin.server import Cluster, Server
from tests.standin.tiny import DONE

Run = Callable[..., Any]
FAILURE = 'raftops-error {"message": "row k7 has no evidence", "next": "mend examples.jsonl"}'
FAILED = ({"run": "RUNNING", "augment": "RUNNING"}, {"augment": "FAILED", "run": "FAILED"})


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(scripted(*DONE))


@pytest.fixture
def kubeflow(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, project: Any) -> Iterator[Server]:
    """A Kubeflow that the environment names; the project is the working directory; no time passes, no Kubernetes."""
    project.save()
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(commands, "PAUSE", 0.0)
    monkeypatch.setattr(commands, "_pod_reasons", lambda server: lambda pod: "")
    with Server(cluster) as server:
        monkeypatch.setenv("KFP_ENDPOINT", server.url)
        yield server


def last(cluster: Cluster) -> Any:
    return list(cluster.runs.values())[-1]


@pytest.mark.usefixtures("kubeflow")
class TestSubmit:
    @pytest.fixture(autouse=True)
    def on_a_claim(self, project: Any) -> None:
        """The pods see the data, and the release is kept."""
        volumes = [{"claim": "documents", "path": "/app/data"}, {"claim": "models", "path": "/app/models"}]
        claims = {"volumes": volumes, "workspace": "store"}
        project.spec["spec"]["platform"] = claims
        project.save()

    def test_data_that_no_pod_sees_is_noted_with_what_to_do(self, raftops: Run, project: Any, tmp_path: Path) -> None:
        project.spec["spec"]["platform"] = {}
        project.save()
        for command in (["submit", project.path], ["compile", project.path, "-o", tmp_path / "x.yaml"]):
            ended = raftops(*command)
            assert ended.code == 0 and ended.err.startswith("note: the pods of a cluster do not see data/")
            assert "name a bucket in the spec, platform: {dvc: {uri: s3://bucket/data}}, and fill it" in ended.err
            assert "note: the pods of a cluster do not see the models models/base.gguf, models/embedder" in ended.err
            assert "note: on a cluster the release ends with the pod that made it" in ended.err
        ended = raftops("plan", project.path, "--on", "kubeflow", "--markdown")
        assert "\n- the pods of a cluster do not see data/" in ended.out
        ended = raftops("--output", "json", "compile", project.path, "-o", tmp_path / "x.yaml")
        assert ended.err == "" and len(json.loads(ended.out)["notes"]) == 3

    def test_a_run_is_submitted_and_noted(self, raftops: Run, project: Any, cluster: Cluster) -> None:
        ended = raftops("submit", project.path)
        run = last(cluster)
        assert (ended.code, ended.err) == (0, "")
        assert run.run_id in ended.out and f"raftops status {run.run_id[:8]}" in ended.out
        assert (project.root / ".raftops" / "cluster" / f"{run.run_id}.json").is_file()
        assert [e["display_name"] for e in cluster.experiments.values()] == ["Default", "tiny"]

    def test_a_dry_run_submits_nothing_and_says_where_it_would(
        self, raftops: Run, project: Any, cluster: Cluster
    ) -> None:
        for command in ("submit", "kfp-run"):
            ended = raftops(command, project.path, "--dry-run", "--force", "train")
            assert ended.code == 0 and "nothing was submitted" in ended.out and cluster.runs == {}
            assert "without an earlier result of train, evaluate, deploy" in ended.out

    def test_a_dry_run_needs_no_kubeflow_and_says_that_a_run_does(
        self, raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KFP_ENDPOINT")
        for command in ("submit", "kfp-run"):
            ended = raftops(command, project.path, "--dry-run")
            assert ended.code == 0 and "on a Kubeflow that nothing names yet" in ended.out, ended.err
            assert "no Kubeflow endpoint is named, which a run needs: set KFP_ENDPOINT=" in ended.out
            assert raftops(command, project.path, "--dry-run", "--endpoint", "nowhere").code == 1

    def test_one_command_compiles_and_runs_with_what_ci_changes(
        self, raftops: Run, project: Any, cluster: Cluster, tmp_path: Path
    ) -> None:
        out = tmp_path / "pipeline.yaml"
        words = ("-o", out, "--questions", "3", "--experiment", "nightly", "--force", "evaluate", "--wait")
        ended = raftops("kfp-run", project.path, *words)
        assert (ended.code, ended.err) == (0, ""), ended.err
        assert f"wrote {out}" in ended.out and f"run {last(cluster).run_id} succeeded" in ended.out
        assert re.search(r"questions: 3\b", out.read_text(encoding="utf-8"))
        assert "nightly" in [e["display_name"] for e in cluster.experiments.values()]

    def test_fewer_questions_leave_the_other_steps_their_keys(self, project: Any) -> None:
        loaded = project.load()
        many, few = compile_spec(loaded).keys, compile_spec(with_questions(loaded, 1)).keys
        assert [step for step in STEPS if many[step].digest != few[step].digest] == ["evaluate", "deploy"]

    def test_a_server_with_published_vulnerabilities_is_noted(
        self, raftops: Run, project: Any, cluster: Cluster
    ) -> None:
        cluster.version = "2.17.0"
        ended = raftops("submit", project.path)
        assert ended.code == 0 and last(cluster).run_id in ended.out
        assert ended.err.startswith("note: Kubeflow Pipelines 2.17.0 at http://127.0.0.1:")
        assert "GHSA-j53r-x5f5-j4hr" in ended.err and "next: upgrade to 2.18.1" in ended.err

    def test_experiment_and_service_account_come_from_the_spec(
        self, raftops: Run, project: Any, cluster: Cluster
    ) -> None:
        project.spec["spec"]["platform"] = {"kubeflow": {"experiment": "nightly", "service_account": "runner"}}
        project.save()
        assert raftops("submit", project.path).code == 0
        assert last(cluster).body["service_account"] == "runner"
        assert "nightly" in [e["display_name"] for e in cluster.experiments.values()]

    def test_waiting_shows_every_step_and_the_end(self, raftops: Run, project: Any) -> None:
        ended = raftops("submit", project.path, "--wait")
        assert (ended.code, ended.err) == (0, "")
        for number, step in enumerate(STEPS, 1):
            assert f"{number}/7 {step}" in ended.out
        assert "succeeded" in ended.out

    def test_waiting_as_json_is_one_object_a_line(self, raftops: Run, project: Any) -> None:
        ended = raftops("--output", "json", "submit", project.path, "--wait")
        events = [json.loads(line) for line in ended.out.splitlines()]
        assert events[0]["event"] == "submitted" and set(events[0]["keys"]) == set(STEPS)
        assert {"step": "train", "event": "started"} in events
        assert (events[-1]["event"], events[-1]["state"]) == ("ended", "SUCCEEDED")

    def test_a_failed_run_fails_the_command_and_says_why(self, raftops: Run, project: Any, cluster: Cluster) -> None:
        cluster.start = scripted(*FAILED, logs={"augment": FAILURE})
        ended = raftops("submit", project.path, "--wait")
        assert ended.code == 1
        assert ended.err == "error: augment: row k7 has no evidence\n  next: mend examples.jsonl\n"

    def test_ctrl_c_stops_watching_and_not_the_run(
        self, raftops: Run, project: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(commands, "watch", interrupted)
        ended = raftops("submit", project.path, "--wait")
        assert ended.code == 130 and "goes on" in ended.err and "raftops cancel" in ended.err
        assert last(cluster).state == "PENDING"

    def test_a_token_that_expires_while_a_run_is_watched_ends_the_watching_alone(
        self, raftops: Run, project: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def expired(*_: object, **__: object) -> None:
            raise ClusterError("Kubeflow does not accept the token", next_step="renew the token")

        monkeypatch.setattr(commands, "watch", expired)
        ended = raftops("submit", project.path, "--wait")
        run = last(cluster).run_id
        assert f"error: Kubeflow does not accept the token; run {run} goes on unwatched\n" in ended.err
        assert f"next: renew the token; then raftops status {run[:8]} --wait" in ended.err and ended.code == 1

    def test_a_run_that_is_deleted_while_it_is_watched_does_not_go_on(
        self, raftops: Run, project: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commands, "watch", lambda server, run_id, *_: cluster.runs.clear() or server.run(run_id))
        ended = raftops("submit", project.path, "--wait")
        assert ended.code == 1 and "was deleted: Kubeflow at" in ended.err and "goes on" not in ended.err
        assert f"next: raftops submit {project.path} starts another" in ended.err

    def test_a_run_above_the_budget_is_not_submitted(self, raftops: Run, project: Any, cluster: Cluster) -> None:
        project.spec["spec"]["platform"] = {"prices": {"cpu_hour": 1.0}, "budget": 5}
        project.save()
        ended = raftops("submit", project.path)
        assert ended.code == 1 and "the run may cost 71.00 USD" in ended.err and "raise platform.budget" in ended.err
        assert cluster.runs == {}

    def test_a_plan_says_it_and_fails_only_where_it_is_asked_to(self, raftops: Run, project: Any) -> None:
        project.spec["spec"]["platform"] = {"prices": {"cpu_hour": 1.0}, "budget": 5}
        project.save()
        shown = raftops("plan", project.path, "--on", "kubeflow")
        ended = raftops("plan", project.path, "--on", "kubeflow", "--within-budget")
        assert shown.code == 0 and ended.out == shown.out and "exceeded" in shown.out
        assert ended.code == 1 and "the run may cost 71.00 USD" in ended.err

    def test_what_the_cluster_has_does_not_count_against_the_budget(
        self, raftops: Run, project: Any, cluster: Cluster
    ) -> None:
        assert raftops("submit", project.path, "--wait").code == 0
        project.spec["spec"]["platform"] = {"prices": {"cpu_hour": 1.0}, "budget": 5}
        project.save()
        assert raftops("submit", project.path).code == 0
        assert len(cluster.runs) == 2

    def test_a_step_that_there_is_not_cannot_be_forced(self, raftops: Run, project: Any, cluster: Cluster) -> None:
        assert "--force deplo: no such step" in raftops("submit", project.path, "--force", "deplo").err
        assert cluster.runs == {}

    def test_the_token_comes_from_the_environment_and_goes_nowhere(
        self, raftops: Run, project: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cluster.token = "s3cret-token"
        refused = raftops("submit", project.path)
        assert refused.code == 1 and "set KFP_TOKEN" in refused.err
        monkeypatch.setenv("KFP_TOKEN", cluster.token)
        ended = raftops("submit", project.path)
        written = "".join(path.read_text("utf-8") for path in (project.root / ".raftops" / "cluster").glob("*"))
        assert ended.code == 0 and cluster.token not in ended.out + ended.err + written


def test_without_an_endpoint_nothing_is_submitted(raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    project.save()
    ended = raftops("submit", project.path)
    assert ended.code == 1 and "no Kubeflow endpoint is named" in ended.err and "KFP_ENDPOINT" in ended.err


@pytest.fixture
def submitted(kubeflow: Server, cluster: Cluster, raftops: Run, project: Any) -> Callable[..., Any]:
    """Submit a run that follows a script, and look at it so often."""

    def begin(*frames: dict[str, str], looks: int = 1, **logs: str) -> Any:
        cluster.start = scripted(*frames, logs=logs)
        assert raftops("submit", project.path).code == 0
        for _ in range(looks):
            last(cluster).execution.looked_at()
        return last(cluster)

    return begin


class TestStatus:
    def test_the_steps_of_a_run_by_the_first_digits_of_its_id(self, raftops: Run, submitted: Any) -> None:
        run = submitted({"run": "RUNNING", "validate": "CACHED", "ingest": "RUNNING"}, looks=0)
        ended = raftops("status", run.run_id[:6])
        assert ended.code == 0 and "RUNNING" in ended.out
        lines = {line.split()[0]: line for line in ended.out.splitlines() if line.split()}
        assert "skipped" in lines["validate"] and "nothing changed" in lines["validate"]
        assert "running" in lines["ingest"] and "waiting" in lines["train"]

    def test_a_failed_run_says_why_and_what_next(self, raftops: Run, submitted: Any) -> None:
        submitted(*FAILED, looks=2, augment=FAILURE)
        ended = raftops("status", "latest")
        assert ended.code == 0 and "row k7 has no evidence" in ended.out and "mend examples.jsonl" in ended.out

    def test_a_step_whose_pod_has_not_started_says_so(self, raftops: Run, submitted: Any) -> None:
        submitted({"run": "RUNNING", "validate": "PENDING"}, looks=1)
        assert "its pod has not started" in raftops("status", "latest").out

    def test_the_name_and_the_state_of_a_run_stand_on_one_line(self, raftops: Run, submitted: Any) -> None:
        run = submitted({"run": "RUNNING"}, looks=1)
        assert f"{run.body['display_name']}: RUNNING\n" in raftops("status", "latest").out

    def test_how_far_a_step_at_work_is_stands_beside_it(self, raftops: Run, submitted: Any) -> None:
        far = 'raftops-progress {"step": "augment", "done": 3, "total": 9, "note": "examples"}'
        submitted(FAILED[0], looks=1, augment=far)
        assert "3/9 examples" in raftops("status", "latest").out

    def test_a_run_can_be_watched_again(self, raftops: Run, submitted: Any) -> None:
        submitted(*FAILED, looks=0, augment=FAILURE)
        ended = raftops("status", "latest", "--wait")
        assert "4/7 augment    running" in ended.out
        assert (ended.code, ended.err) == (1, "error: augment: row k7 has no evidence\n  next: mend examples.jsonl\n")

    def test_as_json_it_has_every_step(self, raftops: Run, submitted: Any) -> None:
        run = submitted(*FAILED, looks=2)
        told = json.loads(raftops("--output", "json", "status", run.run_id).out)
        assert (told["run_id"], told["state"]) == (run.run_id, "FAILED")
        assert [step["step"] for step in told["steps"]] == list(STEPS) and told["error"]

    def test_without_a_run_the_newest_are_listed(self, raftops: Run, submitted: Any) -> None:
        run = submitted(*DONE)
        assert run.run_id[:8] in raftops("status").out
        assert [r["run_id"] for r in json.loads(raftops("--output", "json", "status").out)] == [run.run_id]

    def test_the_run_is_found_where_it_was_submitted_to(
        self, raftops: Run, submitted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = submitted(*DONE)
        monkeypatch.delenv("KFP_ENDPOINT")
        assert raftops("status", run.run_id[:8]).code == 0

    def test_a_run_of_somebody_else_is_found_on_the_server(
        self, raftops: Run, submitted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = submitted(*DONE)
        monkeypatch.chdir(tmp_path)
        assert raftops("status", run.run_id[:8]).code == 0

    @pytest.mark.parametrize(("run", "says"), [("zzzzzzzz", "none of the newest 100 runs"), ("zz", "too short")])
    def test_an_unknown_run_is_one_line(self, raftops: Run, submitted: Any, run: str, says: str) -> None:
        submitted(*DONE)
        ended = raftops("status", run)
        assert ended.code == 1 and says in ended.err and "next:" in ended.err

    def test_latest_without_a_run_is_one_line(self, raftops: Run, kubeflow: Server) -> None:
        ended = raftops("status", "latest")
        assert ended.code == 1 and "no run was submitted" in ended.err


class TestLogs:
    def test_what_a_step_wrote_is_shown_as_it_is(self, raftops: Run, submitted: Any) -> None:
        run = submitted({"run": "RUNNING", "train": "RUNNING"}, train="step 1\n[bold] loss 2.1\n")
        assert raftops("logs", run.run_id[:8], "train").out == "step 1\n[bold] loss 2.1\n"
        told = json.loads(raftops("--output", "json", "logs", "latest", "train").out)
        assert told["log"].startswith("step 1") and told["pod"].startswith("tiny-")

    @pytest.mark.parametrize(("step", "says"), [("validate", "came from the cache"), ("deploy", "has not started")])
    def test_a_step_without_a_log_says_why(self, raftops: Run, submitted: Any, step: str, says: str) -> None:
        submitted({"run": "RUNNING", "validate": "CACHED"})
        ended = raftops("logs", "latest", step)
        assert ended.code == 1 and says in ended.err

    def test_a_log_that_kubeflow_lost_names_the_pod(
        self, raftops: Run, submitted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(*_: object) -> str:
            raise ClusterError("could not get logs")

        run = submitted({"run": "RUNNING", "train": "RUNNING"})
        monkeypatch.setattr(commands.Server, "log", lost)
        ended = raftops("logs", "latest", "train")
        assert ended.code == 1 and "could not get logs" in ended.err
        assert f"kubectl -n kubeflow logs {run.pod(run.tasks['train'])} -c main" in ended.err

    def test_of_several_pods_one_that_is_gone_does_not_hide_the_others(
        self, raftops: Run, submitted: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def only_the_second(server: Any, run_id: str, pod: str) -> str:
            if pod == "w-1":
                raise ClusterError("could not get logs")
            return "step 7\n"

        submitted({"run": "RUNNING", "train": "RUNNING"})
        monkeypatch.setattr(commands, "state_of", lambda *_: StepState("train", "running", pods=("w-1", "w-2")))
        monkeypatch.setattr(commands.Server, "log", only_the_second)
        ended = raftops("logs", "latest", "train")
        assert (ended.code, ended.out) == (0, "w-2\nstep 7\n")
        assert "no log of w-1: could not get logs" in ended.err

    def test_an_unknown_step_names_the_steps(self, raftops: Run, submitted: Any) -> None:
        submitted(*DONE)
        ended = raftops("logs", "latest", "trian")
        assert ended.code == 2 and "trian" in ended.err and "train" in ended.err


class TestCancel:
    def test_a_running_run_is_ended(self, raftops: Run, submitted: Any, cluster: Cluster) -> None:
        run = submitted({"run": "RUNNING"}, {})
        assert "would be canceled" in raftops("cancel", "latest", "--dry-run").out
        assert "is being canceled" in raftops("cancel", "latest").out
        run.execution.looked_at()
        assert run.state == "CANCELED"

    def test_one_that_ended_is_left_alone(self, raftops: Run, submitted: Any) -> None:
        run = submitted({"run": "SUCCEEDED"})
        assert json.loads(raftops("--output", "json", "cancel", "latest").out) == {
            "run_id": run.run_id,
            "state": "SUCCEEDED",
        }


class TestPlan:
    def test_on_kubeflow_it_shows_resources_and_cost(self, raftops: Run, project: Any, kubeflow: Server) -> None:
        project.spec["spec"]["platform"] = {"prices": {"cpu_hour": 1.0, "currency": "EUR"}, "budget": 5}
        project.save()
        ended = raftops("plan", project.path, "--on", "kubeflow")
        assert ended.code == 0
        assert "of 7 steps 7 run" in ended.out and "at most 71.00 EUR" in ended.out
        assert "budget 5.00 EUR: exceeded" in ended.out

    def test_what_ran_there_is_skipped(self, raftops: Run, project: Any, kubeflow: Server) -> None:
        assert raftops("submit", project.path, "--wait").code == 0
        told = json.loads(raftops("--output", "json", "plan", project.path, "--on", "kubeflow").out)
        assert {step["runs"] for step in told["steps"]} == {False}
        assert told["total"]["hours"] == 0.0

    def test_what_is_forced_costs_although_the_cluster_has_it(
        self, raftops: Run, project: Any, kubeflow: Server
    ) -> None:
        assert raftops("submit", project.path, "--wait").code == 0
        loaded, server = load_spec(project.path, ()), kfp.Server(kfp.Endpoint(kubeflow.url, namespace=""))
        costs = cluster_costs(loaded, compile_spec(loaded), server, "tiny", ("deploy",))
        assert [cost.step for cost in costs if cost.runs] == ["deploy"]

    def test_a_cluster_that_cannot_be_asked_is_said(
        self, raftops: Run, project: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KFP_ENDPOINT", "http://127.0.0.1:9")
        project.save()
        ended = raftops("plan", project.path, "--on", "kubeflow")
        assert ended.code == 0 and "which steps are skipped is unknown: Kubeflow at" in ended.out
        assert "of 7 steps 7 may run" in ended.out

    def test_as_a_comment_it_is_markdown(self, raftops: Run, project: Any, kubeflow: Server) -> None:
        assert "| step |" in raftops("plan", project.path, "--on", "kubeflow", "--markdown").out
