"""Milvus Lite over a folder, in this process, without a port: a socket in a folder that only this user can open.

Lite's own way (`MilvusClient("x.db")`) answers everybody on a loopback port, and asks nobody who he is.
"""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from milvus_lite import DataDirLockedError, MilvusLite
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from pymilvus.grpc_gen import milvus_pb2_grpc

from raftops.errors import IndexUnusable
from raftops.files import private_folder

logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)  # what it logs is raised as well
MESSAGE_BYTES = 256 * 1024 * 1024
"""Longest message, as of a Milvus server."""


class Lite:
    """The server of one folder."""

    def __init__(self, folder: Path) -> None:
        """Open the folder and answer on the socket.

        Raises:
            IndexUnusable: another process has the folder open, or no socket can be made.
        """
        self._private = private_folder("raftops-lite-")
        try:
            self._database = MilvusLite(str(folder))
        except (OSError, DataDirLockedError) as error:
            shutil.rmtree(self._private, ignore_errors=True)
            step = "check that no other process writes the folder"
            raise IndexUnusable(f"{folder}: cannot be opened ({error})", next_step=step) from error
        limits = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES) for way in ("receive", "send")]
        self._server = grpc.server(ThreadPoolExecutor(4, "milvus-lite"), options=limits)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(self._database), self._server)
        self.uri = f"unix:{self._private}/s"
        """Where it answers."""
        self._server.add_insecure_port(self.uri)
        self._server.start()

    def close(self) -> None:
        """Answer nobody any more, and release the folder."""
        self._server.stop(grace=2).wait()
        self._database.close()
        shutil.rmtree(self._private, ignore_errors=True)
