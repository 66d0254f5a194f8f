"""A graph on this CPU by OpenVINO, in bf16 where the CPU has it; or by onnxruntime, where it is installed. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import openvino

from raftops.errors import ModelError
from raftops.extras import of_extra
from raftops.retrieval.protocols import Vectors

Engine = Literal["auto", "onnxruntime", "openvino"]
Ids = npt.NDArray[np.int64]
Run = Callable[[Mapping[str, Ids]], Vectors]
"""Inputs by name to the graph's one output."""
THREADS = 2


def chosen_engine(engine: Engine) -> str:
    """`auto` takes OpenVINO, but for a CPU without bf16 that has onnxruntime: it answers a query in half the time."""
    if engine != "auto":
        return engine
    return "onnxruntime" if find_spec("onnxruntime") and not has_bf16() else "openvino"


def open_graph(path: Path, engine: str, output: str, next_step: str) -> Run:
    """Load a graph into the engine that `chosen_engine` gave.

    Raises:
        ModelError: the engine cannot load it; `next_step` says what helps where the file is broken.
    """
    return _openvino(path, output, has_bf16()) if engine == "openvino" else _onnxruntime(path, output, next_step)


def open_exact(path: Path, output: str) -> Run:
    """The same in 32 bits, whatever the CPU computes faster: to compare a graph with what it was made of."""
    return _openvino(path, output, bf16=False)


def has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _onnxruntime(path: Path, output: str, next_step: str) -> Run:
    onnxruntime = of_extra("onnxruntime", "onnxruntime", f"{path}: index.engine is onnxruntime")
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


def _openvino(path: Path, output: str, bf16: bool) -> Run:
    precision = "bf16" if bf16 else "f32"
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS}
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
    except RuntimeError as error:
        step = "pip install 'raftops[onnxruntime]' and set index.engine: onnxruntime"
        raise ModelError(f"{path}: OpenVINO cannot load it ({error})", next_step=step) from error

    def run(inputs: Mapping[str, Ids]) -> Vectors:
        result = compiled.create_infer_request().infer(dict(inputs))
        return np.array(result[output], dtype=np.float32)

    return run
