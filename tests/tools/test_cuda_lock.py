from __future__ import annotations

import json
from pathlib import Path

from tools.cuda_lock import HEAD, write_locks

REPORT = json.dumps({"install": [{"metadata": {"name": name, "version": version}} for name, version in (
    ("torch", "2.13.0"), ("triton", "3.7.1"), ("nvidia_cublas", "13.1"), ("sympy", "1.14.0"), ("cuda-toolkit", "13.0"),
)]})  # fmt: skip


def test_the_libraries_of_cuda_are_pinned_for_linux_and_stand_in_one_lock_only(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("nvidia-cublas==13.1\nnvidia-ml-py==13.6\ntorch==2.13.0\n")
    write_locks(REPORT, tmp_path)
    linux = '; platform_system == "Linux"\n'
    pins = f"cuda-toolkit==13.0{linux}nvidia-cublas==13.1{linux}triton==3.7.1{linux}"
    assert (tmp_path / "cuda.lock").read_text(encoding="utf-8") == HEAD + pins
    assert (tmp_path / "requirements.lock").read_text(encoding="utf-8") == "nvidia-ml-py==13.6\ntorch==2.13.0\n"


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    write_locks(REPORT, tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("cuda.lock", "requirements.lock")]
    write_locks(REPORT, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("cuda.lock", "requirements.lock")] == before
