"""Milvus Lite over a folder, in this process, without a port: a socket in a folder that only this user can open.

Lite's own way (`MilvusClient("x.db")`) answers everybody on a loopback port, and asks nobody who he is.
"""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from milvus_lite import DataDirLockedError, MilvusLite
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from pymilvus.grpc_gen import milvus_pb2_grpc

from raftops.errors import IndexUnusable

logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)  # what it logs is raised as well
MESSAGE_BYTES = 256 * 1024 * 1024
"""Longest message, as of a Milvus server."""
SOCKET_BYTES = 107
"""Longest path of a socket on Linux."""


class Lite:
    """The server of one folder."""

    def __init__(self, folder: Path) -> None:
        """Open the folder and answer on the socket.

        Raises:
            IndexUnusable: another process has the folder open, or no socket can be made.
        """
        self._private = tempfile.TemporaryDirectory(prefix="raftops-lite-")  # mkdtemp: mode 0700
        path = Path(self._private.name).resolve() / "s"
        if len(str(path).encode()) > SOCKET_BYTES:
            self._private.cleanup()
            raise IndexUnusable(f"{path}: too long a path for a socket", next_step="set TMPDIR to a shorter one")
        try:
            self._database = MilvusLite(str(folder))
        except (OSError, DataDirLockedError) as error:
            self._private.cleanup()
            step = "check that no other process writes the folder"
            raise IndexUnusable(f"{folder}: cannot be opened ({error})", next_step=step) from error
        limits = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES) for way in ("receive", "send")]
        self._server = grpc.server(ThreadPoolExecutor(4, "milvus-lite"), options=limits)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(self._database), self._server)
        self.uri = f"unix:{path}"
        """Where it answers."""
        self._server.add_insecure_port(self.uri)
        self._server.start()

    def close(self) -> None:
        """Answer nobody any more, and release the folder."""
        self._server.stop(grace=2).wait()
        self._database.close()
        self._private.cleanup()
