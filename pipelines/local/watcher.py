"""Ends the steps of a run whose own process is gone: killed, out of memory, or its terminal was closed.

A small process of its own group waits for the end of a pipe that only the run holds, which the kernel closes whatever
happens to the run, on Linux and macOS alike. Until then it is told which groups of processes are at work. A signal for
the death of a parent (PR_SET_PDEATHSIG) would reach a step's shell and not what the shell started. What leaves its
group is not reached: the service of a smoke test does, and asks the kernel for that signal itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType

_PROGRAM = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Watcher:
    """Watches over the groups of processes of one run. Use it in a `with` block."""

    def __init__(self) -> None:
        read, self._pipe = os.pipe()  # both ends are closed in whatever else is started
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM],
                stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(read)

    def began(self, group: int) -> None:
        """A group of processes is at work."""
        self._tell(f"+{group}\n")

    def ended(self, group: int) -> None:
        """End what is left of a group whose first process has ended, and forget it."""
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says EPERM of zombies
            os.killpg(group, signal.SIGKILL)
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):  # somebody ended the watcher: the run goes on without it
            os.write(self._pipe, line.encode("ascii"))

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._pipe)
        self._process.wait()
