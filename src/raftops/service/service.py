"""The BentoML service: `bentoml serve raftops.service.service:RaftopsService`. Settings: see `Settings.of`.

/livez and /readyz are BentoML's; /metrics is ours, because BentoML's labels hold the path that a caller wrote.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from typing import Any

import bentoml

from raftops.release import Release
from raftops.service.app import Live, create_app
from raftops.service.metrics import Metrics
from raftops.service.serving import ReleaseServing, Settings

AT_ONCE = 64
"""Above the bound of `guard.py`, whose refusal has OpenAI's shape."""

logging.getLogger("raftops").setLevel(logging.INFO)
settings = Settings.of(os.environ)
metrics = Metrics()


def load(release: Release) -> tuple[Live, Callable[[], None]]:
    """Open a release. What reads indexes and models is imported by the worker alone, beside its start."""
    global _loader
    _loader = _loader or importlib.import_module("raftops.service.loading").Loader()
    opened: tuple[Live, Callable[[], None]] = _loader(release)
    return opened


_loader: Any = None
serving = ReleaseServing(settings, metrics, load)


@bentoml.asgi_app(create_app(serving, metrics), path="/")
@bentoml.service(
    name="raftops",
    workers=1,
    traffic={"timeout": settings.timeout_seconds, "max_concurrency": AT_ONCE},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class RaftopsService:
    """One process, one model, one release at a time."""

    def __init__(self) -> None:
        serving.start()

    async def __is_ready__(self) -> bool:
        """Whether a release is open and was asked once."""
        return serving.ready

    @bentoml.on_shutdown
    def shutdown(self) -> None:
        """Close index and model."""
        serving.close()
