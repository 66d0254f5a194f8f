"""What makes deployments live behind the stand-in: a controller that starts pods, each a real HTTP server on loopback.

How a pod behaves is told by the tag of its image: missing, crash, unready, refuses, mute; anything else serves well.
"""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from raftops.progress import FAILURE
from tests.cluster.apiserver import ApiServer

ANSWER = {
    "choices": [{"message": {"content": "27 days [1]"}}], "citations": [{"marker": 1}], "route": {"name": "knowledge"},
    "grounded": True, "abstained": False, "usage": {}, "timings": {},
}  # fmt: skip
TOKEN = "the smoke token"


class Pod:
    """One pod of the service, listening on an address of its own."""

    def __init__(self, name: str, address: str, port: int, environment: dict[str, str], image: str) -> None:
        self.name, self.address, self.environment, self.image = name, address, environment, image
        self.asked: list[str] = []
        self.queue = 0.0
        pod = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                """Nothing on stderr."""

            def do_GET(self) -> None:
                counted = f"raftops_questions_in_queue {pod.queue}\n"
                ours = self.server is pod._http
                texts = {"/readyz": "ready", "/livez": "live"} if ours else {"/metrics": counted}
                self._send(200 if self.path in texts else 404, texts.get(self.path, ""))

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.headers.get("authorization") != f"Bearer {TOKEN}":
                    self._send(401, json.dumps({"error": {"message": "unknown token"}}))
                    return
                pod.asked.append(asked["messages"][0]["content"])
                answer = {} if pod.image.endswith(":mute") else ANSWER | {"release": pod.release}
                self._send(200, json.dumps(answer))

            def _send(self, code: int, text: str) -> None:
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

        self._http = ThreadingHTTPServer((address, port), Handler)
        metrics = int(environment["RAFTOPS_METRICS"].rpartition(":")[2])
        self._metrics = ThreadingHTTPServer((address, metrics), Handler)
        for server in (self._http, self._metrics):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def release(self) -> str:
        """The release that its environment names."""
        return self.environment["RAFTOPS_RELEASE"].rpartition("/")[2]

    def end(self) -> None:
        """Stop listening."""
        for server in (self._http, self._metrics):
            server.shutdown()
            server.server_close()


class Kubelet:
    """Starts and ends pods as the deployments say. Use it in a `with` block."""

    def __init__(self, api: ApiServer) -> None:
        self.api, self.pods = api, dict[str, Pod]()
        self.secrets = {("raftops-milvus", "token"): "m"}
        with socket.socket() as probe, socket.socket() as other:
            probe.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
            self.metrics_port: int = other.getsockname()[1]
        self.made = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        with self.api.changed:
            self.api.changed.notify_all()
        self._thread.join(20)
        for pod in self.pods.values():
            pod.end()

    def serving(self) -> list[Pod]:
        """The pods that the Service selects now."""
        found = self.api.get("Service", "handbook")
        selector = (found or {}).get("spec", {}).get("selector", {})
        chosen = [p for p in self.api.all("Pod") if selector and selector.items() <= p["metadata"]["labels"].items()]
        return [self.pods[p["metadata"]["name"]] for p in chosen if p["metadata"]["name"] in self.pods]

    def _run(self) -> None:
        seen = -1
        while not self._stop.is_set():
            with self.api.changed:
                if self.api.version == seen:
                    self.api.changed.wait(0.2)
                seen = self.api.version
            for deployment in self.api.all("Deployment"):
                if "template" in deployment["spec"]:  # a test may own one field of a deployment that is no whole one
                    self._reconcile(deployment)

    def _reconcile(self, deployment: dict[str, Any]) -> None:
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        template = json.dumps(spec["template"], sort_keys=True)
        mine = [p for p in self.api.all("Pod") if p["metadata"]["annotations"]["owner"] == name]
        for pod in [p for p in mine if p["metadata"]["annotations"]["template"] != template]:
            self._end(pod["metadata"]["name"])
        mine = [p for p in mine if p["metadata"]["annotations"]["template"] == template]
        for pod in mine[spec["replicas"] :]:
            self._end(pod["metadata"]["name"])
        for _ in range(spec["replicas"] - len(mine)):
            self._start(name, spec["template"], template)
        mine = [p for p in self.api.all("Pod") if p["metadata"]["annotations"]["owner"] == name]
        ready = sum(_is_ready(p) for p in mine)
        late = any(p["spec"]["containers"][0]["image"].endswith(":unready") for p in mine)
        progressing = {"type": "Progressing", "status": "False" if late else "True"}
        if late:
            progressing |= {"reason": "ProgressDeadlineExceeded",
                            "message": f'ReplicaSet "{name}-1" has timed out progressing.'}  # fmt: skip
        self.api.put("Deployment", name, status={
            "observedGeneration": deployment["metadata"]["generation"], "replicas": len(mine),
            "updatedReplicas": len(mine), "availableReplicas": ready, "conditions": [progressing],
        })  # fmt: skip

    def _end(self, name: str) -> None:
        if name in self.pods:
            self.pods.pop(name).end()
        self.api.remove("Pod", name)

    def _start(self, owner: str, template: dict[str, Any], text: str) -> None:
        self.made += 1
        name, container = f"{owner}-{self.made}", template["spec"]["containers"][0]
        labels, image = template["metadata"]["labels"], container["image"]
        about = template["metadata"].get("annotations", {}) | {"owner": owner, "template": text}
        body = {"metadata": {"labels": labels, "annotations": about}, "spec": template["spec"]}
        address = f"127.0.{self.made // 200 + 1}.{self.made % 200 + 1}"
        self.api.put("Pod", name, body, self._status(name, owner, container, image, address))

    def _status(self, name: str, owner: str, container: dict[str, Any], image: str, address: str) -> dict[str, Any]:
        tag = image.rpartition(":")[2]
        if tag == "missing":
            self._event(name, "Failed", f'Failed to pull image "{image}": not found')
            return _waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')
        environment = self._environment(container)
        if tag == "crash" or environment is None:
            self.api.logs[name] = "Traceback (most recent call last):\nImportError: no module named bentoml"
            self._event(name, "BackOff", "Back-off restarting failed container")
            return _waiting("CrashLoopBackOff", "back-off 10s restarting failed container", 3)
        if tag == "refuses":
            said = {"type": "ReleaseError", "message": "/x: is not signed", "next": "sign it"}
            self.api.logs[name] = f"starting\n{FAILURE}{json.dumps(said)}\n"
        if tag in ("refuses", "unready"):
            self._event(name, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
            return {"podIP": address, "conditions": [{"type": "Ready", "status": "False"}]}
        self.pods[name] = Pod(name, address, container["ports"][0]["containerPort"], environment, image)
        probe = container["readinessProbe"]["httpGet"]
        with urllib.request.urlopen(f"http://{address}:{probe['port']}{probe['path']}", timeout=5) as answer:
            ready = answer.status == 200
        return {"podIP": address, "conditions": [{"type": "Ready", "status": str(ready)}]}

    def _environment(self, container: dict[str, Any]) -> dict[str, str] | None:
        """As a kubelet puts it together; None where a config map or secret is missing."""
        told: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found = self.api.get("ConfigMap", source["configMapRef"]["name"])
            if found is None:
                return None
            told |= found["data"]
        for variable in container.get("env", []):
            ref = variable["valueFrom"]["secretKeyRef"]
            if (ref["name"], ref["key"]) not in self.secrets:
                return None
            told[variable["name"]] = self.secrets[ref["name"], ref["key"]]
        return told

    def _event(self, pod: str, reason: str, message: str) -> None:
        body = {"type": "Warning", "reason": reason, "message": message,
                "involvedObject": {"kind": "Pod", "name": pod}}  # fmt: skip
        self.api.put("Event", f"{pod}.{reason.lower()}", body)


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def _waiting(reason: str, message: str, code: int | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"name": "service", "state": {"waiting": {"reason": reason, "message": message}}}
    if code is not None:
        status["lastState"] = {"terminated": {"exitCode": code}}
    return {"containerStatuses": [status], "conditions": [{"type": "Ready", "status": "False"}]}
