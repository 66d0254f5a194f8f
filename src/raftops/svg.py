"""Small charts as SVG: marks on straight scales, in colours that the page names, with words for who listens.

No library draws them: matplotlib was 95 MB in two images, for six plots. Knows nothing of what is drawn, and measures
no text: a label's width is guessed from its letters, so whoever draws leaves room beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
SIZE = 12
"""Of the letters, in the units of the picture: about one pixel where a page shows it as wide as it is."""
DASHES = ("", "7 4", "2 3", "10 3 2 3")
"""What tells lines apart for whoever does not see their colours."""
_COLOURS = {
    "paper": ("#ffffff", "#171c24"), "ink": ("#1b2430", "#e6eaf0"), "soft": ("#5a6675", "#a0abba"),
    "line": ("#dde1e7", "#313a47"), "good": ("#1f7a5c", "#54c79f"), "idle": ("#8a94a3", "#8d99a8"),
    "bad": ("#c4532d", "#f08a64"), "accent": ("#2457c5", "#83abff"), "rival": ("#7d8795", "#9aa5b4"),
}  # fmt: skip
"""By name: on light, and on dark."""
Point = tuple[float, float]


def palette(dark: bool = False) -> str:
    """The colours as declarations of CSS, for a page and for a picture that stands alone."""
    return " ".join(f"--{name}: {both[dark]};" for name, both in _COLOURS.items())


@dataclass(frozen=True)
class Scale:
    """Values to places: `low` stands at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value stands; on a scale without an extent all stand in its middle."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within the scale, at most so many: steps of 1, 2 or 5 times a power of ten."""
        extent = self.high - self.low
        if extent < 1e-9:  # what is written with twelve digits shows no difference
            return [self.low]
        rough = 10.0 ** math.floor(math.log10(extent / most))
        step = next(rough * factor for factor in (1, 2, 5, 10, 20) if extent / (rough * factor) <= most - 1)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(n * step, 12) for n in range(first, last + 1)]


class Drawing:
    """One picture, filled from back to front."""

    def __init__(self, height: float, title: str) -> None:
        """`title` says in words what the picture shows: it is what a screen reader reads."""
        self._height = height
        self._title = title
        self._marks: list[str] = []

    def line(self, points: Iterable[Point], colour: str, width: float = 1, dash: str = "") -> None:
        """A line through points."""
        places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        style = f'stroke="var(--{colour})" stroke-width="{_number(width)}"{dashed}'
        self._marks.append(f'<polyline points="{places}" fill="none" {style}/>')

    def dot(self, at: Point, colour: str, radius: float = 4.5, said: str = "") -> None:
        """A dot; `said` is shown to a pointer that rests on it."""
        place = f'cx="{_number(at[0])}" cy="{_number(at[1])}" r="{_number(radius)}"'
        self._marks.append(f'<circle {place} fill="var(--{colour})">{_tip(said)}</circle>')

    def box(self, at: Point, size: Point, colour: str, said: str = "") -> None:
        """A filled rectangle, from its upper left corner."""
        names = zip(("x", "y", "width", "height"), (*at, *size), strict=True)
        place = " ".join(f'{name}="{_number(value)}"' for name, value in names)
        self._marks.append(f'<rect {place} fill="var(--{colour})">{_tip(said)}</rect>')

    def text(self, at: Point, words: str, colour: str = "ink", anchor: str = "start") -> None:
        """Words whose middle line stands at `at`."""
        place = f'x="{_number(at[0])}" y="{_number(at[1] + 0.35 * SIZE)}"'
        aligned = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._marks.append(f'<text {place} fill="var(--{colour})"{aligned}>{escape(words)}</text>')

    def grid(self, across: Scale, down: Scale, ticks: Sequence[float]) -> None:
        """Faint upright lines at values of the scale that runs across, with the values below."""
        for tick in ticks:
            self.line([(across(tick), down.start), (across(tick), down.end)], "line")
            self.text((across(tick), max(down.start, down.end) + SIZE), f"{tick:,g}", "soft", "middle")

    def shelves(self, across: Scale, down: Scale, ticks: Sequence[float]) -> None:
        """Faint level lines at values of the scale that runs down, with the values to their left."""
        for tick in ticks:
            self.line([(across.start, down(tick)), (across.end, down(tick))], "line")
            self.text((across.start - 6, down(tick)), f"{tick:,g}", "soft", "end")

    def legend(self, at: Point, entries: Sequence[tuple[str, str, str]], down: bool = False) -> None:
        """(label, colour, dash) side by side, or one below the other; a dash of `box` is a square, of `dot` a dot."""
        x, y = at
        for label, colour, dash in entries:
            match dash:
                case "box":
                    self.box((x, y - 5), (10, 10), colour)
                case "dot":
                    self.dot((x + 9, y), colour)
                case _:
                    self.line([(x, y), (x + 24, y)], colour, 2, dash)
            beside = 15 if dash == "box" else 30
            self.text((x + beside, y), label)
            x, y = (x, y + 1.5 * SIZE) if down else (x + beside + 24 + 0.55 * SIZE * len(label), y)

    def inline(self) -> str:
        """The picture as part of a page that names the colours (`palette`)."""
        return self._element("")

    def alone(self) -> str:
        """The picture as a file, with its colours for light and dark."""
        dark = f"@media (prefers-color-scheme: dark) {{ svg {{ {palette(dark=True)} }} }}"
        style = f"<style>svg {{ {palette()} background: var(--paper); }} {dark}</style>"
        return self._element(style, f' xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self._height:g}"')

    def _element(self, style: str, more: str = "") -> str:
        named = f'role="img" aria-label="{escape(self._title)}"'
        font = f'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="{SIZE}"'
        opened = f'<svg{more} viewBox="0 0 {WIDTH} {self._height:g}" {named} {font}>'
        return "\n".join([opened + style, *self._marks, "</svg>\n"])


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _tip(said: str) -> str:
    return f"<title>{escape(said)}</title>" if said else ""
