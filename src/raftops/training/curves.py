"""The loss of each adapter, step by step: `loss.jsonl`, and `loss.svg` as a picture of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from raftops.files import write_jsonl, write_text
from raftops.svg import DASHES, WIDTH, Drawing, Scale
from raftops.training.candidates import Trials
from raftops.training.tune import Adapter

_COLOURS = ("accent", "rival", "good", "bad")


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
    write_text(folder / "loss.svg", plot_loss(curves))


def plot_loss(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Loss by training tokens, one line for each adapter; a loss that is not a number is a gap."""
    drawn = {name: _finite(history) for name, history in curves.items()}
    every = [point for points in drawn.values() for point in points]
    said = "; ".join(f"{name}: {points[0][1]:.3f} to {points[-1][1]:.3f}" for name, points in drawn.items() if points)
    top = 44 + 18 * len(drawn)
    drawing = Drawing(top + 326, f"Loss by training tokens, first to last: {said}")
    across = Scale(0, max((tokens for tokens, _ in every), default=1), 56, WIDTH - 32)
    down = Scale(0, max((loss for _, loss in every), default=1), top + 280, top)
    drawing.grid(across, down, across.ticks())
    drawing.shelves(across, down, down.ticks())
    entries = []
    for number, (name, points) in enumerate(drawn.items()):
        colour, dash = _COLOURS[number % len(_COLOURS)], DASHES[number // len(_COLOURS) % len(DASHES)]
        drawing.line([(across(tokens), down(loss)) for tokens, loss in points], colour, 1.5, dash)
        entries.append((name, colour, dash))
    drawing.legend((56, 14), entries, down=True)
    drawing.text((0, top - 16), "loss on the answer (nats per token)", "soft")
    drawing.text(((across.start + across.end) / 2, top + 312), "training tokens", "soft", "middle")
    return drawing.alone()


def _finite(history: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    return [(h["tokens"], h["loss"]) for h in history if -1e9 < h["loss"] < 1e9]
