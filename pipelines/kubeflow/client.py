"""Kubeflow Pipelines' API (v2beta1) over HTTP: experiments, runs, logs. Every failure is one line with a next step.

Not by `kfp-server-api` (2.17.3, tried): its import is cheap (0.11 to 0.14 s of CPU, urllib3 alone 0.08), but it has no
call for a pod's log, takes any web page for an empty list of runs, and waits for ever where a timeout is no int. Not by
`kfp.Client`: it prints, waits 25 seconds for a server that is not there, and ends with a traceback where TLS fails.
Does not watch a run: see `watch.py`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from raftops.errors import ClusterError
from raftops.spec.model.platform import Kubeflow

SECONDS = 15.0
"""Longest wait for one answer."""
_API = "/apis/v2beta1"
_ENDPOINTS = ("KFP_ENDPOINT", "KF_PIPELINES_ENDPOINT")


@dataclass(frozen=True)
class Endpoint:
    """Where Kubeflow is, and whose token we send."""

    url: str
    namespace: str = ""
    token: Callable[[], str] = str
    """Reads the bearer token; a projected one changes while a run is watched. Empty: none."""
    token_env: str = "KFP_TOKEN"


def is_named(environment: Mapping[str, str]) -> bool:
    """Whether an environment names an endpoint."""
    return any(environment.get(name) for name in _ENDPOINTS)


def endpoint_of(section: Kubeflow, environment: Mapping[str, str] = os.environ, url: str = "") -> Endpoint:
    """The endpoint that the spec or the environment names. Raises `ClusterError` where neither does."""
    address = url or section.endpoint or next((environment[name] for name in _ENDPOINTS if environment.get(name)), "")
    if not address:
        raise ClusterError(
            "no Kubeflow endpoint is named",
            next_step="set KFP_ENDPOINT=http://host:port, or spec.platform.kubeflow.endpoint in an overlay",
        )
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
        raise ClusterError(f"{address}: not an address", next_step="write it as http://host:port or https://host")

    def token() -> str:
        if given := environment.get(section.token_env, "").strip():
            return given
        try:
            return Path(section.token_file).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    namespace = section.namespace or environment.get("KFP_NAMESPACE", "")
    return Endpoint(address.rstrip("/"), namespace, token, section.token_env)


class Server:
    """One Kubeflow Pipelines server. Answers are its JSON objects as they are."""

    def __init__(self, endpoint: Endpoint, seconds: float = SECONDS) -> None:
        self.endpoint, self._seconds = endpoint, seconds
        host = urlsplit(endpoint.url)
        proxy = "" if proxy_bypass(host.hostname or "") else getproxies().get(host.scheme, "")
        authorities = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
        options: dict[str, Any] = {"retries": False, "ca_certs": authorities}
        self._http = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def version(self) -> str:
        """The version that the API server says it has; empty where it says none, as some distributions' do.

        The server names it `tag_name`; the user interface's server, which people often name as the endpoint, answers
        in the server's place and in its own words.
        """
        about = self._object("GET", "/healthz")
        said = str(about.get("tag_name") or about.get("apiServerTagName") or "")
        return "" if said == "unknown" else said

    def experiment(self, name: str) -> str | None:
        """The id of an experiment by its name; None where there is none."""
        wanted = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}
        query = {"filter": json.dumps(wanted), "namespace": self.endpoint.namespace}
        experiments = self._object("GET", "/experiments", query).get("experiments") or []
        return str(experiments[0]["experiment_id"]) if experiments else None

    def make_experiment(self, name: str) -> str:
        """The id of an experiment; it is made where there is none."""
        if experiment_id := self.experiment(name):
            return experiment_id
        body = {"display_name": name} | ({"namespace": self.endpoint.namespace} if self.endpoint.namespace else {})
        try:
            return _identity(self._object("POST", "/experiments", body=body), "experiment_id", self.endpoint.url)
        except ClusterError:
            if experiment_id := self.experiment(name):  # made by somebody else, a moment ago
                return experiment_id
            raise

    def create_run(self, body: Mapping[str, Any]) -> str:
        """Start a run (a V2beta1Run); its id."""
        return _identity(self._object("POST", "/runs", body=body), "run_id", self.endpoint.url)

    def run(self, run_id: str) -> dict[str, Any]:
        """A run in its present state."""
        return self._object("GET", f"/runs/{quote(run_id, safe='')}")

    def runs(self, experiment_id: str = "", limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs, of one experiment or of the namespace."""
        query = {"page_size": str(limit), "sort_by": "created_at desc", "namespace": self.endpoint.namespace}
        if experiment_id:
            query["experiment_id"] = experiment_id
        return list(self._object("GET", "/runs", query).get("runs") or [])

    def terminate(self, run_id: str) -> None:
        """End a run."""
        self._object("POST", f"/runs/{quote(run_id, safe='')}:terminate")

    def log(self, run_id: str, pod: str) -> str:
        """What a pod of a run wrote. Raises `ClusterError` where the pod is gone and no archive kept its log."""
        path = f"/apis/v1alpha1/runs/{quote(run_id, safe='')}/nodes/{quote(pod, safe='')}/log"
        return self._answer("GET", path).decode(errors="replace")

    def page(self, run_id: str) -> str:
        """Where people see a run."""
        return f"{self.endpoint.url}/#/runs/details/{run_id}"

    def _object(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        parameters = {name: value for name, value in (query or {}).items() if value}
        data = self._answer(method, _API + path + (f"?{urlencode(parameters)}" if parameters else ""), body)
        try:
            answer = json.loads(data or b"{}")
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _not_kubeflow(self.endpoint)
        return answer

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        token = self.endpoint.token()
        if not token.isascii() or not token.isprintable() or " " in token:  # a mistake of copying; never shown
            message = "the token has a blank, a line break or a letter that no token has"
            step = f"copy it anew into {self.endpoint.token_env} (or the token file)"
            raise ClusterError(message, next_step=step)
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = self._http.request(
                method, self.endpoint.url + path, body=json.dumps(body) if body is not None else None,
                headers=headers, timeout=self._seconds, redirect=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self.endpoint, error) from error
        if answer.status != 200:
            raise _refused(self.endpoint, answer.status, answer.data, bool(token))
        return bytes(answer.data)


class Unreachable(ClusterError):
    """The server did not answer, or failed itself: worth another try."""


class Gone(ClusterError):
    """What was asked for is not there (any more)."""


def _unreachable(endpoint: Endpoint, error: Exception) -> Unreachable:
    text = str(getattr(error, "reason", None) or error)
    if isinstance(error, urllib3.exceptions.SSLError) or "CERTIFICATE" in text:
        step = "set SSL_CERT_FILE to the authority's certificate, or check the address (http or https)"
        return Unreachable(f"{endpoint.url}: TLS failed ({text})", next_step=step)
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which urllib3 counts among the timeouts
    late = isinstance(error, urllib3.exceptions.TimeoutError) and not refused
    why = "no answer in time" if late else text.rpartition(": ")[2]
    step = "check the address and the network; kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80 opens a way"
    return Unreachable(f"Kubeflow at {endpoint.url} cannot be reached: {why}", next_step=step)


def _refused(endpoint: Endpoint, status: int, data: bytes, has_token: bool) -> ClusterError:
    message = _message(data)
    login = 300 <= status < 400 or status == 401  # a proxy in front sends people to its login page
    if login and not has_token:
        step = f"set {endpoint.token_env}, or run where a service account token is mounted"
        return ClusterError(f"Kubeflow at {endpoint.url} asks for a login", next_step=step)
    if login:
        step = f"renew the token in {endpoint.token_env} (or the token file); it may have expired"
        return ClusterError(f"Kubeflow at {endpoint.url} does not accept the token", next_step=step)
    if status == 403:
        where = f" in namespace {endpoint.namespace}" if endpoint.namespace else ""
        step = "ask for the role that may create and read runs (kubeflow-edit), or name another KFP_NAMESPACE"
        return ClusterError(f"Kubeflow does not let you do this{where}: {message}", next_step=step)
    if status == 404 and (data.lstrip()[:1] != b"{" or not re.search("ResourceNotFound|not found", message)):
        return _not_kubeflow(endpoint)
    if status == 404:
        return Gone(f"Kubeflow at {endpoint.url}: {message}", next_step="raftops status lists the runs")
    if status in (429, 502, 503, 504):
        return Unreachable(f"{endpoint.url} is not ready (HTTP {status})", next_step="try again in a minute")
    step = "set KFP_NAMESPACE to your profile's namespace" if "namespace cannot be empty" in message else ""
    if "namespace must be empty" in message:
        step = "unset KFP_NAMESPACE and platform.kubeflow.namespace: this Kubeflow has one user"
    if status == 400 and not step:
        step = "compile with this version of raftops; what Kubeflow names is in the compiled file"
    kind = Unreachable if status == 500 else ClusterError  # a busy database is a 500, too
    return kind(f"Kubeflow refused (HTTP {status}): {message}", next_step=step or "read the API server's log")


def _not_kubeflow(endpoint: Endpoint) -> ClusterError:
    step = "give the address of the Pipelines API or UI, such as http://localhost:8080 or https://host/pipeline"
    return ClusterError(f"{endpoint.url} answers, but not as Kubeflow Pipelines does", next_step=step)


def _message(data: bytes) -> str:
    """What an answer says, on one line."""
    try:
        answer = json.loads(data)
        text = str(answer.get("message") or answer.get("error") or answer.get("error_message") or answer)
    except (ValueError, AttributeError):
        text = data.decode(errors="replace")
    return " ".join(text.split())[:400]


def _identity(answer: Mapping[str, Any], name: str, url: str) -> str:
    if not answer.get(name):
        raise ClusterError(f"{url}: the answer has no {name}", next_step="is this Kubeflow Pipelines 2?")
    return str(answer[name])
