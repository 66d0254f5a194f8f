"""The report's pictures as inline SVG whose colours follow the page, so that they read on light and on dark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from raftops.evaluation.bootstrap import Difference, Interval
from raftops.svg import DASHES, SIZE, WIDTH, Drawing, Scale

Outcome = tuple[float, float, float]
"""Shares: right (or rightly declined), declined by mistake, wrong."""
_LEFT = 118
"""Where the marks begin: to the left stand the names of the arms."""


def outcomes(rows: Mapping[str, Outcome], labels: tuple[str, str, str]) -> str:
    """Stacked bars of what happened to the questions, one bar for each arm."""
    shares = {name: zip(values, labels, strict=True) for name, values in rows.items()}
    said = {name: ", ".join(f"{v:.2f} {label}" for v, label in found if label) for name, found in shares.items()}
    title = "; ".join(f"{name} {share}" for name, share in said.items())
    drawing = Drawing(30 + 26 * len(rows), f"Shares of questions by outcome: {title}")
    parts = list(zip(("good", "idle", "bad"), labels, strict=True))
    drawing.legend((_LEFT, 12), [(label, colour, "box") for colour, label in parts if label])
    across = Scale(0, 1, _LEFT, WIDTH - 8)
    for place, (name, values) in enumerate(rows.items()):
        y, done = 28 + 26 * place, 0.0
        drawing.text((_LEFT - 8, y + 10), name, anchor="end")
        for (colour, label), share in zip(parts, values, strict=True):
            start, end = across(done), across(done + share)
            if share:
                drawing.box((start, y), (end - start, 20), colour, f"{name}: {share:.3f} {label}")
            if share >= 0.05:
                drawing.text(((start + end) / 2, y + 10), f"{100 * share:.0f} %", "paper", "middle")
            done += share
    return drawing.inline()


def intervals(panels: Mapping[str, Mapping[str, Interval]], highlight: str = "raft") -> str:
    """One panel for each metric: a dot and its 95 % interval for each arm."""
    arms = list(dict.fromkeys(arm for rows in panels.values() for arm in rows))
    drawing = Drawing(52 + 24 * len(arms), "Metrics by arm with 95 % intervals")
    down = Scale(-0.6, len(arms) - 0.4, 26, 26 + 24 * len(arms))
    for place, arm in enumerate(arms):
        drawing.text((_LEFT - 8, down(place)), arm, anchor="end")
    each = (WIDTH - _LEFT - 8) / max(len(panels), 1)
    for number, (metric, rows) in enumerate(panels.items()):
        start = _LEFT + number * each
        # A figure that is a difference of two may lie below zero: its panel says so, the others keep to 0 and 1.
        low = min(0.0, *(interval.low for interval in rows.values()))
        across = Scale(low, max(1.0, *(i.high for i in rows.values())), start + 8, start + each - 16)
        drawing.text((start + 8, 12), metric)
        drawing.grid(across, down, [tick for tick in (-1, -0.5, 0, 0.5, 1) if low <= tick])
        for place, arm in enumerate(arms):
            if arm in rows:
                _interval(drawing, across, down(place), rows[arm], "accent" if arm == highlight else "rival", arm)
    return drawing.inline()


def differences(
    paired: Mapping[str, Difference], labels: Mapping[str, str], title: str, lower: Collection[str] = ()
) -> str:
    """One arm minus another, with intervals and a line where they are equal; `lower` names figures that should fall."""
    drawing = Drawing(30 + 28 * len(paired), title)
    low, high = min(0.0, *(d.low for d in paired.values())), max(0.0, *(d.high for d in paired.values()))
    across = Scale(low - 0.02, high + 0.02, 190, WIDTH - 60)
    down = Scale(-0.5, len(paired) - 0.5, 6, 6 + 28 * len(paired))
    drawing.grid(across, down, across.ticks())
    drawing.line([(across(0), down.start), (across(0), down.end)], "ink")
    for place, (name, found) in enumerate(paired.items()):
        sign = -1 if name in lower else 1
        ends = sorted((sign * found.low, sign * found.high))
        sure = "good" if ends[0] > 0 else "bad" if ends[1] < 0 else "rival"
        drawing.text((182, down(place)), labels[name], anchor="end")
        _interval(drawing, across, down(place), Interval(found.delta, found.low, found.high, 0), sure, labels[name])
        drawing.text((across(found.high) + 10, down(place)), f"{found.delta:+.3f}")
    return drawing.inline()


def _interval(drawing: Drawing, across: Scale, y: float, found: Interval, colour: str, name: str) -> None:
    drawing.line([(across(found.low), y), (across(found.high), y)], colour, 2)
    said = f"{name}: {found.value:.3f}, {found.low:.3f} to {found.high:.3f}"
    drawing.dot((across(found.value), y), colour, said=said)


def coverage_risk(curve: Sequence[tuple[float, float]], served: tuple[float, float] | None) -> str:
    """Share of the answers that are wrong against the share of questions answered, and where what is served stands."""
    said = f"; served: {served[0]:.2f} answered, {served[1]:.2f} of those wrong" if served else ""
    drawing = Drawing(270, f"Risk against coverage: all answered {curve[-1][1]:.2f} wrong{said}")
    top = max(*(risk for _, risk in curve), served[1] if served else 0.0, 0.5)
    across, down = Scale(0, 1, 44, WIDTH - 24), Scale(0, top, 210, 64)
    drawing.shelves(across, down, down.ticks())
    drawing.grid(across, Scale(0, 1, 210, 210), across.ticks())
    entries = [("quoting the first sentence, likeliest questions first", "rival", DASHES[1])]
    drawing.line([(across(coverage), down(risk)) for coverage, risk in curve], "rival", 2, DASHES[1])
    if served:
        drawing.dot((across(served[0]), down(served[1])), "accent", 5.5, f"served{said[len('; served') :]}")
        entries.append(("what is served", "accent", "dot"))
    drawing.legend((across.start, 12), entries)
    drawing.text((0, 38), "of those, wrong", "soft")
    drawing.text(((across.start + across.end) / 2, 250), "share of all questions that are answered", "soft", "middle")
    return drawing.inline()


def hit_curves(curves: Mapping[str, Sequence[float]]) -> str:
    """Share of questions whose document is among the first k."""
    drawing = Drawing(252, "Share of questions whose document is among the first k")
    ranks = max(len(values) for values in curves.values())
    low = min(0.5, *(v for values in curves.values() for v in values))
    across, down = Scale(1, ranks, 44, WIDTH - 24), Scale(low, 1, 192, 44)
    drawing.shelves(across, down, down.ticks())
    drawing.grid(across, Scale(0, 1, 192, 192), range(1, ranks + 1))
    entries = []
    for (name, values), colour, dash in zip(curves.items(), ("accent", "rival", "rival"), DASHES, strict=False):
        drawing.line([(across(rank), down(value)) for rank, value in enumerate(values, 1)], colour, 2, dash)
        entries.append((f"{name} ({values[0]:.2f} to {values[-1]:.2f})", colour, dash))
    drawing.legend((across.start, 12), entries)
    drawing.text(((across.start + across.end) / 2, 192 + 3 * SIZE), "documents looked at, best first", "soft", "middle")
    return drawing.inline()
