"""A graph on this CPU: onnxruntime, or OpenVINO in bf16 where the CPU has it. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
import openvino

from raftops.errors import ModelError
from raftops.retrieval.protocols import Vectors

Engine = Literal["auto", "onnxruntime", "openvino"]
Ids = npt.NDArray[np.int64]
Run = Callable[[Mapping[str, Ids]], Vectors]
"""Inputs by name to the graph's one output."""
THREADS = 2


def chosen_engine(engine: Engine) -> str:
    """`auto` takes OpenVINO where the CPU computes bf16, else onnxruntime."""
    return engine if engine != "auto" else ("openvino" if has_bf16() else "onnxruntime")


def open_graph(path: Path, engine: str, output: str, next_step: str) -> Run:
    """Load a graph into the engine that `chosen_engine` gave.

    Raises:
        ModelError: the engine cannot load it; `next_step` says what helps where the file is broken.
    """
    return _openvino(path, output) if engine == "openvino" else _onnxruntime(path, output, next_step)


def has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _onnxruntime(path: Path, output: str, next_step: str) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no narrower base
        raise ModelError(f"{path}: onnxruntime cannot load it ({error})", next_step=next_step) from error

    def run(inputs: Mapping[str, Ids]) -> Vectors:
        (found,) = session.run([output], dict(inputs))
        return np.asarray(found, dtype=np.float32)

    return run


def _openvino(path: Path, output: str) -> Run:
    precision = "bf16" if has_bf16() else "f32"
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS}
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
    except RuntimeError as error:
        raise ModelError(
            f"{path}: OpenVINO cannot load it ({error})", next_step="set index.engine: onnxruntime"
        ) from error

    def run(inputs: Mapping[str, Ids]) -> Vectors:
        result = compiled.create_infer_request().infer(dict(inputs))
        return np.array(result[output], dtype=np.float32)

    return run
