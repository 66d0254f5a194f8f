"""A stand-in of the Kubernetes API server, over HTTP on loopback: discovery, server-side apply, watch, events, RBAC.

The real routes, content types, status objects and refusals for what raftops uses; everything else is 404. Objects live
in memory. What controllers and kubelets do is in `kubelet.py`. A real kube-apiserver is a Go binary that no Python
package carries; `test_real.py` runs the same deploy against one where KUBECONFIG is given.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.cluster.applied import Applied, Conflict, whole

GROUPS = {
    ("", "v1"): {"ConfigMap": "configmaps", "Service": "services", "Pod": "pods", "Event": "events"},
    ("apps", "v1"): {"Deployment": "deployments"},
    ("trainer.kubeflow.org", "v1alpha1"): {"TrainJob": "trainjobs"},
}
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
Rule = tuple[str, str, str]
"""Verb, API group and resource."""


class Refused(Exception):
    """A Status object."""

    def __init__(self, code: int, reason: str, message: str, causes: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason, "code": code, "details": {"causes": causes or []}}  # fmt: skip


@dataclass
class Stored:
    """An object, its owners, and what the server adds."""

    kind: str
    name: str
    applied: Applied
    version: int = 0
    generation: int = 1
    status: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        group, version = next(g for g, kinds in GROUPS.items() if self.kind in kinds)
        made = whole(self.applied.fields)
        made["metadata"] = made.get("metadata", {}) | {
            "name": self.name, "namespace": "raftops", "uid": f"uid-{self.kind}-{self.name}",
            "resourceVersion": str(self.version), "generation": self.generation,
            "managedFields": [{"manager": m} for m in sorted(set().union(*self.applied.owners.values(), set()))],
        }  # fmt: skip
        about = {"apiVersion": f"{group}/{version}".lstrip("/"), "kind": self.kind}
        return deepcopy(about | made | ({"status": self.status} if self.status else {}))


class ApiServer:
    """The server. Use it in a `with` block."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.objects: dict[tuple[str, str], Stored] = {}
        self.history: list[tuple[int, str, dict[str, Any]]] = []
        self.version = 0
        self.compacted = 0
        """Watches from an older version get 410."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request, for tests of what was not done."""
        self.before: list[Callable[[str, str], None]] = []
        """Called with method and path before each request; may raise `Refused`."""
        self.rights: dict[str, set[Rule]] | None = None
        """Rights by bearer token; None lets everybody do everything."""
        self.logs: dict[str, str] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> ApiServer:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def kubeconfig(self, path: Any, token: str = "anybody") -> str:
        """Write the file that clients are configured by; returns its path."""
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "s", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "s", "user": "u"}}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(config))
        return str(path)

    # what controllers do ------------------------------------------------------------------------------------------

    def put(self, kind: str, name: str, change: dict[str, Any] | None = None, status: dict[str, Any] | None = None,
            manager: str = "kube-controller-manager") -> None:  # fmt: skip
        """Make or change an object as a controller does; no change, no new version."""
        with self.changed:
            known = self.objects.get((kind, name))
            applied = (known.applied if known else Applied()).merge(manager, change or {})
            self._keep(Stored(kind, name, applied), known, status)

    def remove(self, kind: str, name: str) -> None:
        """Delete an object."""
        with self.changed:
            gone = self.objects.pop((kind, name), None)
            if gone:
                self._note("DELETED", gone)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object as clients see it."""
        with self.lock:
            found = self.objects.get((kind, name))
            return found.body() if found else None

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        with self.lock:
            return [stored.body() for (k, _), stored in list(self.objects.items()) if k == kind]

    # what requests do ---------------------------------------------------------------------------------------------

    def apply(self, kind: str, name: str, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        manager = query.get("fieldManager")
        if not manager:
            raise Refused(400, "BadRequest", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        with self.changed:
            known = self.objects.get((kind, name))
            self._check_version(kind, name, body, known)
            try:
                applied = (known.applied if known else Applied()).apply(manager, body, _true(query, "force"))
            except Conflict as conflict:
                owners = sorted({owner for _, owner in conflict.fields})
                causes = [{"reason": "FieldManagerConflict", "message": f'conflict with "{o}"', "field": f}
                          for f, o in conflict.fields]  # fmt: skip
                message = f"Apply failed with {len(causes)} conflict{'s' if len(causes) > 1 else ''}: conflict with " \
                    + ", ".join(f'"{o}"' for o in owners) + ": " + ", ".join(f for f, _ in conflict.fields)  # fmt: skip
                raise Refused(409, "Conflict", message, causes) from None
            made = Stored(kind, name, applied)
            _validate(made, known)
            return self._keep(made, known, None, dry=query.get("dryRun") == "All").body()

    def create(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("metadata", {}).get("name", "")
        with self.changed:
            if (kind, name) in self.objects:
                raise Refused(409, "AlreadyExists", f'{_plural(kind)} "{name}" already exists')
            made = Stored(kind, name, Applied().merge("client", body))
            _validate(made, None)
            return self._keep(made, None, None).body()

    def merge(self, kind: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            known = self.find(kind, name)
            return self._keep(Stored(kind, name, known.applied.merge("client", change)), known, None).body()

    def find(self, kind: str, name: str) -> Stored:
        if (kind, name) not in self.objects:
            raise Refused(404, "NotFound", f'{_plural(kind)} "{name}" not found')
        return self.objects[kind, name]

    def events_since(self, version: int, kind: str, want: Callable[[dict[str, Any]], bool], seconds: float
                     ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """Watch events, as they come, until the time is over."""
        if version < self.compacted:
            yield {"type": "ERROR", "object": Refused(410, "Expired", "too old resource version").status}
            return
        deadline = threading.Event()
        timer = threading.Timer(seconds, self._wake, (deadline,))
        timer.daemon = True
        timer.start()
        seen = 0
        while not deadline.is_set():
            with self.changed:
                news = [e for e in self.history[seen:] if e[0] > version and e[2]["kind"] == kind and want(e[2])]
                seen = len(self.history)
                if not news:
                    self.changed.wait(0.5)
            for _, type_, body in news:
                yield {"type": type_, "object": body}

    def _wake(self, deadline: threading.Event) -> None:
        deadline.set()
        with self.changed:
            self.changed.notify_all()

    def _check_version(self, kind: str, name: str, body: dict[str, Any], known: Stored | None) -> None:
        asked = body.get("metadata", {}).get("resourceVersion")
        if asked is not None and (known is None or str(known.version) != asked):
            raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {_plural(kind)} "{name}": the object has '
                          "been modified; please apply your changes to the latest version and try again")  # fmt: skip

    def _keep(self, made: Stored, known: Stored | None, status: dict[str, Any] | None, dry: bool = False) -> Stored:
        made.status = deepcopy(status) if status is not None else (known.status if known else {})
        made.version, made.generation = (known.version, known.generation) if known else (0, 1)
        spec = ("spec", "replicas")
        if made.kind == "Deployment" and spec not in made.applied.fields:
            made.applied.fields[spec] = 1  # a default of the server: owned by nobody
        if known and known.body() == made.body():
            return known
        if known and whole(known.applied.fields).get("spec") != whole(made.applied.fields).get("spec"):
            made.generation += 1
        if not dry:
            self.version += 1
            made.version = self.version
            self.objects[made.kind, made.name] = made
            self._note("MODIFIED" if known else "ADDED", made)
        return made

    def _note(self, type_: str, stored: Stored) -> None:
        if type_ == "DELETED":
            self.version += 1
        self.history.append((self.version, type_, stored.body()))
        self.changed.notify_all()


def _plural(kind: str) -> str:
    return next(kinds[kind] for kinds in GROUPS.values() if kind in kinds)


def _validate(made: Stored, known: Stored | None) -> None:
    """What the real server refuses of what we send."""
    body, before = made.body(), known.body() if known else None
    more = {"Deployment": _deployment, "TrainJob": _train_job}.get(made.kind)
    if wrong := [*_general(body), *(more(body, before) if more else [])]:
        shown = ", ".join(f"{f}: {m}" for f, m in wrong)
        causes = [{"reason": "FieldValueInvalid", "message": m, "field": f} for f, m in wrong]
        raise Refused(422, "Invalid", f'{made.kind} "{made.name}" is invalid: {shown}', causes)


def _general(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    name, about = body["metadata"]["name"], body["metadata"]
    if not NAME.fullmatch(name) or len(name) > (63 if body["kind"] == "Service" else 253):
        yield "metadata.name", f'Invalid value: "{name}": must be a lowercase RFC 1123 name'
    values = {**about.get("labels", {}), **about.get("annotations", {})} | body.get("data", {})
    yield from ((key, "Invalid value: must be a string") for key, value in values.items() if not isinstance(value, str))


def _deployment(body: dict[str, Any], before: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    spec = body["spec"]
    template, chosen = spec.get("template", {}), spec.get("selector", {}).get("matchLabels", {})
    if not chosen or not chosen.items() <= template.get("metadata", {}).get("labels", {}).items():
        yield "spec.template.metadata.labels", "Invalid value: `selector` does not match template labels"
    if before and before["spec"].get("selector") != spec.get("selector"):
        yield "spec.selector", "Invalid value: field is immutable"
    for index, container in enumerate(template.get("spec", {}).get("containers", [])):
        if not container.get("image"):
            yield f"spec.template.spec.containers[{index}].image", "Required value"


def _train_job(body: dict[str, Any], before: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    kept = [{k: v for k, v in o["spec"].items() if k != "suspend"} for o in (body, before) if o]
    if kept[0] != kept[-1]:
        yield "spec", "Invalid value: field is immutable"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 40 ms on every answer
    server_: ApiServer

    def log_message(self, *args: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.server_.requests.append((method, parts.path))
        try:
            for hook in self.server_.before:
                hook(method, parts.path)
            self._routed(method, parts.path, query)
        except Refused as refused:
            self._json(refused.status, refused.code)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _routed(self, method: str, path: str, query: dict[str, str]) -> None:
        if (found := _discovery(path)) is not None:
            self._json(found)
            return
        match = re.fullmatch(r"/(?:api|apis/([^/]+))/([^/]+)/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/(log))?", path)
        kinds = GROUPS.get((match[1] or "", match[2]), {}) if match else {}
        kind = next((k for k, plural in kinds.items() if match and plural == match[4]), None)
        if match is None or kind is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        name = match[5]
        verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}.get(method) or (
            "watch" if _true(query, "watch") else "get" if name else "list")  # fmt: skip
        self._allowed(verb, match[1] or "", match[4] + ("/log" if match[6] else ""))
        if match[3] != "raftops":
            raise Refused(404, "NotFound", f'namespaces "{match[3]}" not found')
        if match[6]:
            self._text(self.server_.logs.get(name, ""), query)
        elif verb == "watch":
            self._watch(kind, query)
        elif verb == "get":
            with self.server_.lock:
                body = self.server_.find(kind, name).body()
            self._json(body)
        elif verb == "list":
            self._list(kind, query)
        elif verb == "create":
            self._json(self.server_.create(kind, self._body()), 201)
        elif verb == "patch":
            self._patch(kind, name, query)
        else:
            raise Refused(405, "MethodNotAllowed", "the stand-in deletes nothing: nobody here may")

    def _allowed(self, verb: str, group: str, resource: str) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        rights = self.server_.rights
        if rights is not None and token not in rights:
            raise Refused(401, "Unauthorized", "Unauthorized")
        if rights is not None and (verb, group, resource) not in rights[token]:
            message = f'{resource} is forbidden: User "{token}" cannot {verb} resource "{resource}" in API group '
            raise Refused(403, "Forbidden", f'{message}"{group}" in the namespace "raftops"')

    def _patch(self, kind: str, name: str, query: dict[str, str]) -> None:
        form, body = self.headers.get("content-type"), self._body()
        if form == APPLY:
            if body.get("kind") != kind or body.get("metadata", {}).get("name") != name:
                raise Refused(400, "BadRequest", "the body is of another object")
            self._json(self.server_.apply(kind, name, body, query))
        elif form == MERGE:
            self._json(self.server_.merge(kind, name, body))
        else:
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {form}")

    def _body(self) -> dict[str, Any]:
        read: dict[str, Any] = yaml.safe_load(self.rfile.read(int(self.headers.get("content-length", 0))))
        return read

    def _list(self, kind: str, query: dict[str, str]) -> None:
        want = _wanted(query)
        with self.server_.lock:
            items = [body for body in self.server_.all(kind) if want(body)]
            version = str(self.server_.version)
        group, version_ = next(g for g, kinds in GROUPS.items() if kind in kinds)
        self._json({"apiVersion": f"{group}/{version_}".lstrip("/"), "kind": f"{kind}List",
                    "metadata": {"resourceVersion": version}, "items": items})  # fmt: skip

    def _watch(self, kind: str, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json;stream=watch")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        since, seconds = int(query.get("resourceVersion") or 0), float(query.get("timeoutSeconds") or 30)
        for event in self.server_.events_since(since, kind, _wanted(query), seconds):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _text(self, text: str, query: dict[str, str]) -> None:
        data = "".join(f"{line}\n" for line in text.splitlines()[-int(query.get("tailLines") or 10_000) :]).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _json(self, body: Any, code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _true(query: dict[str, str], name: str) -> bool:
    """As the server reads a flag: anything but false and 0, in any case."""
    return query.get(name, "false").lower() not in ("false", "0")


def _wanted(query: dict[str, str]) -> Callable[[dict[str, Any]], bool]:
    labels = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
    fields = dict(part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if part)

    def want(body: dict[str, Any]) -> bool:
        return labels.items() <= body["metadata"].get("labels", {}).items() and all(
            _at(body, path) == value for path, value in fields.items()
        )

    return want


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name, {})
    return body


def _discovery(path: str) -> dict[str, Any] | None:
    """What clients ask before anything else."""
    if path == "/version":
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [{"name": g, "versions": [{"groupVersion": f"{g}/{v}", "version": v}],
                   "preferredVersion": {"groupVersion": f"{g}/{v}", "version": v}} for g, v in GROUPS if g]  # fmt: skip
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for (group, version), kinds in GROUPS.items():
        if path == (f"/apis/{group}/{version}" if group else f"/api/{version}"):
            verbs = ["create", "get", "list", "patch", "watch"]
            resources = [{"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind,
                          "verbs": verbs} for kind, plural in kinds.items()]  # fmt: skip
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}".lstrip("/"),
                    "resources": resources}  # fmt: skip
    return None
