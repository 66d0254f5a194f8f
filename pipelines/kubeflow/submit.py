"""Submit a compiled pipeline to Kubeflow, and remember where each run went. Does not watch it: see `watch.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.kubeflow.client import Server
from pipelines.wiring.compile import Compiled
from pipelines.wiring.steps import step_of
from raftops.errors import ClusterError, RaftopsError
from raftops.files import read_json, write_json
from raftops.spec.load import LoadedSpec
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import StepName
from raftops.spec.model.platform import Kubeflow

FOLDER = "cluster"
"""Below the store: a file for each submitted run."""
_SHORT = 4


@dataclass(frozen=True)
class Submitted:
    """A run that was submitted from this project."""

    run_id: str
    name: str
    """The assistant's."""
    endpoint: str
    namespace: str
    experiment: str
    spec: str
    submitted: str
    """Time, in UTC (ISO 8601)."""
    keys: dict[str, str]
    """Key of each step."""
    token_env: str = Kubeflow().token_env
    token_file: str = Kubeflow().token_file
    """Where the token is found again: names, never the token."""

    def section(self) -> Kubeflow:
        """The section that names the server of the run, to ask it again."""
        place = {"endpoint": self.endpoint, "namespace": self.namespace, "experiment": self.experiment}
        return Kubeflow(**place, token_env=self.token_env, token_file=self.token_file)


def submit(  # noqa: PLR0913  what, where, and how
    loaded: LoadedSpec,
    compiled: Compiled,
    server: Server,
    experiment: str,
    store: Path,
    again: Collection[StepName] = (),
) -> Submitted:
    """Start a run of a compiled spec, and note it below the store; the steps `again` take no earlier result.

    Raises `ClusterError` where Kubeflow does not start it.
    """
    name, now = loaded.assistant.name, datetime.now(UTC)
    root = compiled.pipeline.get("defaultPipelineRoot")
    section = loaded.assistant.spec.platform.kubeflow
    body = {
        "experiment_id": server.make_experiment(experiment),
        "display_name": f"{name} {now:%Y-%m-%d %H:%M:%S}",
        "pipeline_spec": as_struct(_uncached(compiled.pipeline, again), compiled.platform),
        # Kubeflow's driver asks the run and the launcher's settings where artifacts go, and no pipeline.
        "runtime_config": {"parameters": {}} | ({"pipeline_root": str(root)} if root else {}),
    } | ({"service_account": section.service_account} if section.service_account else {})
    run = Submitted(
        run_id=server.create_run(body), name=name, endpoint=server.endpoint.url, namespace=server.endpoint.namespace,
        experiment=experiment, spec=str(loaded.path), submitted=now.isoformat(timespec="seconds"),
        keys={step: key.digest for step, key in compiled.keys.items()},
        token_env=section.token_env, token_file=section.token_file,
    )  # fmt: skip
    write_json(store / FOLDER / f"{run.run_id}.json", asdict(run))
    return run


def as_struct(pipeline: Mapping[str, Any], platform: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline as the API takes it: alone, or pipeline and platform side by side."""
    return {"pipeline_spec": pipeline, "platform_spec": platform} if platform else dict(pipeline)


def _uncached(compiled: Mapping[str, Any], again: Collection[StepName]) -> dict[str, Any]:
    """The pipeline without caching for some steps and their parts: they take no earlier result, and leave none."""
    pipeline = deepcopy(dict(compiled))
    for dag in (pipeline["root"], *pipeline["components"].values()):
        for name, task in dag.get("dag", {}).get("tasks", {}).items():
            if step_of(name) in again:
                task["cachingOptions"] = {}
    return pipeline


def experiment_of(assistant: Assistant, environment: Mapping[str, str]) -> str:
    """The experiment that an assistant's runs belong to."""
    return assistant.spec.platform.kubeflow.experiment or environment.get("KFP_EXPERIMENT", "") or assistant.name


def submitted(store: Path) -> list[Submitted]:
    """The runs submitted from this project, newest first; files of other versions are left out."""
    runs = []
    for path in (store / FOLDER).glob("*.json"):
        try:
            runs.append(Submitted(**read_json(path)))
        except (TypeError, RaftopsError):
            continue
    return sorted(runs, key=lambda run: run.submitted, reverse=True)


def find_submitted(store: Path, prefix: str) -> Submitted | None:
    """The submitted run whose id begins so, the newest for `latest`; None where this project submitted no such run."""
    runs = submitted(store)
    if prefix == "latest":
        if not runs:
            raise ClusterError(f"no run was submitted from {store.parent}", next_step="raftops submit SPEC")
        return runs[0]
    wanted = _only([run.run_id for run in runs], prefix)
    return next((run for run in runs if run.run_id == wanted), None)


def find(server: Server, prefix: str) -> str:
    """The id of a run on the server that begins so."""
    if len(prefix) >= 36:
        return prefix
    run_id = _only([str(run.get("run_id")) for run in server.runs(limit=100)], prefix)
    if not run_id:
        raise ClusterError(
            f"{server.endpoint.url}: none of the newest 100 runs begins with {prefix!r}",
            next_step="raftops status lists the runs; KFP_NAMESPACE names a profile",
        )
    return run_id


def _only(ids: list[str], prefix: str) -> str | None:
    matching = [run_id for run_id in ids if run_id.startswith(prefix)]
    if len(prefix) < _SHORT or len(matching) > 1:
        raise ClusterError(f"run {prefix!r}: too short, it may be any of {len(matching)}", next_step="give more digits")
    return matching[0] if matching else None
