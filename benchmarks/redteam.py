"""A red team's visit to the current release, with its controls: what the same questions bring to one who may read, and
what the bare model, or quoting the first unit, would have shown of planted orders.

    python -m benchmarks.redteam specs/handbook.yaml 3000 8

Prints the attempts by kind and one JSON line; needs a release (`make run`). 3,000 questions take about 20 minutes on
two quiet cores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pipelines.cli.authoring import releases_folder
from raftops.redteam.attack import visit
from raftops.release.current import current_release
from raftops.spec.load import load_spec


def main(spec: Path, attacks: int, orders: int) -> None:
    """Attack, print."""
    found = visit(current_release(releases_folder(load_spec(spec))), attacks, orders, seed=7)
    for tally in (*found.leaks, found.prompt, *found.orders):
        print(f"{tally.kind:<36} {tally.succeeded:>4} of {tally.tried:<5} control: {tally.control}")
    tried = sum(tally.tried for tally in found.leaks)
    print(json.dumps({"tried": tried, "leaked": found.leaked, "told": found.prompt.succeeded, "obeyed": found.obeyed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
