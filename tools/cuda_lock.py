"""Pins of what PyTorch's build for CUDA takes along, by pip's report of what it would install. For `make lock`.

Beside requirements.lock, which every machine installs: they are three gigabytes, for Linux alone, and of no use to the
build for the CPU.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from raftops.files import write_text

HEAD = """\
# What PyTorch's build for CUDA takes along: PyPI serves that build for Linux. Made by `make lock`.
# Images are held to it, and `make setup` installs it where that build came. PyPI has no other; for one without CUDA:
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup
"""
_CUDA = re.compile(r"(nvidia|cuda)-.+|triton")


def cuda_pins(report: str) -> dict[str, str]:
    """Versions by name, sorted, of the libraries of CUDA in a report of `pip install --report`."""
    found = (part["metadata"] for part in json.loads(report)["install"])
    pins = {str(about["name"]).lower().replace("_", "-"): str(about["version"]) for about in found}
    return {name: pins[name] for name in sorted(pins) if _CUDA.fullmatch(name)}


def write_locks(report: str, folder: Path) -> None:
    """Write cuda.lock, and take out of requirements.lock what it names: a machine with that build lists them there."""
    pins = cuda_pins(report)
    lines = (f'{name}=={version}; platform_system == "Linux"\n' for name, version in pins.items())
    write_text(folder / "cuda.lock", HEAD + "".join(lines))
    locked = (folder / "requirements.lock").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = (line for line in locked if line.partition("==")[0] not in pins)
    write_text(folder / "requirements.lock", "".join(kept))


if __name__ == "__main__":
    write_locks(Path(sys.argv[1]).read_text(encoding="utf-8"), Path.cwd())
