"""The service put together: metrics, serving, app. No framework but ASGI."""

from __future__ import annotations

from dataclasses import dataclass

from raftops.service.app import create_app
from raftops.service.guard import Guard
from raftops.service.loading import Loader
from raftops.service.metrics import Metrics
from raftops.service.serving import ReleaseServing
from raftops.service.settings import Settings
from raftops.service.weights import Weights


@dataclass(frozen=True)
class Assembled:
    """An app, and what it serves."""

    app: Guard
    serving: ReleaseServing


def assemble(settings: Settings, weights: Weights) -> Assembled:
    """Put it together and begin to open the release."""
    metrics = Metrics()
    serving = ReleaseServing(settings, metrics, Loader(weights))
    serving.start()
    return Assembled(create_app(serving, metrics), serving)
