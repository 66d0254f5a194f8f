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
from raftops.cluster.rollout import Pod, Report, pods, wait_for
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
    """The outcome of a deploy."""

    slot: Slot
    changed: bool
    """False: this release was served like this already."""
    pods: int
    release_before: str
    """First digits of the release that had the traffic before; empty where none had."""


@dataclass(frozen=True)
class _State:
    """The assistant on the cluster at one look."""

    service: Body | None
    active: Slot | None
    pods: Body | None
    """The active slot's deployment."""


def deploy_release(cluster: Cluster, serving: Serving, ask: Ask, alias: Alias | None, report: Report) -> Deployed:
    """Serve a release on the cluster; whatever fails, what was served before is served after.

    Raises:
        ClusterError: an object is refused, pods do not become ready, or somebody else switched meanwhile.
        RaftopsError: what `ask` raised: a pod gave a bad answer.
    """
    before = _look(cluster, serving.name)
    slot = before.active if before.active and _serves(before.pods, serving) else _idle(before.active)
    changed = slot != before.active
    address = service(serving.name, slot, serving.release, serving.port)
    for body in (config_map(serving, slot), deployment(serving, slot), address):
        cluster.apply(body, dry_run=True)  # what the server refuses, it refuses before anything changed
    try:
        ready = _start(cluster, serving, slot, before, report)
        if changed:
            for pod in ready:
                ask(f"http://{pod.address}:{serving.port}")
        _switch(cluster, serving, slot, before, alias)
    except BaseException:
        if changed:
            with suppress(ClusterError):  # the first error is the one to report, and the next run cleans up
                _give_up(cluster, serving, slot)
        raise
    _retire(cluster, serving, _idle(slot))
    release_before = (before.service or {}).get("metadata", {}).get("annotations", {}).get(RELEASE, "")
    return Deployed(slot, changed, len(ready), release_before)


def _look(cluster: Cluster, name: str) -> _State:
    address = cluster.get("Service", name)
    selected = (address or {}).get("spec", {}).get("selector", {}).get(SLOT)
    active: Slot | None = selected if selected in SLOTS else None
    return _State(address, active, cluster.get("Deployment", f"{name}-{active}") if active else None)


def _serves(slot: Body | None, serving: Serving) -> bool:
    annotations = (slot or {}).get("metadata", {}).get("annotations", {})
    return bool(annotations.get(REVISION) == serving.revision)


def _idle(active: Slot | None) -> Slot:
    return SLOTS[1] if active == SLOTS[0] else SLOTS[0]


def _start(cluster: Cluster, serving: Serving, slot: Slot, before: _State, report: Report) -> list[Pod]:
    """The ready pods of a slot."""
    cluster.apply(config_map(serving, slot))
    applied = cluster.apply(deployment(serving, slot))
    count = serving.settings.replicas
    if before.pods and before.pods["metadata"].get("annotations", {}).get(REPLICAS) == str(count):
        # As many as serve now, where an autoscaler went on from what the spec asks for.
        count = int(before.pods["spec"].get("replicas", 0)) or count
    if applied["spec"].get("replicas") != count:
        cluster.apply(replicas(serving.name, slot, count), manager=SCALER, force=True)
    seconds = serving.settings.ready_minutes * 60
    return wait_for(cluster, f"{serving.name}-{slot}", labels(serving.name, slot), seconds, report)


def _switch(cluster: Cluster, serving: Serving, slot: Slot, before: _State, alias: Alias | None) -> None:
    """Traffic, then the alias. If either fails, whatever the reason, the traffic goes back.

    Raises `ClusterError` where somebody else switched the traffic, or put another release where ours was asked.
    """
    now = _look(cluster, serving.name)
    step = "look who deploys at the same time (raftops.io/release on the service), then run again"
    if now.active != before.active:
        message = f"service {serving.name} was switched to {now.active} by somebody else meanwhile"
        raise ClusterError(message, next_step=step)
    if not _serves(cluster.get("Deployment", f"{serving.name}-{slot}"), serving):
        message = f"somebody else put another release into slot {slot} of {serving.name} meanwhile"
        raise ClusterError(message, next_step=step)
    body = service(serving.name, slot, serving.release, serving.port)
    if now.service:  # refused with a conflict if it changes between this look and the next line
        body["metadata"]["resourceVersion"] = now.service["metadata"]["resourceVersion"]
    try:
        cluster.apply(body)
        if alias is not None:
            alias.point()
    except BaseException as error:
        written = not (isinstance(error, ApiRefused) and error.refusal.status < SERVER_ERROR)
        if written and before.active:
            earlier = before.service or {}
            release = earlier["metadata"].get("annotations", {}).get(RELEASE, "")
            ports = earlier["spec"].get("ports") or [{}]
            port = ports[0].get("targetPort", serving.port)
            cluster.apply(service(serving.name, before.active, release, port))
        elif written:  # nothing had the traffic before: no pods for it
            _stop(cluster, serving.name, slot)
        raise


def _give_up(cluster: Cluster, serving: Serving, slot: Slot) -> None:
    """End the pods of a release that is not served: none that have the traffic, and none of another deploy."""
    present = cluster.get("Deployment", f"{serving.name}-{slot}")
    if _serves(present, serving) and _look(cluster, serving.name).active != slot:
        _stop(cluster, serving.name, slot)


def _stop(cluster: Cluster, name: str, slot: Slot) -> None:
    """No pods in a slot."""
    if (present := cluster.get("Deployment", f"{name}-{slot}")) and present["spec"].get("replicas", 1):
        cluster.apply(replicas(name, slot, 0), manager=SCALER, force=True)


def _retire(cluster: Cluster, serving: Serving, slot: Slot) -> None:
    """Drain the old pods, and end them when their last answer is out or the time for it is over."""
    selector, limit = labels(serving.name, slot), serving.settings.drain_seconds
    idle = not any(pod.ready for pod in pods(cluster, selector))
    began = time.monotonic()
    while (spent := time.monotonic() - began) < limit and not idle:
        time.sleep(min(DRAIN_LOOK_SECONDS, limit - spent))
        addresses = [pod.address for pod in pods(cluster, selector) if pod.ready]
        waited = time.monotonic() - began >= min(LEAVE_SECONDS, limit)  # proxies learn of the switch meanwhile
        idle = waited and all(_questions(f"http://{address}:{serving.metrics_port}") == 0 for address in addresses)
    _stop(cluster, serving.name, slot)


def _questions(address: str) -> float:
    """Questions in a pod, answered and queued; a pod without that metric counts as busy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/metrics", timeout=5) as answer:
            queue = QUEUE.search(answer.read(1 << 20).decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError):
        return 1.0
    return float(queue[1]) if queue else 1.0
