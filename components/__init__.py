"""Steps as Kubeflow sees them: thin shells over raftops.steps.

Kubeflow's package is loaded here, before anything else asks for it, and without its API client: that takes half a
second, and neither compiling nor running on this machine uses it.
"""

import os
from importlib import import_module

_WITHOUT_CLIENT = "_KFP_RUNTIME"


def _load_kubeflow() -> None:
    before = os.environ.get(_WITHOUT_CLIENT)
    os.environ[_WITHOUT_CLIENT] = "true"
    try:
        import_module("kfp")
    finally:
        del os.environ[_WITHOUT_CLIENT]
        if before is not None:
            os.environ[_WITHOUT_CLIENT] = before


_load_kubeflow()
