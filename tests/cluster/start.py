"""A real control plane on loopback, from programs that are here: etcd, API server, controllers, scheduler.

`python -m tests.cluster.start FOLDER` starts one with its data in FOLDER, prints its kubeconfig and ends it at Ctrl-C.
The programs are looked for in RAFTOPS_TEST_KUBERNETES, then on the path. Of any version: flags are those that all have.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
START_SECONDS, LIVE_SECONDS = 120, 3
END_SECONDS = 20


def program(name: str) -> str | None:
    """Where a program is; None where it is not here."""
    return shutil.which(name, path=os.environ.get("RAFTOPS_TEST_KUBERNETES", "")) or shutil.which(name)


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in PROGRAMS if not program(name)]


class ControlPlane:
    """Use it in a `with` block. RBAC and the default admission are on; the kubeconfig is an administrator's."""

    def __init__(self, place: Path) -> None:
        self.place, self.kubeconfig = place, place / "kubeconfig"
        self._token = secrets.token_hex(16)
        self._running: list[subprocess.Popen[bytes]] = []
        self.etcd, self._peers, self.port = (_free_port() for _ in range(3))

    def __enter__(self) -> ControlPlane:
        self.place.mkdir(parents=True, exist_ok=True)
        self._files()
        try:
            self._start("etcd", **self._etcd_flags())
            self._start("kube-apiserver", **self._server_flags())
            self._answers()
            watcher = {"kubeconfig": self.kubeconfig, "leader-elect": "false", "secure-port": 0}
            keys = {"service-account-private-key-file": self.place / "accounts.key",
                    "root-ca-file": self.place / "certificates" / "apiserver.crt"}  # fmt: skip
            self._start("kube-controller-manager", **watcher, **keys, **{"use-service-account-credentials": "true"})
            self._start("kube-scheduler", **watcher)
            self._live()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _live(self) -> None:
        """The controllers give up at once where a port of theirs is taken: by another control plane, say."""
        time.sleep(LIVE_SECONDS)
        ended = [process.args for process in self._running if process.poll() is not None]
        assert not ended, f"see {self.place}/*.log: {ended}"

    def _files(self) -> None:
        private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key = rsa.generate_private_key(65537, 2048).private_bytes(*private)
        (self.place / "accounts.key").write_bytes(key)
        (self.place / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n", encoding="utf-8")
        server = {"server": f"https://127.0.0.1:{self.port}",
                  "certificate-authority": str(self.place / "certificates" / "apiserver.crt")}  # fmt: skip
        content = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }  # fmt: skip
        self.kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")

    def _etcd_flags(self) -> dict[str, object]:
        clients, peers = f"http://127.0.0.1:{self.etcd}", f"http://127.0.0.1:{self._peers}"
        return {
            "data-dir": self.place / "etcd", "listen-client-urls": clients, "advertise-client-urls": clients,
            "listen-peer-urls": peers, "initial-advertise-peer-urls": peers, "initial-cluster": f"default={peers}",
        }  # fmt: skip

    def _server_flags(self) -> dict[str, object]:
        accounts = self.place / "accounts.key"
        return {
            "etcd-servers": f"http://127.0.0.1:{self.etcd}", "authorization-mode": "RBAC",
            "bind-address": "127.0.0.1", "advertise-address": "127.0.0.1", "secure-port": self.port,
            "cert-dir": self.place / "certificates", "token-auth-file": self.place / "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc", "service-account-key-file": accounts,
            "service-account-signing-key-file": accounts, "service-cluster-ip-range": "10.96.0.0/16",
            "endpoint-reconciler-type": "none",
        }  # fmt: skip

    def _start(self, name: str, **flags: object) -> None:
        command = [program(name) or name, *(f"--{flag}={value}" for flag, value in flags.items())]
        with (self.place / f"{name}.log").open("wb") as log:
            self._running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.place))

    def _answers(self) -> None:
        """Wait until the API server is ready."""
        end = time.monotonic() + START_SECONDS
        unchecked = ssl._create_unverified_context()  # noqa: S323  its certificate is not written before it starts
        ask = urllib.request.Request(f"https://127.0.0.1:{self.port}/readyz")  # noqa: S310
        ask.add_header("Authorization", f"Bearer {self._token}")
        while True:
            try:
                with urllib.request.urlopen(ask, timeout=5, context=unchecked):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError) as error:
                ended = [process.args for process in self._running if process.poll() is not None]
                assert not ended and time.monotonic() < end, f"{error}: see {self.place}/*.log ({ended})"
                time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    if absent := missing():
        sys.exit(f"not here: {', '.join(absent)}; set RAFTOPS_TEST_KUBERNETES to the folder that has them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ControlPlane(Path(sys.argv[1]).resolve()) as running:
        sys.stdout.write(f"export KUBECONFIG={running.kubeconfig}\n")
        sys.stdout.flush()
        signal.pause()
