"""Objects as a real API server of any version takes them, and accounts that ask it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes.client
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

Body = dict[str, Any]
OURS = ("raftops", "raftops-milvus")


class Server:
    """An administrator's view of one namespace."""

    def __init__(self, namespace: str, client: kubernetes.client.ApiClient) -> None:
        self.namespace, self.client = namespace, client
        told = client.call_api("/openapi/v2", "GET", auth_settings=["BearerToken"], _preload_content=False)
        self.sleeps, self.ranges = (name in told[0].data for name in (b"core.v1.SleepAction", b'"endPort"'))
        """Whether hooks can sleep by themselves (since 1.30), whether policies have ranges of ports (since 1.22)."""

    def dynamic(self, place: str) -> DynamicClient:
        """A client of every kind that the server knows."""
        return DynamicClient(self.client, cache_file=place)

    def account(self, name: str) -> kubernetes.client.ApiClient:
        """A client with the token of a service account of the namespace."""
        settings = copy.copy(self.client.configuration)
        settings.api_key = {"authorization": f"Bearer {self._token(name)}"}
        settings.refresh_api_key_hook = None
        settings.cert_file = settings.key_file = None
        return kubernetes.client.ApiClient(settings)

    def kubeconfig(self, file: Path, name: str) -> str:
        """A file that configures a client with the token of a service account; returns its path."""
        settings = self.client.configuration
        cluster = {"server": settings.host, "certificate-authority": settings.ssl_ca_cert}
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": {"token": self._token(name)}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }  # fmt: skip
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(file)

    def _token(self, name: str) -> str:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        core = kubernetes.client.CoreV1Api(self.client)
        token: str = core.create_namespaced_service_account_token(name, self.namespace, asked).status.token
        return token

    def fitting(self, body: Mapping[str, Any]) -> Body:
        """An object of ours in this namespace, with what the server is too old for in its older form."""
        made: Body = copy.deepcopy(dict(body))
        for holder in _mappings(made):
            if holder.get("namespace") in OURS:
                holder["namespace"] = self.namespace
            if not self.sleeps and "sleep" in (hook := holder.get("preStop") or {}):
                holder["preStop"] = {"exec": {"command": ["sleep", str(hook["sleep"]["seconds"])]}}
            if not self.ranges:
                holder.pop("endPort", None)
        return made


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(inner)


def may(client: kubernetes.client.ApiClient, namespace: str, verb: str, resource: str, name: str = "") -> bool:
    """Whether the client's own account may do this, by the server's word. `resource` as in `apps/deployments`."""
    group, _, plural = resource.rpartition("/")
    if group in ("pods", "serviceaccounts"):
        group, plural = "", resource
    plural, _, below = plural.partition("/")
    asked = {
        "group": group,
        "resource": plural,
        "subresource": below,
        "verb": verb,
        "namespace": namespace,
        "name": name,
    }
    body = {"spec": {"resourceAttributes": asked}}
    try:
        found = kubernetes.client.AuthorizationV1Api(client).create_self_subject_access_review(body)
    except ApiException as error:
        raise AssertionError(f"{verb} {resource}: {error.body}") from error
    return bool(found.status.allowed)
