"""What a tiny step does: it notes that it ran, and then behaves as it was told."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from raftops.errors import DataRejected
from raftops.files import write_json, write_text
from raftops.progress import progress, reported


def work(config: dict[str, Any], made: Any, metrics: Any) -> None:
    """Run a step."""
    with Path("ran.log").open("a", encoding="utf-8") as file:
        file.write(f"{config['step']}\n")
    metrics.metadata.update(reported(_step)(config["step"], config["manner"], Path(made.path)))
    write_json(Path(metrics.path), metrics.metadata)


def _step(step: str, manner: str, made: Path) -> dict[str, float]:
    sys.stderr.write("a bar without an end of line ")
    sys.stderr.flush()
    progress(step, 1, 2, "half – [done]")
    if manner == "rejected":
        raise DataRejected("row k7 has no evidence", next_step="mend data/examples.jsonl")
    if manner == "raises":
        raise KeyError("no such thing")
    if manner == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if manner == "silent":
        os._exit(3)
    if manner == "noise":
        sys.stdout.write(
            "Executing task 'train'\n11:11:11.111 - INFO - Executing task 'deploy'\nraftops-progress not json\n"
        )
        sys.stdout.write("raftops-progress [1, 2]\nTask 'train' finished with status FAILURE\n")
    if manner == "slow":
        time.sleep(60)
    if manner == "family":  # children that hear of nothing, and a step that looks at no pipe
        subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; sleep 300", str(made)])
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
        subprocess.run(["sh", "-c", "sleep 300; echo late", str(made)], check=False)
    if manner == "full":
        raise OSError(errno.ENOSPC, "No space left on device", str(made / "weights"))
    write_text(made / "made.txt", step)
    return {"rows": 3.0}
