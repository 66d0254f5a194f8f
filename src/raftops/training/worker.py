"""One process of a training on several nodes: `torchrun -m raftops.training.worker <folder>`.

Reads what to train from `job.json` in the folder, trains with the others, and leaves the adapters in the cache that all
nodes share; the train step takes them from there. A process that is started again goes on from the last checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

from raftops.files import read_json
from raftops.progress import progress
from raftops.spec.model.learning import Train
from raftops.training import ranks
from raftops.training.loop import set_threads
from raftops.training.tune import make, prepare_all

JOB = "job.json"


def work(folder: Path) -> None:
    """Train every adapter of a job."""
    job_file = read_json(folder / JOB)
    config = Train(**job_file["train"])
    set_threads(config.threads)
    ranks.join()
    try:
        base, jobs = prepare_all(config, job_file["base"], folder, Path(job_file["cache"]))
        done, total = 0, sum(job.plan.steps for job in jobs)
        for job in jobs:
            make(job, base, config, done, total)
            done += job.plan.steps
        if ranks.is_first():
            progress("train", total, total, "the adapters are in the cache")
    finally:
        ranks.leave()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
