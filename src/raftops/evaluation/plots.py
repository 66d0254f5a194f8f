"""The report's pictures as inline SVG whose colours follow the page, so that they read on light and on dark."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping, Sequence
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from raftops.evaluation.bootstrap import Difference, Interval

_COLOURS = {
    "ink": "#010101", "soft": "#020202", "line": "#030303", "good": "#040404", "idle": "#050505", "bad": "#060606",
    "accent": "#070707", "rival": "#080808", "paper": "#090909",
}  # fmt: skip
_SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "raftops", "font.family": "sans-serif", "font.size": 10,
    "text.color": _COLOURS["ink"], "axes.labelcolor": _COLOURS["soft"], "axes.edgecolor": _COLOURS["line"],
    "xtick.color": _COLOURS["soft"], "ytick.color": _COLOURS["ink"], "axes.spines.top": False,
    "axes.spines.right": False, "axes.spines.left": False, "grid.color": _COLOURS["line"], "grid.linewidth": 0.6,
    "xtick.major.size": 0, "ytick.major.size": 0, "axes.axisbelow": True,
}  # fmt: skip
Outcome = tuple[float, float, float]
"""Shares: right (or rightly declined), declined by mistake, wrong."""


def outcomes(rows: Mapping[str, Outcome], labels: tuple[str, str, str]) -> str:
    """Stacked bars of what happened to the questions, one bar for each arm."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.6, 0.4 + 0.33 * len(rows)))
        axes = figure.add_axes((0.155, 0.02, 0.835, 0.86))
        names = list(rows)[::-1]
        left = [0.0] * len(names)
        for part, (colour, label) in enumerate(zip(("good", "idle", "bad"), labels, strict=True)):
            widths = [rows[name][part] for name in names]
            axes.barh(names, widths, left=left, color=_COLOURS[colour], height=0.68, label=label)
            _percentages(axes, widths, left)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        shares = {name: zip(values, labels, strict=True) for name, values in rows.items()}
        said = {name: ", ".join(f"{v:.2f} {label}" for v, label in found if label) for name, found in shares.items()}
        title = "; ".join(f"{name} {share}" for name, share in said.items())
        axes.legend(loc="lower left", bbox_to_anchor=(0, 0.97), ncols=3, frameon=False, borderpad=0, handlelength=1)
        return _svg(figure, f"Shares of questions by outcome: {title}")


def _percentages(axes: Axes, widths: Sequence[float], left: Sequence[float]) -> None:
    for row, (width, start) in enumerate(zip(widths, left, strict=True)):
        if width >= 0.05:
            label = f"{100 * width:.0f} %"
            axes.text(start + width / 2, row, label, ha="center", va="center", color=_COLOURS["paper"], fontsize=9)


def intervals(panels: Mapping[str, Mapping[str, Interval]], highlight: str = "raft") -> str:
    """One panel for each metric: a dot and its 95 % interval for each arm."""
    with matplotlib.rc_context(_SETTINGS):
        arms = list(dict.fromkeys(arm for rows in panels.values() for arm in rows))[::-1]
        figure = Figure(figsize=(7.6, 0.75 + 0.3 * len(arms)))
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (metric, rows) in zip(every, panels.items(), strict=True):
            for place, arm in enumerate(arms):
                if arm in rows:
                    _dot(axes, rows[arm], place, "accent" if arm == highlight else "rival")
            axes.set_title(metric, fontsize=9.5, loc="left")
            axes.set_xlim(-0.03, 1.03)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.grid(axis="x")
        every[0].set_yticks(range(len(arms)), arms)
        every[0].set_ylim(-0.6, len(arms) - 0.4)
        figure.subplots_adjust(left=0.15, right=0.985, top=0.84, bottom=0.13, wspace=0.14)
        return _svg(figure, "Metrics by arm with 95 % intervals")


def _dot(axes: Axes, interval: Interval, place: float, colour: str) -> None:
    axes.plot([interval.low, interval.high], [place, place], color=_COLOURS[colour], linewidth=2)
    axes.plot([interval.value], [place], "o", color=_COLOURS[colour], markersize=6)


def differences(
    paired: Mapping[str, Difference], labels: Mapping[str, str], title: str, lower: Collection[str] = ()
) -> str:
    """One arm minus another, with intervals and a line where they are equal; `lower` names figures that should fall."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.6, 0.62 + 0.4 * len(paired)))
        axes = figure.add_axes((0.25, 0.25, 0.73, 0.72))
        names = list(paired)[::-1]
        for place, name in enumerate(names):
            found, sign = paired[name], -1 if name in lower else 1
            ends = sorted((sign * found.low, sign * found.high))
            sure = "good" if ends[0] > 0 else "bad" if ends[1] < 0 else "rival"
            _dot(axes, Interval(found.delta, found.low, found.high, 0), place, sure)
            axes.text(found.high + 0.015, place, f"{found.delta:+.3f}", va="center", fontsize=9)
        axes.axvline(0, color=_COLOURS["ink"], linewidth=1)
        axes.set_yticks(range(len(names)), [labels[name] for name in names])
        axes.set_ylim(-0.6, len(names) - 0.4)
        low, high = min(0.0, *(d.low for d in paired.values())), max(0.0, *(d.high for d in paired.values()))
        axes.set_xlim(low - 0.05, high + 0.14)
        axes.grid(axis="x")
        return _svg(figure, title)


def coverage_risk(curve: Sequence[tuple[float, float]], served: tuple[float, float] | None) -> str:
    """Share of the answers that are wrong against the share of questions answered, and where what is served stands."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.6, 2.5))
        axes = figure.add_axes((0.075, 0.19, 0.8, 0.76))
        coverage, risk = zip(*curve, strict=True)
        label = "quoting the first sentence, likeliest questions first"
        axes.plot(coverage, risk, "--", color=_COLOURS["rival"], linewidth=2, label=label)
        said = ""
        if served:
            axes.plot(*served, "o", color=_COLOURS["accent"], markersize=8, label="what is served")
            said = f"; served: {served[0]:.2f} answered, {served[1]:.2f} of those wrong"
        axes.legend(loc="upper left", frameon=False)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(-0.03, max(*risk, served[1] if served else 0.0, 0.5) + 0.15)
        axes.set_xlabel("share of all questions that are answered")
        axes.set_ylabel("of those, wrong")
        axes.grid(axis="y")
        return _svg(figure, f"Risk against coverage: all answered {risk[-1]:.2f} wrong{said}")


def hit_curves(curves: Mapping[str, Sequence[float]]) -> str:
    """Share of questions whose document is among the first k."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.6, 2.5))
        axes = figure.add_axes((0.075, 0.17, 0.8, 0.78))
        styles = (("accent", "-"), ("rival", "--"), ("rival", ":"))
        for (name, values), (colour, style) in zip(curves.items(), styles, strict=False):
            ranks = range(1, len(values) + 1)
            label = f"{name} ({values[0]:.2f} to {values[-1]:.2f})"
            axes.plot(ranks, values, style, color=_COLOURS[colour], linewidth=2, label=label)
        axes.legend(loc="lower right", frameon=False)
        axes.set_ylim(min(0.5, *(v for values in curves.values() for v in values)) - 0.03, 1.02)
        axes.set_xticks(list(range(1, 11)))
        axes.set_xlabel("documents looked at, best first")
        axes.grid(axis="y")
        return _svg(figure, "Share of questions whose document is among the first k")


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for name, colour in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    named = f'role="img" aria-label="{escape(title)}"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', lambda _: named, svg, count=1)
