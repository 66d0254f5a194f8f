"""The BentoML service: `bentoml serve raftops.service.service:RaftopsService`. Settings: `settings.Settings.of`.

/livez and /readyz are BentoML's; its metrics are off, because their labels hold the path that a caller wrote. BentoML
imports this module in two processes; what is slow to import is imported by the worker alone, beside its start.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from threading import Thread, Timer, current_thread, main_thread
from types import FrameType
from typing import Any

import bentoml

from raftops.errors import ServiceError
from raftops.progress import reported
from raftops.service.supervision import close_ports

PATIENCE_SECONDS = 30.0
"""BentoML's own timeout is so far behind ours, whose refusal has OpenAI's shape: a body and a token take time, too."""
TIMEOUT_SECONDS = float(os.environ.get("RAFTOPS_TIMEOUT", "60"))
GRACE_SECONDS = float(os.environ.get("RAFTOPS_GRACE", TIMEOUT_SECONDS))
"""After SIGTERM what was admitted goes on for so long."""
END_SECONDS = 8.0
"""Then it is told to end, and index and model are closed; whatever has not let go by then goes with the process."""
STARTING = b'{"error": {"message": "starting", "type": "server_error", "param": null, "code": "starting"}}'

logging.getLogger("raftops").setLevel(logging.INFO)


class Late:
    """An ASGI app that is imported after the service has started; until then it asks for patience."""

    def __init__(self) -> None:
        self.app: Any = None
        """What `create_app` makes, once it is there."""
        self.serving: Any = None
        """The `ReleaseServing` behind it."""
        self.stopping = False

    def start(self) -> None:
        """Import, open the release, follow `current`; in the background. From SIGTERM on admit nobody."""
        Thread(target=self._assemble, name="raftops-assembly", daemon=True).start()
        ends = signal.getsignal(signal.SIGTERM)  # uvicorn's, which waits for what is at work

        def stop(number: int, frame: FrameType | None) -> None:
            self.stopping = True
            if self.app:
                self.app.stop(GRACE_SECONDS)
            end = Timer(GRACE_SECONDS + END_SECONDS, os._exit, (1,))
            end.daemon = True
            end.start()
            if callable(ends):
                ends(number, frame)

        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, stop)

    @property
    def ready(self) -> bool:
        """Whether questions can be answered: a release is open, the engine lets go of them, and none is refused."""
        return bool(self.app and self.serving.ready and not self.stopping and not self.app.stuck)

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
        callers = module("raftops.service.limits").Callers(settings.limits, settings.limits_store)
        create_app = module("raftops.service.app").create_app
        app = create_app(serving, metrics, settings.timeout_seconds, callers, ledger, unrecorded)
        serving.start()
        return serving, app
    except (ImportError, ValueError) as error:
        reason = f"the service cannot start: {type(error).__name__}: {error}"
        raise ServiceError(reason, next_step="raftops doctor") from error


close_ports()
late = Late()

if "uvicorn" in sys.modules:  # in the worker, which is about to choose what reads its connections
    sys.modules["uvicorn"].config.HTTP_PROTOCOLS["auto"] = "raftops.service.connections:PromptHttp"


@bentoml.asgi_app(late, path="/")
@bentoml.service(
    name="raftops",
    workers=1,
    traffic={"timeout": TIMEOUT_SECONDS + PATIENCE_SECONDS},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class RaftopsService:
    """One process, one model, one release at a time."""

    def __init__(self) -> None:
        importlib.import_module("raftops.service.launch").end_with_parent()
        importlib.import_module("raftops.service.connections").allow_open_files()
        late.start()

    async def __is_ready__(self) -> bool:
        """Whether it can answer: busy is ready (it says so with 429), stuck or stopping is not."""
        return late.ready

    @bentoml.on_shutdown
    def shutdown(self) -> None:
        """Close index and model."""
        if late.serving:
            late.serving.close()
