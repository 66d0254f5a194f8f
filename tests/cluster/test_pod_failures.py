from __future__ import annotations

import pytest

from raftops.cluster.pod_failures import cure_of, is_hopeless

HOPELESS = {
    "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "CrashLoopBackOff", "RunContainerError",
}  # fmt: skip
"""Waiting states of a container from which no kubelet gets by itself."""


@pytest.mark.parametrize("state", sorted(HOPELESS))
def test_waiting_does_not_mend_a_state_that_needs_a_person(state: str) -> None:
    assert is_hopeless(state)


@pytest.mark.parametrize("state", ["", "ContainerCreating", "PodInitializing", "OOMKilled"])
def test_there_is_hope_for_a_container_that_starts_or_is_restarted(state: str) -> None:
    assert not is_hopeless(state)


def test_every_state_of_an_image_has_the_same_cure_and_a_cure_names_the_step() -> None:
    states = ("ImagePullBackOff: Back-off", "ErrImagePull: not found", "InvalidImageName", "ErrImageNeverPull: absent")
    assert len({cure_of(state, "train") for state in states}) == 1 and "image_pull_secrets" in cure_of(states[0], "x")
    assert cure_of("out of memory (OOMKilled, limit 2Gi)", "train").startswith("raise platform.resources.train.memory")


def test_what_nobody_knows_a_cure_for_has_none() -> None:
    assert cure_of("", "train") == cure_of("CrashLoopBackOff: back-off", "train") == ""
