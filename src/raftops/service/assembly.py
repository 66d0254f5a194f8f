"""The service put together from its environment: metrics, serving, app. No framework but ASGI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raftops.service.app import create_app
from raftops.service.guard import Guard
from raftops.service.loading import Loader
from raftops.service.metrics import Metrics
from raftops.service.serving import ReleaseServing, Settings


@dataclass(frozen=True)
class Assembled:
    """An app, and what it serves."""

    app: Guard
    serving: ReleaseServing


def assemble(environment: Mapping[str, str]) -> Assembled:
    """Put it together and begin to open the release."""
    metrics = Metrics()
    serving = ReleaseServing(Settings.of(environment), metrics, Loader())
    serving.start()
    return Assembled(create_app(serving, metrics), serving)
