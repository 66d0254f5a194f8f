"""Everything we raise on purpose.

RaftopsError              exit 1, one line, no traceback
├── SpecError             the user's YAML is wrong (exit 2); carries every problem at once
├── AccessError           an access file cannot be used; never raised to say "denied"
├── ModelError            a model source cannot be resolved or loaded
├── IndexUnusable         an index is missing, incomplete or of another embedder
├── StepError             a step met data it cannot work with
│   ├── DataRejected      an expectation failed; the report names it
│   └── GateFailed        the evaluation ran and a gate of the spec did not pass (exit 3)
├── ReleaseError          a release is missing, incomplete or does not answer
├── ClusterError          Kubeflow or Kubernetes cannot be reached, refuses, or knows nothing of what was named
├── StorageError          a bucket cannot be reached, refuses, or holds something else than it should
├── BudgetExceeded        a run would cost more than the spec allows
├── ManifestError         Kubernetes resources cannot be read or built
└── ServiceError          the service cannot start or be reached
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

_MAKE_ROOM = "make room, then run the same command again; raftops gc --yes deletes what no run needs any more"
_NEXT = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "raise the largest size of a file (ulimit -f), or take another file system",
    errno.EACCES: "check whose it is and who may read and write it (ls -l)",
    errno.EPERM: "check whose it is and who may change it (ls -l)",
    errno.EROFS: "the file system can only be read: give a folder that can be written",
    errno.EMFILE: "raise the number of open files (ulimit -n)",
    errno.EIO: "the disk fails: look at the system's log",
}
"""What mends an error of the operating system."""


def explained(error: OSError, doing: str = "") -> tuple[str, str]:
    """An error of the operating system in words, and what next: what, where, why. `doing` is where, if it says nothing.

    What a write meets (a full disk) carries no name of a file; the place in the code is better than nothing.
    """
    nested = error.args[0] if error.args and isinstance(error.args[0], list) else []
    if nested:  # shutil's list of what could not be copied: (source, target, why)
        first = nested[0]
        return f"{first[1]}: {first[2]}" + (f", and {len(nested) - 1} more" if nested[1:] else ""), ""
    reason = error.strerror or str(error) or type(error).__name__
    where = str(error.filename) if error.filename is not None else doing
    if not where and error.__traceback__:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    return f"{where}: {reason}" if where else reason, _NEXT.get(error.errno or 0, "")


class RaftopsError(Exception):
    """A failure with a message that says what, where and what next."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step
        """The command or edit that mends it, shown on its own line."""


class SpecError(RaftopsError):
    """One or more located mistakes in a spec; `str()` is the whole report."""

    exit_code = 2


class AccessError(RaftopsError):
    """The access file is missing, malformed or names what does not exist."""


class ModelError(RaftopsError):
    """A model source could not be resolved, read or run."""


class IndexUnusable(RaftopsError):
    """The index is missing, incomplete, locked or was built by another embedder."""


class StepError(RaftopsError):
    """A step met data it cannot work with."""


class DataRejected(StepError):
    """The validation found rows that the spec does not allow."""


class GateFailed(StepError):
    """The evaluation ran and at least one gate did not pass."""

    exit_code = 3


class ReleaseError(RaftopsError):
    """A release is missing, incomplete or failed its smoke test."""


class ServiceError(RaftopsError):
    """The service could not be started or reached."""


class ClusterError(RaftopsError):
    """Kubeflow Pipelines or Kubernetes could not be reached, refused, or does not know what was named."""


class BudgetExceeded(RaftopsError):
    """The run is expected to cost more than `platform.budget`, or its cost cannot be told."""


class StorageError(RaftopsError):
    """A bucket cannot be reached, refuses, or holds something else than it should."""


class ManifestError(RaftopsError):
    """Kubernetes resources could not be read or built."""


def plainly(error: BaseException) -> str:
    """What an error of Python's says, without the advice that it gives to programmers."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    said = str(error)
    return "a whole number with too many digits" if "set_int_max_str_digits" in said else said
