"""A stand-in of Kubeflow Pipelines' API server on loopback: its real v2beta1 routes, strict, with its refusals.

python -m tests.standin.server PROJECT ROOT [PORT]       runs are executed by KFP's local runner
"""

from __future__ import annotations

import json
import re
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import kfp_server_api

from tests.standin.rules import Refused, Template, check_fields, check_parameters, read_file, read_struct
from tests.standin.runs import ENDED, Run, Start, locally, now

_EQUALS = (1, "EQUALS")
_SUBSTRING = (9, "IS_SUBSTRING")


@dataclass
class Call:
    """One request."""

    parts: dict[str, str]
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        try:
            return dict(json.loads(self.body or b"{}"))
        except (ValueError, TypeError) as error:
            raise Refused(400, f"proto: syntax error: {error}") from error


@dataclass
class Cluster:
    """What the server knows. `token`: the bearer token that it asks for; `readers`: tokens that may only read."""

    start: Start
    token: str = ""
    readers: tuple[str, ...] = ()
    multi_user: bool = False
    version: str = "2.18.1"
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if not self.multi_user:
            self._new_experiment({"display_name": "Default"})

    def healthz(self, call: Call) -> Any:
        """Who the server is."""
        about = {"commit_sha": "unknown", "tag_name": self.version}
        return about | {"multi_user": self.multi_user, "pipeline_store": "database"}

    def list_experiments(self, call: Call) -> Any:
        """Those of a namespace, filtered."""
        self._namespace(call.query.get("namespace", ""))
        rows = [e for e in self.experiments.values() if e["namespace"] == call.query.get("namespace", "")]
        return _page("experiments", rows, call.query)

    def create_experiment(self, call: Call) -> Any:
        """A new one; a name is given once."""
        body = call.json()
        check_fields(body, kfp_server_api.V2beta1Experiment)
        name, namespace = body.get("display_name", ""), body.get("namespace") or ""
        self._namespace(namespace)
        if not name:
            raise Refused(400, "Invalid input error: Experiment's name cannot be empty")
        if any((e["display_name"], e["namespace"]) == (name, namespace) for e in self.experiments.values()):
            raise Refused(409, f"Already exist error: Experiment {name} already exists")
        return self._new_experiment(body)

    def _new_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        made = {
            "experiment_id": str(uuid.uuid4()), "display_name": body["display_name"], "created_at": now(),
            "description": body.get("description") or "", "namespace": body.get("namespace") or "",
            "storage_state": "AVAILABLE", "last_run_created_at": "1970-01-01T00:00:00Z",
        }  # fmt: skip
        return self.experiments.setdefault(made["experiment_id"], made)

    def get_experiment(self, call: Call) -> Any:
        """One."""
        return _found(self.experiments, call.parts["id"], "Experiment")

    def create_run(self, call: Call) -> Any:
        """Check everything, then start it."""
        body = call.json()
        check_fields(body, kfp_server_api.V2beta1Run)
        if not body.get("display_name"):
            raise Refused(400, "Invalid input error: The run name is empty. Please specify a valid name")
        experiment = body.get("experiment_id") or next(iter(self.experiments), "")
        _found(self.experiments, experiment, "Experiment")
        reference = body.get("pipeline_version_reference") or {}
        if reference:
            template = _found(self.templates, reference.get("pipeline_version_id", ""), "PipelineVersion")
        else:
            template = read_struct(body.get("pipeline_spec"))
        check_parameters(template, (body.get("runtime_config") or {}).get("parameters") or {})
        run = Run({**body, "experiment_id": experiment}, template)
        self.experiments[experiment]["last_run_created_at"] = run.created
        self.runs[run.run_id] = run
        answer = run.as_json()
        run.execution = self.start(run)
        return answer

    def list_runs(self, call: Call) -> Any:
        """Those of an experiment or a namespace, filtered."""
        wanted, namespace = call.query.get("experiment_id"), call.query.get("namespace", "")
        if wanted:
            _found(self.experiments, wanted, "Experiment")
        else:
            self._namespace(namespace)
        rows = [
            run.as_json() for run in self.runs.values()
            if run.body["experiment_id"] == wanted
            or (not wanted and self.experiments[run.body["experiment_id"]]["namespace"] == namespace)
        ]  # fmt: skip
        return _page("runs", rows, call.query)

    def get_run(self, call: Call) -> Any:
        """One, as it stands now."""
        run = self._run(call)
        if run.execution:
            run.execution.looked_at()
        return run.as_json()

    def delete_run(self, call: Call) -> Any:
        """Forget it."""
        del self.runs[self._run(call).run_id]
        return {}

    def terminate_run(self, call: Call) -> Any:
        """End it, unless it ended."""
        run = self._run(call)
        if run.state in ENDED:
            message = f"Failed to terminate a run: {run.run_id} in state {run.state} is not terminatable"
            raise Refused(400, f"Invalid input error: {message}")
        if run.execution:
            run.execution.stop()
        return {}

    def archive_run(self, call: Call) -> Any:
        """Out of sight."""
        self._run(call).storage_state = "ARCHIVED"
        return {}

    def unarchive_run(self, call: Call) -> Any:
        """Back again."""
        self._run(call).storage_state = "AVAILABLE"
        return {}

    def read_log(self, call: Call) -> Any:
        """What a pod wrote."""
        run = self._run(call)
        task = next((t for t in run.tasks.values() if run.pod(t) == call.parts["node"]), None)
        if task is None or task.state in ("", "SKIPPED") or task.cached:
            raise Refused(500, f"Internal Server Error: could not get logs of pod {call.parts['node']}: not found")
        with run.lock:
            return "".join(f"{line}\n" for line in task.log)

    def upload_pipeline(self, call: Call) -> Any:
        """A pipeline and its first version, from a file."""
        template = read_file(_uploaded(call))
        name = unquote(call.query.get("display_name") or call.query.get("name") or template.spec.pipeline_info.name)
        if any(p["display_name"] == name for p in self.pipelines.values()):
            raise Refused(409, f"Already exist error: pipeline {name} already exists")
        made = {"pipeline_id": str(uuid.uuid4()), "display_name": name, "name": name, "created_at": now()}
        made |= {key: call.query.get(key, "") for key in ("description", "namespace")}
        self.pipelines[made["pipeline_id"]] = made
        self._new_version(made["pipeline_id"], name, template)
        return made

    def upload_version(self, call: Call) -> Any:
        """Another version of a pipeline."""
        template = read_file(_uploaded(call))
        of = _found(self.pipelines, call.query.get("pipelineid", ""), "Pipeline")["pipeline_id"]
        return self._new_version(of, call.query.get("display_name") or call.query.get("name") or now(), template)

    def _new_version(self, pipeline: str, name: str, template: Template) -> dict[str, Any]:
        made = {"pipeline_id": pipeline, "pipeline_version_id": str(uuid.uuid4()), "display_name": name, "name": name,
                "created_at": now(), "pipeline_spec": template.pipeline}  # fmt: skip
        self.templates[made["pipeline_version_id"]] = template
        return self.versions.setdefault(made["pipeline_version_id"], made)

    def list_pipelines(self, call: Call) -> Any:
        """All."""
        return _page("pipelines", list(self.pipelines.values()), call.query)

    def get_pipeline(self, call: Call) -> Any:
        """One."""
        return _found(self.pipelines, call.parts["id"], "Pipeline")

    def list_versions(self, call: Call) -> Any:
        """Those of a pipeline."""
        rows = [v for v in self.versions.values() if v["pipeline_id"] == call.parts["id"]]
        return _page("pipeline_versions", rows, call.query)

    def get_version(self, call: Call) -> Any:
        """One."""
        return _found(self.versions, call.parts["version"], "PipelineVersion")

    def allow(self, call: Call, writes: bool) -> None:
        """Whether the caller may."""
        if not self.token:
            return
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in (self.token, *self.readers):
            raise Refused(401, "Unauthenticated: Request header error: there is no user identity header.")
        if writes and token != self.token:
            raise Refused(403, "PermissionDenied: User is not authorized with reason: (request: create runs)")

    def _namespace(self, namespace: str) -> None:
        if self.multi_user and not namespace:
            raise Refused(400, "Invalid input error: In multi-user mode, the namespace cannot be empty")
        if namespace and not self.multi_user:
            raise Refused(400, "Invalid input error: In single-user mode, the namespace must be empty")

    def _run(self, call: Call) -> Run:
        return _found(self.runs, call.parts["id"], "Run")


Answer = Callable[[Cluster, Call], Any]
_V2 = "/apis/v2beta1"
ROUTES: list[tuple[str, str, Answer]] = [
    ("GET", f"{_V2}/healthz", Cluster.healthz),
    ("GET", f"{_V2}/experiments", Cluster.list_experiments),
    ("POST", f"{_V2}/experiments", Cluster.create_experiment),
    ("GET", f"{_V2}/experiments/(?P<id>[^/:]+)", Cluster.get_experiment),
    ("GET", f"{_V2}/runs", Cluster.list_runs),
    ("POST", f"{_V2}/runs", Cluster.create_run),
    ("GET", f"{_V2}/runs/(?P<id>[^/:]+)", Cluster.get_run),
    ("DELETE", f"{_V2}/runs/(?P<id>[^/:]+)", Cluster.delete_run),
    ("POST", f"{_V2}/runs/(?P<id>[^/:]+):terminate", Cluster.terminate_run),
    ("POST", f"{_V2}/runs/(?P<id>[^/:]+):archive", Cluster.archive_run),
    ("POST", f"{_V2}/runs/(?P<id>[^/:]+):unarchive", Cluster.unarchive_run),
    ("GET", "/apis/v1alpha1/runs/(?P<id>[^/]+)/nodes/(?P<node>[^/]+)/log", Cluster.read_log),
    ("POST", f"{_V2}/pipelines/upload", Cluster.upload_pipeline),
    ("POST", f"{_V2}/pipelines/upload_version", Cluster.upload_version),
    ("GET", f"{_V2}/pipelines", Cluster.list_pipelines),
    ("GET", f"{_V2}/pipelines/(?P<id>[^/:]+)", Cluster.get_pipeline),
    ("GET", f"{_V2}/pipelines/(?P<id>[^/:]+)/versions", Cluster.list_versions),
    ("GET", f"{_V2}/pipelines/(?P<id>[^/:]+)/versions/(?P<version>[^/:]+)", Cluster.get_version),
]


class Server:
    """The cluster behind HTTP, on a free port of loopback; a context manager."""

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        self.cluster = cluster
        handler = type("Handler", (_Handler,), {"cluster": cluster})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Server:
        Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for run in self.cluster.runs.values():
            if run.execution and run.state not in ENDED:
                run.execution.stop()
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms on every answer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._send(200, self._routed(body))
        except Refused as refused:
            self._send(refused.status, refused.body())

    def _routed(self, body: bytes) -> Any:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        for method, pattern, answer in ROUTES:
            match = re.fullmatch(pattern, unquote(address.path))
            if match and method == self.command:
                call = Call(match.groupdict(), query, {k.lower(): v for k, v in self.headers.items()}, body)
                self.cluster.allow(call, method != "GET")
                return answer(self.cluster, call)
        raise Refused(404, "Not Found")

    def _send(self, status: int, answer: Any) -> None:
        text = isinstance(answer, str)
        data = (answer if text else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Silent."""


def _found(known: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise Refused(404, f"ResourceNotFoundError: {what} {name} not found")
    return known[name]


def _page(name: str, rows: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Filtered, sorted, cut: empty lists are left out, as the gateway leaves them."""
    rows = [row for row in rows if all(_holds(p, row) for p in _predicates(query.get("filter", "")))]
    key, _, direction = (query.get("sort_by") or "created_at").partition(" ")
    rows.sort(key=lambda row: str(row.get(key, "")), reverse=direction == "desc")
    begin, size = int(query.get("page_token") or 0), int(query.get("page_size") or 10)
    shown = rows[begin : begin + size]
    more = {"next_page_token": str(begin + size)} if begin + size < len(rows) else {}
    return ({name: shown} if shown else {}) | {"total_size": len(rows)} | more


def _predicates(text: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(text)["predicates"]) if text else []
    except (ValueError, KeyError) as error:
        raise Refused(400, "Invalid input error: Failed to parse filter") from error


def _holds(predicate: dict[str, Any], row: dict[str, Any]) -> bool:
    wanted = predicate.get("stringValue", predicate.get("string_value"))
    found = row.get(predicate.get("key", ""))
    if predicate.get("operation") in _EQUALS:
        return bool(found == wanted)
    if predicate.get("operation") in _SUBSTRING:
        return str(wanted) in str(found)
    raise Refused(400, f"Invalid input error: unsupported operation {predicate.get('operation')}")


def _uploaded(call: Call) -> bytes:
    """The file of a multipart form."""
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode()
    message = message_from_bytes(head + call.body, policy=HTTP)
    for part in message.iter_parts() if message.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "uploadfile":
            return bytes(part.get_payload(decode=True))
    raise Refused(400, "Failed to read pipeline from file: http: no such file")


def main() -> None:
    """Serve until SIGINT or SIGTERM; what runs then is ended."""
    project, root, *port = sys.argv[1:]
    with Server(Cluster(locally(Path(project), Path(root))), int(port[0]) if port else 0) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, lambda *_: sys.exit())
        signal.pause()


if __name__ == "__main__":
    main()
