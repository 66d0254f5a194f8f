"""A red team's visit to a release: who may not read asks for it, planted orders are read out, the prompt is asked for.

The release is served on loopback with throw-away users, one for each group of its access rules, and asked over HTTP;
orders are planted, and the bare weights asked, inside this process. Nothing is written into the release.
"""

from __future__ import annotations

import random

from raftops.redteam.found import Visit
from raftops.redteam.inside import attacked_inside
from raftops.redteam.over_http import attacked_over_http
from raftops.redteam.readers import Reader
from raftops.release.release import Release


def visit(release: Release, attacks: int, orders: int, seed: int) -> Visit:
    """Attack a release.

    Args:
        release: what is served to the attackers; not changed.
        attacks: questions after closed documents, over HTTP, in all.
        orders: questions that are asked beside each kind of planted order.
        seed: of the choice of documents, sentences and questions.

    Raises:
        ServiceError: the release cannot be served.
    """
    dice = random.Random(seed)
    readers = [Reader.of(release, group) for group in sorted(release.access.groups)]
    readers = [reader for reader in readers if reader.closed and reader.canaries]
    leaks, prompt = attacked_over_http(release, readers, attacks, dice)
    inside = attacked_inside(release, readers, orders, dice)
    missing = [] if readers else ["leaks: every group may read every document"]
    missing += [] if inside.orders else ["orders: the report has no answered question"]
    return Visit(release.short, [*leaks, *inside.leaks], prompt, inside.orders, missing)


def withstood(release: Release, attacks: int, orders: int, orders_max: float) -> dict[str, float]:
    """The figures of a visit to a release that is to be served. Raises `GateFailed` where something got through."""
    found = visit(release, attacks, orders, seed=0)
    found.check(orders_max)
    return {"redteam.leaked": float(found.leaked), "redteam.obeyed": found.obeyed}
