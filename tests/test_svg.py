"""Charts of our own: where marks stand, which colours they have, and what is read aloud."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.svg import Drawing, Scale, palette

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_value_stands_between_the_ends_of_its_scale() -> None:
    down = Scale(0, 10, 200, 20)
    assert (down(0), down(5), down(10)) == (200, 110, 20)
    assert Scale(3, 3, 0, 10)(3) == 5, "a scale without an extent"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.3, 0.52, [-0.2, 0, 0.2, 0.4]),
        (0, 13000, [0, 5000, 10000]),
        (2, 2, [2]),
        (0, 5e-324, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 1).ticks() == pytest.approx(ticks)


@given(NUMBERS, NUMBERS)
def test_ticks_are_few_and_within_the_scale(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = Scale(low, high, 0, 1).ticks()
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert len(ticks) <= 6 and all(low - slack <= tick <= high + slack for tick in ticks)


def drawn() -> Drawing:
    drawing = Drawing(100, 'Loss of "raft" & <others>')
    drawing.text((10, 10), "<script>alert(1)</script>")
    drawing.dot((5, 5), "accent", said="raft: 1 < 2")
    drawing.box((0, 0), (10, 20.126), "good")
    drawing.line([(0, 0), (1, 2)], "rival", 2, "7 4")
    drawing.legend((0, 50), [("raft", "good", "box"), ("served", "accent", "dot"), ("base", "rival", "")])
    return drawing


def test_a_picture_is_read_aloud_by_its_title_and_its_words_are_text() -> None:
    root = ET.fromstring(drawn().inline())
    assert root.get("role") == "img" and root.get("aria-label") == 'Loss of "raft" & <others>'
    assert root.findtext("text") == "<script>alert(1)</script>"
    assert root.findtext("circle/title") == "raft: 1 < 2"
    box = root.find("rect")
    assert box is not None and box.get("height") == "20.13"
    assert [e.text for e in root.findall("text")][1:] == ["raft", "served", "base"]


def test_a_picture_in_a_page_takes_the_colours_of_the_page() -> None:
    picture = drawn().inline()
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', picture)) == {
        "none", "var(--ink)", "var(--accent)", "var(--good)", "var(--rival)",
    }  # fmt: skip
    assert "<style" not in picture and "xmlns" not in picture


def test_a_picture_that_stands_alone_brings_its_colours_for_light_and_dark() -> None:
    picture = drawn().alone()
    root = ET.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and (root.get("width"), root.get("height")) == ("760", "100")
    light, _, dark = picture.partition("prefers-color-scheme: dark")
    for name in re.findall(r"var\(--(\w+)\)", picture):
        assert f"--{name}: " in light and f"--{name}: " in dark
    assert palette() in light and palette(dark=True) in dark and palette() != palette(dark=True)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_and_marks_be_seen_on_the_paper(dark: bool) -> None:
    """WCAG 2: 4.5 to 1 for words, 3 to 1 for marks."""
    colours = dict(re.findall(r"--(\w+): (#\w+);", palette(dark)))
    for name, least in {"ink": 4.5, "soft": 4.5, "good": 3, "idle": 3, "bad": 3, "accent": 3, "rival": 3}.items():
        high, low = sorted((luminance(colours[name]), luminance(colours["paper"])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, (name, dark)
