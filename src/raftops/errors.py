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
