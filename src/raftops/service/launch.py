"""Start the service as a child process, wait until it answers, end it. Knows the service by name only.

On Linux the child dies with its parent: a killed deploy step leaves no service behind. macOS has no such signal.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from raftops.errors import ServiceError
from raftops.progress import FAILURE
from raftops.spec.model.serving import Audit, Identity, Limits, Signing

SERVICE = "raftops.service.service:RaftopsService"
LOOK_SECONDS = 0.1
END_SECONDS = 10.0
"""Beyond the grace: for the engine to let go, and for what does not."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Launch:
    """What to start."""

    releases: Path | None
    """Follow `current` in this folder..."""
    release: Path | None = None
    """...or serve this one release."""
    host: str = "127.0.0.1"
    port: int = 3000
    identity: Identity | None = None
    """Instead of the release's own."""
    timeout_seconds: float = 60.0
    """Longest time for one answer."""
    signing: Signing | None = None
    """Serve only what is signed so."""
    access: Path | None = None
    """Follow this access file; what was applied counts where there is none."""
    metrics: str = ""
    """Address and port for Prometheus, as 127.0.0.1:9464; empty: none."""
    audit: Audit | None = None
    """Keep a line for each request."""
    limits: Limits = Limits(questions_per_minute=0, searches_per_minute=0)
    """What one caller may use: where nothing is said, the only one is who launched it."""
    grace_seconds: float = 5.0
    """What was admitted goes on for so long when the service is told to end."""

    @property
    def url(self) -> str:
        """Where it will answer, seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What the service reads, beside what this process has."""
        settings = {
            "RAFTOPS_HOST": self.host,
            "RAFTOPS_TIMEOUT": str(self.timeout_seconds),
            "RAFTOPS_GRACE": str(self.grace_seconds),
            "RAFTOPS_LIMITS": self.limits.model_dump_json(),
            "BENTOML_DO_NOT_TRACK": "true",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",  # a user's file called json.py beside the spec is not the json that is imported
        }
        if self.release:
            settings["RAFTOPS_RELEASE"] = str(self.release.resolve())
        elif self.releases:
            settings["RAFTOPS_RELEASES"] = str(self.releases.resolve())
        if self.identity:
            settings["RAFTOPS_IDENTITY"] = self.identity.model_dump_json()
        if self.signing:
            settings["RAFTOPS_SIGNING"] = self.signing.model_dump_json()
        if self.access:
            settings["RAFTOPS_ACCESS"] = str(self.access.absolute())
        if self.metrics:
            settings["RAFTOPS_METRICS"] = self.metrics
        if self.audit:
            settings["RAFTOPS_AUDIT"] = self.audit.model_dump_json()
        given = ("RAFTOPS_RELEASE", "RAFTOPS_RELEASES", "RAFTOPS_IDENTITY", "RAFTOPS_METRICS", "RAFTOPS_AUDIT")
        kept = {k: v for k, v in os.environ.items() if k not in given}
        return kept | settings


class Service:
    """A running service. Use it in a `with` block, or end it by `stop`."""

    def __init__(self, launch: Launch, log: Path) -> None:
        """Start it; what it writes goes to `log`.

        Raises:
            ServiceError: the port is taken.
        """
        check_free(launch)
        self.url = launch.url
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._grace = launch.grace_seconds
        command = [
            sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", launch.host, "--port", str(launch.port),
            "--timeout-graceful-shutdown", str(math.ceil(launch.grace_seconds) + 2),
        ]  # fmt: skip
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                command,
                env=launch.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    @property
    def pid(self) -> int:
        """Process id of BentoML's parent process."""
        return self._child.pid

    def wait_ready(self, timeout_seconds: float, waiting: Callable[[float], None] = lambda seconds: None) -> float:
        """Wait until questions can be answered; returns the seconds it took. `waiting` is called once a second.

        Raises:
            ServiceError: it ended, said why it cannot serve, or took too long.
        """
        began = reported = time.monotonic()
        while not self._answers():
            now = time.monotonic()
            if reason := self._failure():
                raise ServiceError(f"the service cannot serve: {reason}", next_step=f"its log is {self.log}")
            if now - began > timeout_seconds:
                raise ServiceError(f"the service was not ready after {timeout_seconds:.0f} s{self.last_lines()}")
            if now - reported >= 1:
                reported = now
                waiting(now - began)
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _failure(self) -> str:
        """Why it will never be ready, in its own words."""
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if FAILURE in line:
                failure = json.loads(line.partition(FAILURE)[2])
                message, advice = str(failure["message"]), failure["next"]
                return f"{message} ({advice})" if advice else message
        if (code := self._child.poll()) is not None:
            return f"it ended with code {code}{self.last_lines()}"
        return ""

    def last_lines(self, count: int = 12) -> str:
        """The end of the log, to show under a message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        return "".join(f"\n    {line}" for line in lines)

    def wait(self) -> int:
        """Wait until it ends by itself; returns its exit code."""
        return self._child.wait()

    def stop(self) -> None:
        """End it and everything that it started: politely, then at once."""
        for signal_, seconds in ((signal.SIGTERM, self._grace + END_SECONDS), (signal.SIGKILL, 5.0)):
            if self._child.poll() is None:
                self._child.send_signal(signal_)
            try:
                self._child.wait(timeout=seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        # the session is the child's own; usually nobody is left in it, which macOS calls EPERM while a zombie is
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Address(Protocol):
    """Where something will listen: a `Launch`, or the section `deploy` of a spec."""

    @property
    def host(self) -> str:
        """The address listened on."""

    @property
    def port(self) -> int:
        """Its port."""


def check_free(launch: Address) -> None:
    """Raise `ServiceError` where something listens there already."""
    family = socket.AF_INET6 if ":" in launch.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((launch.host, launch.port))
        except OSError as error:
            raise ServiceError(
                f"{launch.host}:{launch.port} cannot be listened on ({error.strerror})",
                next_step="end what listens there, or choose another port (deploy.port, raftops serve --port)",
            ) from error


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Let the kernel end this process when its parent is gone. For a child to call, before it is at work."""
    if _libc:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
