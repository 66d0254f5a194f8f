"""The BentoML service: `bentoml serve raftops.service.service:RaftopsService`. Settings: `settings.Settings.of`.

/livez and /readyz are BentoML's; its metrics are off, because their labels hold the path that a caller wrote. BentoML
imports this module in two processes; what is slow to import is imported by the worker alone, beside its start.
"""

from __future__ import annotations

import importlib
import logging
import os
from threading import Thread
from typing import Any

import bentoml

from raftops.errors import ServiceError
from raftops.progress import reported
from raftops.service.supervision import close_ports

AT_ONCE = 64
"""Above the bound of `guard.py`, whose refusal has OpenAI's shape."""
STARTING = b'{"error": {"message": "starting", "type": "server_error", "param": null, "code": "starting"}}'

logging.getLogger("raftops").setLevel(logging.INFO)


class Late:
    """An ASGI app that is imported after the service has started; until then it asks for patience."""

    def __init__(self) -> None:
        self.app: Any = None
        """What `create_app` makes, once it is there."""
        self.serving: Any = None
        """The `ReleaseServing` behind it."""

    def start(self) -> None:
        """Import, open the release, follow `current`; in the background."""
        Thread(target=self._assemble, name="raftops-assembly", daemon=True).start()

    def _assemble(self) -> None:
        try:
            self.serving, self.app = reported(_assemble)()
        except Exception:
            logging.getLogger("raftops.service").exception("cannot start")
            os._exit(1)  # a process that can never answer must not look alive

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on, or 503."""
        if self.app:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"application/json"), (b"retry-after", b"2")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": STARTING})


def _assemble() -> tuple[Any, Any]:
    """The release's side and HTTP's side of the service, put together; the first has begun to open the release."""
    module = importlib.import_module
    try:
        settings = module("raftops.service.settings").Settings.of(os.environ)
        weights = module("raftops.service.weights").Weights()
        weights.begin(settings)  # beside the import of everything else
        metrics = module("raftops.service.metrics").Metrics()
        if settings.metrics:
            module("raftops.service.metrics_port").MetricsPort(metrics, settings.metrics)
        load = module("raftops.service.loading").Loader(weights)
        serving = module("raftops.service.serving").ReleaseServing(settings, metrics, load)
        ledgers = module("raftops.service.ledger")
        ledger = ledgers.open_ledger(settings.audit, os.environ.get(ledgers.KEY, ""))
        unrecorded = settings.audit.on_failure == "serve"
        app = module("raftops.service.app").create_app(serving, metrics, ledger, unrecorded)
        serving.start()
        return serving, app
    except (ImportError, ValueError) as error:
        reason = f"the service cannot start: {type(error).__name__}: {error}"
        raise ServiceError(reason, next_step="raftops doctor") from error


close_ports()
late = Late()


@bentoml.asgi_app(late, path="/")
@bentoml.service(
    name="raftops",
    workers=1,
    traffic={"timeout": float(os.environ.get("RAFTOPS_TIMEOUT", "60")), "max_concurrency": AT_ONCE},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class RaftopsService:
    """One process, one model, one release at a time."""

    def __init__(self) -> None:
        late.start()

    async def __is_ready__(self) -> bool:
        """Whether a release is open and was asked once."""
        return bool(late.serving and late.serving.ready)

    @bentoml.on_shutdown
    def shutdown(self) -> None:
        """Close index and model."""
        if late.serving:
            late.serving.close()
