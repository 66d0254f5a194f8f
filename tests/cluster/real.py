"""Objects as a real API server of any version takes them, and accounts that ask it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes.client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

Body = dict[str, Any]
SLEEP_SINCE = (1, 30)
"""First version whose hooks can sleep by themselves."""
APPLY = "application/apply-patch+yaml"


class Server:
    """An administrator's view of one namespace."""

    def __init__(self, namespace: str, client: kubernetes.client.ApiClient) -> None:
        self.namespace, self.client = namespace, client
        found = kubernetes.client.VersionApi(client).get_code()
        self.version = int(found.major), int("".join(c for c in found.minor if c.isdigit()))

    def dynamic(self, place: str) -> DynamicClient:
        """A client of every kind that the server knows."""
        return DynamicClient(self.client, cache_file=place)

    def account(self, name: str) -> kubernetes.client.ApiClient:
        """A client with the token of a service account of the namespace."""
        core = kubernetes.client.CoreV1Api(self.client)
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        made = core.create_namespaced_service_account_token(name, self.namespace, asked)
        settings = copy.copy(self.client.configuration)
        settings.api_key = {"authorization": f"Bearer {made.status.token}"}
        settings.refresh_api_key_hook = None
        settings.cert_file = settings.key_file = None
        return kubernetes.client.ApiClient(settings)

    def fitting(self, body: Mapping[str, Any]) -> Body:
        """An object of ours in this namespace, with what the server is too old for in its older form."""
        made: Body = copy.deepcopy(dict(body))
        _moved(made, self.namespace)
        if self.version < SLEEP_SINCE:
            _without_sleep(made)
        return made


def _moved(value: Any, namespace: str) -> None:
    """What is in our namespace is in this one."""
    for holder in _mappings(value):
        if holder.get("namespace") == "raftops":
            holder["namespace"] = namespace


def _without_sleep(value: Any) -> None:
    for holder in _mappings(value):
        if "sleep" in (hook := holder.get("preStop") or {}):
            holder["preStop"] = {"exec": {"command": ["sleep", str(hook["sleep"]["seconds"])]}}


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
