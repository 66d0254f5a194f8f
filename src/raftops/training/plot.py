"""The loss curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raftops.files import atomic


def plot_loss(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Loss by training tokens, one line for each adapter."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, history in curves.items():
        axes.plot([h["tokens"] for h in history], [h["loss"] for h in history], label=name, linewidth=1.4)
    axes.set_xlabel("training tokens")
    axes.set_ylabel("loss on the answer (nats per token)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
