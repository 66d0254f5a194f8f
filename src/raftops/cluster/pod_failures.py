"""Why pods die or never start, as Kubernetes calls it, and what mends it: for the steps' pods and the service's.

Imports no Kubernetes client, so that it is cheap to read. Not here: what a step itself says of its failure
(`raftops.progress`), and what ends a container or a process of a local run.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NO_NODE = "no node takes it"
"""Our words for a pod that the scheduler finds no place for."""
EXIT_CODES = {
    137: "it was killed (exit code 137), by the kernel or because its time was over",
    139: "it crashed (exit code 139)",
    143: "it was asked to end (exit code 143)",
}
"""128 and the signal that ended the process."""


class PodFailure(NamedTuple):
    """A row: what Kubernetes says (a regular expression), and what mends the pod of a step."""

    says: str
    cure: str = ""
    hopeless: bool = False
    """A waiting container in this state never starts by itself."""


FAILURES = (
    PodFailure("OOMKilled", "raise platform.resources.{step}.memory and submit again"),
    PodFailure(
        "ImagePull|InvalidImageName|ErrImageNeverPull",
        "check platform.registry, images and image_pull_secrets, and that it was pushed", hopeless=True,
    ),
    PodFailure(
        "CreateContainerConfigError",
        "make the secret or the config map that it names, in the namespace of the run", hopeless=True,
    ),
    PodFailure("CreateContainerError|CrashLoopBackOff|RunContainerError", hopeless=True),
    PodFailure(
        NO_NODE, "lower platform.resources.{step}, or mend its node_selector and tolerations, or add a node"
    ),
)  # fmt: skip


def cure_of(reason: str, step: str) -> str:
    """What mends the pod of a step, by what Kubernetes says of it; empty where we know nothing."""
    return next((row.cure.format(step=step) for row in FAILURES if row.cure and re.search(row.says, reason)), "")


def is_hopeless(state: str) -> bool:
    """Whether waiting does not mend a container in this waiting state."""
    return any(row.hopeless and re.search(row.says, state) for row in FAILURES)
