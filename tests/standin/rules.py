"""What Kubeflow's API server refuses, and with which words: the rules of its pipeline template and of a run's inputs.

Strict protojson throughout (`ParseDict` refuses unknown fields), as the server has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as on_kubernetes
from kfp.pipeline_spec import pipeline_spec_pb2 as ir

LARGEST_FILE = 32 * 2**20
"""Bytes of an uploaded pipeline."""
LARGEST_WORKFLOW = 700_000
"""Bytes of a pipeline whose workflow still fits into etcd (1.5 MB), with its status."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_KINDS = {
    "NUMBER_DOUBLE": (int, float), "NUMBER_INTEGER": (int, float), "STRING": str, "BOOLEAN": bool, "LIST": list,
    "STRUCT": dict,
}  # fmt: skip
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 500: 13}


class Refused(Exception):
    """An answer other than 200: status, and the message of its body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message

    def body(self) -> dict[str, Any]:
        """A google.rpc.Status as the gateway writes it."""
        return {"error": self.message, "code": _CODES.get(self.status, 2), "message": self.message, "details": []}


@dataclass(frozen=True)
class Template:
    """A pipeline that the server took."""

    pipeline: dict[str, Any]
    platform: dict[str, Any]
    spec: Any

    def tasks(self) -> list[tuple[str, str]]:
        """(task, component) of every task that runs a container, in the order in which they can run."""
        return list(_leaves(self.spec, self.spec.root))

    def text(self) -> str:
        """The compiled file again."""
        documents = [self.pipeline, self.platform] if self.platform else [self.pipeline]
        return yaml.safe_dump_all(documents)


def read_file(data: bytes) -> Template:
    """An uploaded file: YAML documents."""
    if len(data) > LARGEST_FILE:
        raise Refused(400, f"File size too large. Maximum supported file size: {LARGEST_FILE}")
    try:
        documents = [d for d in yaml.safe_load_all(data) if d is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(f"unable to decode yaml document: {error}") from error
    return _template(documents)


def read_struct(value: Any) -> Template:
    """The `pipeline_spec` of a run: the spec itself, or spec and platform side by side."""
    if not isinstance(value, dict):
        raise _invalid("no pipeline spec is provided")
    if "pipeline_spec" in value:
        return _template([value["pipeline_spec"], *([value["platform_spec"]] if value.get("platform_spec") else [])])
    return _template([value])


def _template(documents: list[Any]) -> Template:
    pipelines = [d for d in documents if isinstance(d, dict) and ("pipelineInfo" in d or "pipeline_info" in d)]
    platforms = [d for d in documents if isinstance(d, dict) and "platforms" in d]
    if not pipelines:
        raise _invalid("no pipeline spec is provided")
    if len(pipelines) > 1:
        raise _invalid("multiple pipeline specs provided")
    if len(platforms) > 1:
        raise Refused(400, "Invalid input error: invalid platform spec: multiple platform specs provided")
    spec = _pipeline(pipelines[0])
    platform = platforms[0] if platforms else {}
    _platform(platform)
    if len(json.dumps(pipelines[0])) > LARGEST_WORKFLOW:
        raise Refused(500, "Failed to create a workflow: etcdserver: request is too large")
    return Template(pipelines[0], platform, spec)


def _pipeline(value: dict[str, Any]) -> Any:
    spec = _parsed(value, ir.PipelineSpec(), "invalid v2 pipeline spec")
    if spec.schema_version != "2.1.0":
        found = spec.schema_version
        raise _invalid(f"KFP only supports schema version 2.1.0, but the pipeline spec has version {found}")
    if not _NAME.fullmatch(spec.pipeline_info.name):
        message = "invalid v2 pipeline spec: name should consist of lower case alphanumeric characters and '-', "
        raise _invalid(f"{message}and must start with an alphanumeric character; found {spec.pipeline_info.name!r}")
    if not spec.HasField("root"):
        raise _invalid("invalid v2 pipeline spec: root component is empty")
    deployment = json_format.MessageToDict(spec.deployment_spec)
    known = _parsed(deployment, ir.PipelineDeploymentConfig(), "invalid deployment spec").executors
    for name, component in [("root", spec.root), *spec.components.items()]:
        if component.WhichOneof("implementation") == "executor_label" and component.executor_label not in known:
            raise _invalid(f"component {name}: executor {component.executor_label} not found in deployment config")
        for task_name, task in component.dag.tasks.items():
            if task.component_ref.name not in spec.components:
                raise _invalid(f"task {task_name}: component {task.component_ref.name} not found")
            if lost := [other for other in task.dependent_tasks if other not in component.dag.tasks]:
                raise _invalid(f"task {task_name}: depends on unknown task {lost[0]}")
    return spec


def _platform(value: dict[str, Any]) -> None:
    """The platform document, and what Kubeflow's driver parses of it before it starts a pod."""
    platform = _parsed(value, ir.PlatformSpec(), "cannot unmarshal platform specific configs")
    if "kubernetes" not in platform.platforms:  # a map of protobuf makes what it is asked for
        return
    for executor in platform.platforms["kubernetes"].deployment_spec.executors.values():
        wanted = json_format.MessageToDict(executor)
        _parsed(wanted, on_kubernetes.KubernetesExecutorConfig(), "cannot unmarshal Kubernetes config")


def check_parameters(template: Template, given: Mapping[str, Any]) -> None:
    """Missing, extra and wrongly typed parameters of a run."""
    wanted = template.spec.root.input_definitions.parameters
    for name, parameter in wanted.items():
        if name not in given:
            if not parameter.is_optional and not parameter.HasField("default_value"):
                message = f"parameter {name} is not optional, yet has neither default value nor user provided value"
                raise Refused(400, f"Invalid input error: {message}")
            continue
        kind = ir.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type)
        value = given[name]
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            message = (
                f"input parameter {name} requires type {kind.lower()}, but the parameter value is not of that type"
            )
            raise Refused(400, f"Invalid input error: {message}")
    if extra := sorted(given.keys() - wanted.keys()):
        message = f"parameter(s) provided are not required by pipeline: {', '.join(extra)}"
        raise Refused(400, f"Invalid input error: {message}")


def check_fields(value: Any, model: type, where: str = "") -> None:
    """Strict protojson of a request: refuse what the message does not have, at any depth that the API describes."""
    if not isinstance(value, dict):
        raise Refused(400, f"proto: syntax error: unexpected token {json.dumps(value)[:40]}")
    for name, part in value.items():
        attribute = _snake(name)
        if attribute not in model.attribute_map:
            raise Refused(400, f'proto: (line 1): unknown field "{where}{name}"')
        inner = {"runtime_config": "V2beta1RuntimeConfig"}.get(attribute)
        if inner and part is not None:
            import kfp_server_api

            check_fields(part, getattr(kfp_server_api, inner), f"{name}.")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m[1].lower(), name)


def _leaves(spec: Any, component: Any) -> Iterator[tuple[str, str]]:
    waiting, done = dict(component.dag.tasks), set[str]()
    while waiting:
        ready = [name for name, task in waiting.items() if set(task.dependent_tasks) <= done]
        if not ready:
            raise _invalid("the tasks depend on each other in a circle")
        for name in sorted(ready):
            inner = spec.components[waiting.pop(name).component_ref.name]
            done.add(name)
            if inner.WhichOneof("implementation") == "dag":
                yield from _leaves(spec, inner)
            else:
                yield name, inner.executor_label.removeprefix("exec-")


def _parsed(value: Any, message: Any, what: str) -> Any:
    try:
        return json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise _invalid(f"{what}: {error}") from error


def _invalid(message: str) -> Refused:
    return Refused(400, f"Invalid input error: invalid pipeline spec: {message}")
