"""Who needs a collection of a Milvus server, written on the collection itself: runs and stores that do not know of each
other see it there.

`raftops.used` is when a run last built or opened it, in seconds since 1970; `raftops.release.<hash>` is `kept` while a
store keeps that release, and `gone` afterwards. Where a server or a token does not let us write it, nothing is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from time import time as clock

from pymilvus import MilvusClient, MilvusException

log = logging.getLogger(__name__)

USED = "raftops.used"
RELEASE = "raftops.release."
KEPT, GONE = "kept", "gone"


def claim(client: MilvusClient, collection: str, releases: Collection[str] = (), now: float | None = None) -> bool:
    """Say that a collection is in use now, and by which releases. False where it cannot be noted; the log says why."""
    moment = clock() if now is None else now
    return _write(client, collection, {USED: str(int(moment))} | {f"{RELEASE}{release}": KEPT for release in releases})


def give_up(client: MilvusClient, collection: str, releases: Collection[str]) -> bool:
    """Say that these releases are gone, where the collection names them."""
    said = _read(client, collection)
    if said is None:
        return False
    named = {f"{RELEASE}{release}" for release in releases} & said.keys()
    return _write(client, collection, dict.fromkeys(sorted(named), GONE)) if named else True


def is_free(client: MilvusClient, collection: str, older_than_seconds: float, now: float | None = None) -> bool:
    """Whether no release needs a collection, no alias names it, and no run used it for so long.

    One that says nothing of its use is used from now on.
    """
    said = _read(client, collection)
    if said is None or client.list_aliases(collection).get("aliases"):
        return False
    if any(name.startswith(RELEASE) and value == KEPT for name, value in said.items()):
        return False
    moment = clock() if now is None else now
    if not said.get(USED, "").isdigit():
        claim(client, collection, now=moment)
        return False
    return moment - int(said[USED]) > older_than_seconds


def _read(client: MilvusClient, collection: str) -> dict[str, str] | None:
    """What a collection says; None where it cannot be read, or another run dropped it just now."""
    try:
        said = client.describe_collection(collection).get("properties") or {}
    except MilvusException as error:
        log.warning("%s: cannot be read, so it stays: %s", collection, error.message)
        return None
    return {str(name): str(value) for name, value in said.items()}


def _write(client: MilvusClient, collection: str, properties: Mapping[str, str]) -> bool:
    try:
        client.alter_collection_properties(collection, dict(properties))
    except MilvusException as error:
        log.warning("%s: its use cannot be noted, so nothing is dropped: %s", collection, error.message)
        return False
    return True
