"""Which ports processes of this user listen on that run raftops or Milvus Lite, and whether they ask who calls.

By /proc, so on Linux alone. A port asks for a token where it refuses `GET /v1/models` without one.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path

PROC = Path("/proc")
OURS = ("raftops", "milvus_lite", "milvus-lite")
LISTENS = "0A"
SECONDS = 2.0


@dataclass(frozen=True)
class Listener:
    """An open port of a process."""

    pid: int
    host: str
    port: int

    @property
    def address(self) -> str:
        """As it is written in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether no other machine reaches it."""
        return ip_address(self.host).is_loopback

    def asks_for_token(self) -> bool:
        """Whether it refuses a caller without one. A port that speaks no HTTP does not."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host)  # noqa: S104  compared, not bound
        address = f"{here}:{self.port}" if here else self.address
        try:
            with opener.open(f"http://{address}/v1/models", timeout=SECONDS):
                return False
        except urllib.error.HTTPError as refused:
            return refused.code == 401  # noqa: PLR2004  HTTP's word for: who are you?
        except (OSError, ValueError, HTTPException):  # it speaks something else
            return False


def listeners(proc: Path = PROC) -> list[Listener]:
    """Every port of ours, by number; none where /proc does not say."""
    open_ports = dict(_open_ports(proc))
    found = {
        Listener(pid, *open_ports[inode])
        for pid in _ours(proc)
        for inode in _sockets(proc / str(pid) / "fd")
        if inode in open_ports
    }
    first = {(one.host, one.port): one for one in sorted(found, key=lambda one: -one.pid)}  # a child inherits sockets
    return sorted(first.values(), key=lambda one: one.port)


def _open_ports(proc: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        for row in map(str.split, path.read_text().splitlines()[1:] if path.is_file() else ()):
            if row[3] == LISTENS:
                host, _, port = row[1].rpartition(":")
                yield row[9], (_host(host), int(port, 16))


def _host(written: str) -> str:
    """An address as the kernel writes it: hexadecimal, each four bytes backwards."""
    raw = bytes.fromhex(written)
    turned = b"".join(raw[n : n + 4][::-1] for n in range(0, len(raw), 4))
    found = ip_address(turned)
    return str(getattr(found, "ipv4_mapped", None) or found)


def _ours(proc: Path) -> Iterator[int]:
    for folder in proc.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
            mine = folder.stat().st_uid == os.getuid()
        except OSError:  # it has ended
            continue
        if mine and int(folder.name) != os.getpid() and any(name in command for name in OURS):
            yield int(folder.name)


def _sockets(folder: Path) -> Iterator[str]:
    try:
        handles = list(folder.iterdir())
    except OSError:
        return
    for handle in handles:
        try:
            target = os.readlink(handle)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
