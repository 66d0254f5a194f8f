"""The rank of this process among those that train one adapter together, from torchrun's variables; alone, it is 0."""

from __future__ import annotations

import os

import torch
import torch.distributed


def count() -> int:
    """Processes that train together: torchrun's world size."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is rank 0, the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def join() -> None:
    """Join the process group, each process with a GPU of its own where there are any."""
    if count() == 1:
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def wait() -> None:
    """A barrier: return when every process has reached it."""
    if count() > 1:
        torch.distributed.barrier()


def leave() -> None:
    """Leave the process group."""
    if count() > 1:
        torch.distributed.destroy_process_group()
