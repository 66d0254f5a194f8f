"""The Kubernetes API as the steps use it: server-side apply, read, watch. Its refusals in our words.

Deletes nothing, and works in one namespace.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

from raftops.errors import ClusterError

Body = dict[str, Any]
MANAGER = "raftops"
"""Field manager: what it applied and no longer applies is removed, what others own is left alone."""
API_VERSIONS = {
    "ConfigMap": "v1", "Service": "v1", "Pod": "v1", "Event": "v1", "Deployment": "apps/v1",
    "TrainJob": "trainer.kubeflow.org/v1alpha1",
}  # fmt: skip
_ADVICE = {
    401: "the token is missing or out of date: log in again, or check the service account",
    403: "give the step's service account this right: manifests/base/deployer.yaml has what it needs",
    409: "somebody else manages these fields: remove them there, or let one of the two be the manager",
}
"""Next step, by the status of a refusal."""


@dataclass(frozen=True)
class Refusal:
    """The API server's answer to a request that it refused."""

    status: int
    reason: str
    message: str


class ApiRefused(ClusterError):
    """The API server understood and refused."""

    def __init__(self, message: str, refusal: Refusal, *, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.refusal = refusal


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, namespace: str, client: kubernetes.client.ApiClient | None = None) -> None:
        """Connect: by KUBECONFIG or ~/.kube/config where there is one, else by the pod's service account.

        Raises:
            ClusterError: there is no configuration, or the API server cannot be reached.
        """
        self.namespace = namespace
        if client is None:
            settings = kubernetes.client.Configuration()
            settings.retries = urllib3.Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 503))
            files = os.environ.get("KUBECONFIG", "") or str(Path.home() / ".kube" / "config")
            try:
                if any(Path(file).is_file() for file in files.split(os.pathsep)):
                    kubernetes.config.load_kube_config(files, client_configuration=settings)
                else:
                    kubernetes.config.load_incluster_config(client_configuration=settings)
            except kubernetes.config.ConfigException as error:
                step = "set KUBECONFIG, or run inside the cluster with a service account"
                raise ClusterError(f"no cluster is configured ({error})", next_step=step) from error
            client = kubernetes.client.ApiClient(settings)
        self._client = client
        with _errors("the API server"), tempfile.TemporaryDirectory() as place:
            # Discovery is cached in a file that anyone may write if the library chooses its place.
            self._dynamic = DynamicClient(self._client, cache_file=str(Path(place, "discovery.json")))

    def apply(
        self, body: Body, *, manager: str = MANAGER, force: bool = False, dry_run: bool = False
    ) -> Body:  # fmt: skip
        """Make an object so, by server-side apply; returns it as it is now. The same again changes nothing.

        Raises:
            ClusterError: refused, or another manager owns a field (named) and `force` is not set.
        """
        more: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        with _errors(f"{body['kind']} {body['metadata']['name']}"):
            applied = self._resource(body["kind"]).server_side_apply(
                body, namespace=self.namespace, field_manager=manager, force_conflicts=force or None, **more
            )
        return _plain(applied)

    def get(self, kind: str, name: str) -> Body | None:
        """An object, or None where there is none of that name."""
        with _errors(f"{kind} {name}"):
            try:
                return _plain(self._resource(kind).get(name=name, namespace=self.namespace))
            except NotFoundError:
                return None

    def create(self, body: Body) -> Body:
        """Make an object that does not exist yet."""
        with _errors(f"{body['kind']} {body['metadata']['name']}"):
            return _plain(self._resource(body["kind"]).create(body=body, namespace=self.namespace))

    def patch(self, kind: str, name: str, change: Body) -> Body:
        """Change some fields of an object (JSON merge patch)."""
        with _errors(f"{kind} {name}"):
            changed = self._resource(kind).patch(
                body=change, name=name, namespace=self.namespace, content_type="application/merge-patch+json"
            )
        return _plain(changed)

    def list(self, kind: str, labels: Mapping[str, str] | None = None, fields: str = "") -> list[Body]:
        """All objects of a kind with these labels, and with fields such as `involvedObject.name=x`."""
        selector = ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))
        with _errors(f"{kind} {selector or fields}"):
            objects = self._resource(kind).get(
                namespace=self.namespace, label_selector=selector or None, field_selector=fields or None
            )
        return list(_plain(objects)["items"])

    def watch(self, kind: str, name: str, since: str, seconds: int) -> Iterator[Body]:
        """An object each time it changes after the version `since`; ends after `seconds` or when the server ends it."""
        with _errors(f"{kind} {name}"):
            try:
                for event in self._resource(kind).watch(
                    namespace=self.namespace, name=name, resource_version=since, timeout=seconds
                ):
                    yield event["raw_object"]
            except ApiException as error:
                if error.status != 410:  # the version is too old: whoever watches looks again
                    raise

    def log(self, pod: str, lines: int) -> str:
        """The last lines that a pod wrote; empty where it wrote none or they cannot be read."""
        try:
            read = kubernetes.client.CoreV1Api(self._client).read_namespaced_pod_log
            log: bytes = read(pod, self.namespace, tail_lines=lines, _preload_content=False).data
            return log.decode(errors="replace")
        except (ApiException, urllib3.exceptions.HTTPError):
            return ""

    def _resource(self, kind: str) -> Any:
        try:
            return self._dynamic.resources.get(api_version=API_VERSIONS[kind], kind=kind)
        except ResourceNotFoundError as error:
            step = "install Kubeflow Trainer" if kind == "TrainJob" else "check the version of the cluster"
            raise ClusterError(f"{API_VERSIONS[kind]} {kind}: the cluster does not know it", next_step=step) from error


def _plain(resource: Any) -> Body:
    plain: Body = resource.to_dict()
    return plain


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Every way that the API server fails, as `ClusterError`."""
    try:
        yield
    except ApiException as error:
        try:  # the Status object in the body
            status = json.loads(error.body or "")
            refusal = Refusal(int(error.status), str(status.get("reason", "")), str(status.get("message", "")))
        except (ValueError, AttributeError):
            refusal = Refusal(int(error.status or 0), str(error.reason or ""), str(error.body or "")[:300])
        message = f"{what}: refused with {refusal.status} {refusal.reason}: {refusal.message}"
        raise ApiRefused(message, refusal, next_step=_ADVICE.get(refusal.status, "")) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise ClusterError(f"{what}: the API server cannot be reached ({reason})",
                           next_step="check KUBECONFIG and the network") from error  # fmt: skip
