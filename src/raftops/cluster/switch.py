"""Blue and green: the new release in the idle slot, asked there, then all traffic to it; the old one until drained.

Order: dry run of everything → idle slot applied, started, ready → its pods asked → selector and index alias switched →
the old pods drained and ended. Until the switch nothing that is served is touched; a failure at the switch is undone.
The same again changes nothing, and what a killed run began is finished by the next one.
"""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from raftops.cluster.api import ApiRefused, Body, Cluster
from raftops.cluster.resources import (
    LEAVE_SECONDS,
    RELEASE,
    REPLICAS,
    REVISION,
    SLOT,
    SLOTS,
    Serving,
    Slot,
    config_map,
    deployment,
    labels,
    replicas,
    service,
)
from raftops.cluster.rollout import Pod, Tell, pods, wait_for
from raftops.errors import ClusterError

SCALER = "raftops-replicas"
"""Field manager of the number of pods, which an autoscaler may take over."""
DRAIN_LOOK_SECONDS = 1.0
SERVER_ERROR = 500
"""From this status on, a server may have done what it says that it failed to do."""
QUEUE = re.compile(r"^raftops_questions_in_queue (\S+)$", re.MULTILINE)
Ask = Callable[[str], None]
"""Puts the smoke questions to the pod at an address; raises if an answer is not as it should be."""


class Alias(Protocol):
    """The index under the assistant's name (`retrieval.alias.IndexAlias`)."""

    def point(self) -> str | None:
        """Point it at the new release's collection, or leave it where it is and raise."""


@dataclass(frozen=True)
class Deployed:
    """What was done."""

    slot: Slot
    changed: bool
    """False: this release was served like this already."""
    pods: int
    release_before: str
    """First digits of what had the traffic before; empty where nothing had."""


@dataclass(frozen=True)
class _State:
    """What the cluster has now."""

    service: Body | None
    active: Slot | None
    pods: Body | None
    """The active slot's deployment."""


def deploy_release(cluster: Cluster, serving: Serving, ask: Ask, alias: Alias | None, tell: Tell) -> Deployed:
    """Serve a release on the cluster; whatever fails, what was served before is served after.

    Raises:
        ClusterError: an object is refused, pods do not become ready, or somebody else switched meanwhile.
        RaftopsError: what `ask` raised: a pod gave a bad answer.
    """
    before = _look(cluster, serving.name)
    slot = before.active if before.active and _serves(before.pods, serving) else _idle(before.active)
    changed = slot != before.active
    _check(cluster, serving, slot, before)
    try:
        ready = _start(cluster, serving, slot, before, tell)
        if changed:
            for pod in ready:
                ask(f"http://{pod.address}:{serving.port}")
        _switch(cluster, serving, slot, before, alias)
    except BaseException:
        if changed:
            with suppress(ClusterError):  # why it failed is to be told, and the next run cleans up
                _give_up(cluster, serving, slot)
        raise
    _retire(cluster, serving, _idle(slot))
    served_before = (before.service or {}).get("metadata", {}).get("annotations", {}).get(RELEASE, "")
    return Deployed(slot, changed, len(ready), served_before)


def _look(cluster: Cluster, name: str) -> _State:
    found = cluster.get("Service", name)
    named = (found or {}).get("spec", {}).get("selector", {}).get(SLOT)
    active: Slot | None = named if named in SLOTS else None
    return _State(found, active, cluster.get("Deployment", f"{name}-{active}") if active else None)


def _serves(pods_now: Body | None, serving: Serving) -> bool:
    annotations = (pods_now or {}).get("metadata", {}).get("annotations", {})
    return bool(annotations.get(REVISION) == serving.revision)


def _idle(active: Slot | None) -> Slot:
    return SLOTS[1] if active == SLOTS[0] else SLOTS[0]


def _check(cluster: Cluster, serving: Serving, slot: Slot, before: _State) -> None:
    """Everything that will be applied, as a dry run: what the server refuses, it refuses before anything changed."""
    address = service(serving.name, slot, serving.release, serving.port)
    for body in (config_map(serving, slot), deployment(serving, slot), address):
        cluster.apply(body, dry_run=True)


def _start(cluster: Cluster, serving: Serving, slot: Slot, before: _State, tell: Tell) -> list[Pod]:
    cluster.apply(config_map(serving, slot))
    now = cluster.apply(deployment(serving, slot))
    wanted = _replicas(serving, before)
    if now["spec"].get("replicas") != wanted:
        cluster.apply(replicas(serving.name, slot, wanted), manager=SCALER, force=True)
    seconds = serving.settings.ready_minutes * 60
    return wait_for(cluster, f"{serving.name}-{slot}", labels(serving.name, slot), seconds, tell)


def _replicas(serving: Serving, before: _State) -> int:
    """As many pods as are served, where an autoscaler went on from what the spec asks for; else what it asks for."""
    asked = serving.settings.replicas
    if before.pods is None:
        return asked
    told = before.pods["metadata"].get("annotations", {}).get(REPLICAS)
    now = int(before.pods["spec"].get("replicas", 0))
    return now if told == str(asked) and now > 0 else asked


def _switch(cluster: Cluster, serving: Serving, slot: Slot, before: _State, alias: Alias | None) -> None:
    """Traffic, then the alias. If either fails, whatever the reason, the traffic goes back."""
    now = _look(cluster, serving.name)
    _still_ours(cluster, serving, slot, before, now)
    body = service(serving.name, slot, serving.release, serving.port)
    if now.service:  # refused with a conflict if it changes between this look and the next line
        body["metadata"]["resourceVersion"] = now.service["metadata"]["resourceVersion"]
    try:
        cluster.apply(body)
        if alias is not None:
            alias.point()
    except BaseException as error:
        if not (isinstance(error, ApiRefused) and error.refusal.status < SERVER_ERROR):  # refused: not written
            _take_back(cluster, serving, slot, before)
        raise


def _still_ours(cluster: Cluster, serving: Serving, slot: Slot, before: _State, now: _State) -> None:
    """Nobody else switched the traffic, or put another release where ours was asked."""
    step = "look who deploys at the same time (raftops.io/release on the service), then run again"
    if now.active != before.active:
        raise ClusterError(f"service {serving.name} was switched to {now.active} by somebody else meanwhile",
                           next_step=step)  # fmt: skip
    if not _serves(cluster.get("Deployment", f"{serving.name}-{slot}"), serving):
        raise ClusterError(f"somebody else put another release into slot {slot} of {serving.name} meanwhile",
                           next_step=step)  # fmt: skip


def _take_back(cluster: Cluster, serving: Serving, slot: Slot, before: _State) -> None:
    """The traffic as it was before; where there was none, no pods for it."""
    if not before.active:
        _stop(cluster, serving.name, slot)
        return
    found = before.service or {}
    released = found["metadata"].get("annotations", {}).get(RELEASE, "")
    ports = found["spec"].get("ports") or [{}]
    cluster.apply(service(serving.name, before.active, released, ports[0].get("targetPort", serving.port)))


def _give_up(cluster: Cluster, serving: Serving, slot: Slot) -> None:
    """End the pods of a release that is not served: none that have the traffic, and none of another deploy."""
    there = cluster.get("Deployment", f"{serving.name}-{slot}")
    if _serves(there, serving) and _look(cluster, serving.name).active != slot:
        _stop(cluster, serving.name, slot)


def _stop(cluster: Cluster, name: str, slot: Slot) -> None:
    """No pods in a slot."""
    if (found := cluster.get("Deployment", f"{name}-{slot}")) and found["spec"].get("replicas", 1):
        cluster.apply(replicas(name, slot, 0), manager=SCALER, force=True)


def _retire(cluster: Cluster, serving: Serving, slot: Slot) -> None:
    """End the old pods when their last answer is out, or when the time for it is over."""
    if any(pod.ready for pod in pods(cluster, labels(serving.name, slot))):
        _drain(cluster, serving, slot)
    _stop(cluster, serving.name, slot)


def _drain(cluster: Cluster, serving: Serving, slot: Slot) -> None:
    began, limit = time.monotonic(), serving.settings.drain_seconds
    idle = False
    while (spent := time.monotonic() - began) < limit and not idle:
        time.sleep(min(DRAIN_LOOK_SECONDS, limit - spent))
        addresses = [pod.address for pod in pods(cluster, labels(serving.name, slot)) if pod.ready]
        waited = time.monotonic() - began >= min(LEAVE_SECONDS, limit)  # proxies learn of the switch meanwhile
        idle = waited and all(_questions(f"http://{address}:{serving.port}") == 0 for address in addresses)


def _questions(address: str) -> float:
    """Questions at work and waiting in a pod; one that does not tell counts as busy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/metrics", timeout=5) as answer:
            found = QUEUE.search(answer.read(1 << 20).decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError):
        return 1.0
    return float(found[1]) if found else 1.0
