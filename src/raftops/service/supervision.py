"""BentoML's supervisor without a port: by default it takes orders from whoever reaches a port of loopback.

`circus` starts any command that it is sent there, as the user of the service, and asks nobody who he is. Here it
listens on sockets in a folder that only this user can open.
"""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from typing import Any

from raftops.files import private_folder

WORKER = "_bentoml_impl.worker"


def close_ports() -> None:
    """Give the supervisor of this process private sockets; a worker has no supervisor."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is not None and main.name.startswith(WORKER):
        return
    circus: Any = import_module("bentoml._internal.utils.circus")
    circus.Arbiter = _privately(circus.Arbiter)


def _privately(arbiter: Any) -> Any:
    class Private(arbiter):  # BentoML's class is known when it is imported
        """An arbiter whose orders come by a socket."""

        def __init__(self, *args: Any, **settings: Any) -> None:
            folder = private_folder("raftops-bento-")
            settings |= {"endpoint": f"ipc://{folder}/orders", "pubsub_endpoint": f"ipc://{folder}/events"}
            super().__init__(*args, **settings)
            self.exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)

    return Private
