"""Where a compiled pipeline comes from: spec, git commit, data, images. Does not change the key of any step."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.images import image
from pipelines.wiring.inputs import Inputs
from raftops import __version__
from raftops.files import sha256_json
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, StepName, as_json

_DIGITS = 16


@dataclass(frozen=True)
class Provenance:
    """What a pipeline was compiled from."""

    name: str
    spec: str
    """SHA-256 of the merged spec."""
    commit: str
    """Git commit of the project, with `-dirty` where files differ from it; empty outside of git."""
    data: str
    """DVC's hash of the data where the spec names a pointer file, or else the SHA-256 over all inputs."""
    images: Mapping[StepName, str]

    def as_json(self) -> dict[str, Any]:
        """For the record of a run."""
        return {"name": self.name, "spec": self.spec, "commit": self.commit, "data": self.data} | {
            "images": dict(self.images), "raftops": __version__
        }  # fmt: skip

    def annotations(self) -> dict[str, str]:
        """For every pod: the first digits, which are enough to look it up in the record."""
        origin = {"raftops/spec": self.spec, "raftops/commit": self.commit, "raftops/data": self.data}
        return {name: value[:_DIGITS] for name, value in origin.items() if value}

    def line(self) -> str:
        """For people, in the pipeline's description."""
        digests = sum("@sha256:" in name for name in self.images.values())
        parts = [f"raftops {__version__}", f"spec {self.spec}"]
        parts += [f"commit {self.commit}"] if self.commit else []
        parts += [f"data {self.data}", f"{digests} of {len(self.images)} images by digest"]
        return "; ".join(parts)


def provenance(assistant: Assistant, inputs: Inputs, root: Path) -> Provenance:
    """Read where it all comes from."""
    platform = assistant.spec.platform
    images = {step: platform.images.get(step) or image(step, platform.registry) for step in STEPS}
    data = inputs.dvc or sha256_json([dict(inputs.documents), dict(inputs.examples)])
    return Provenance(assistant.name, sha256_json(as_json(assistant)), commit_of(root), data, images)


def commit_of(root: Path) -> str:
    """The commit that a folder is at; empty where there is no git or no commit."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
