"""CPU time of reading and compiling a spec, and of a run in which nothing changed.

    python benchmarks/pipeline.py specs/handbook.yaml

Prints one JSON line per figure. The run is timed only where the project was run before (`make run`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from pipelines.runs.record import Store
from pipelines.wiring.compile import compile_spec
from raftops.spec.load import load_spec

RAFTOPS = Path(sys.executable).parent / "raftops"


def main(spec: Path) -> None:
    """Compile twice, time the second; then run what is already done."""
    began = time.process_time()
    loaded = load_spec(spec)
    _print("spec.load_cpu_seconds", time.process_time() - began)
    compiled = compile_spec(loaded)
    began = time.process_time()
    compiled = compile_spec(loaded)
    _print("compile.cpu_seconds", time.process_time() - began)
    _print("compile.kilobytes", len(compiled.text) / 1024)
    store = Store(loaded.root / loaded.assistant.spec.platform.store)
    if all(store.result(step, key.digest) for step, key in compiled.keys.items()):
        began = time.monotonic()
        subprocess.run([RAFTOPS, "run", str(spec)], check=True, stdout=subprocess.DEVNULL)
        _print("run.unchanged_seconds", time.monotonic() - began)


def _print(figure: str, value: float) -> None:
    print(json.dumps({"figure": figure, "value": round(value, 3)}))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "specs/handbook.yaml"))
