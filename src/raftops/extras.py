"""Modules whose packages not every installation has: which extra brings them is said where one is missing.

An image of a step holds what its step always needs. PyTorch runs a model where OpenVINO cannot (a base without a GGUF
form, a GPU); onnxruntime runs an encoder where an index was built with it. Both are extras of their own.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from raftops.errors import ModelError


def of_extra(module: str, extra: str, why: str) -> Any:
    """The module; `why` it is wanted, where it is missing.

    Raises:
        ModelError: a package of the extra is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = (error.name or module).partition(".")[0]
        if name == "raftops":
            raise
        raise ModelError(
            f"{why}, and {name} is not installed here",
            next_step=f"pip install 'raftops[{extra}]'; for an image: make images EXTRAS={extra}",
        ) from error
