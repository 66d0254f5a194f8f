"""What the command line costs before it does anything: CPU seconds of a process, the best of five tries.

One JSON line per figure.

python benchmarks/start_up.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile

COMMANDS = {
    "version": ("--version",),
    "help": ("--help",),
    "mistyped": ("relase",),
    "validate_help": ("validate", "--help"),
    "serve_help": ("serve", "--help"),
}
TRIES = 5


def main() -> None:
    """Start each command in an empty folder, and say the user and system time of the cheapest try."""
    with tempfile.TemporaryDirectory() as folder:
        for name, words in COMMANDS.items():
            seconds = min(_cpu_seconds([sys.executable, "-m", "raftops", *words], folder) for _ in range(TRIES))
            print(json.dumps({"figure": f"start_up.{name}_cpu_seconds", "value": round(seconds, 3)}), flush=True)


def _cpu_seconds(command: list[str], folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
