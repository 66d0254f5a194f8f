"""The loss of each adapter, step by step: `loss.jsonl`, and `loss.png` as a picture of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raftops.files import atomic, write_jsonl
from raftops.training.candidates import Trials
from raftops.training.tune import Adapter


def write_curves(tuned: Mapping[str, Adapter], trials: Trials, folder: Path) -> None:
    """Write both; every candidate is in them, also those that were not chosen."""
    curves = {name: adapter.history for name, adapter in tuned.items()}
    lost = {f"raft ({one.candidate.name})": one.adapter.history for one in trials.lost}
    rows = ({"adapter": name} | entry for name, history in (curves | lost).items() for entry in history)
    write_jsonl(folder / "loss.jsonl", rows)
    if trials.tried:
        # The chosen candidate is `raft`: it is drawn once, under the label that says its settings.
        candidates = {one.label: one.adapter.history for one in trials.tried}
        curves = candidates | {name: history for name, history in curves.items() if name != "raft"}
    plot_loss(curves, folder / "loss.png")


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
    if curves:
        axes.legend()
    with atomic(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
