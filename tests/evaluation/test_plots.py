"""The report's pictures: every mark says its figure, and its colour says whether it is good news."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from raftops.evaluation import plots
from raftops.evaluation.bootstrap import Difference, Interval

LABELS = {"right": "Right", "wrong": "Wrong", "f1": "Token F1"}


def marks(picture: str, tag: str) -> list[tuple[str, dict[str, str]]]:
    """(what a pointer is told, attributes) of the marks of a kind."""
    return [(mark.findtext("title") or "", dict(mark.attrib)) for mark in ET.fromstring(picture).iter(tag)]


def test_a_bar_is_as_long_as_its_share_and_says_it() -> None:
    picture = plots.outcomes({"raft": (0.5, 0.25, 0.25), "base": (0.0, 0.0, 1.0)}, ("right", "declined", "wrong"))
    bars = [(said, float(at["width"])) for said, at in marks(picture, "rect") if said]
    assert [said for said, _ in bars] == [
        "raft: 0.500 right", "raft: 0.250 declined", "raft: 0.250 wrong", "base: 1.000 wrong",
    ]  # fmt: skip
    whole = bars[-1][1]
    assert [width / whole for _, width in bars] == [0.5, 0.25, 0.25, 1]
    title = ET.fromstring(picture).get("aria-label")
    assert title and "raft 0.50 right, 0.25 declined, 0.25 wrong; base 0.00 right" in title


def test_a_difference_is_good_bad_or_open_and_fewer_wrong_answers_are_good() -> None:
    paired = {
        "right": Difference(0.2, 0.1, 0.3, 0.0), "wrong": Difference(-0.2, -0.3, -0.1, 1.0),
        "f1": Difference(0.1, -0.1, 0.3, 0.2),
    }  # fmt: skip
    dots = marks(plots.differences(paired, LABELS, "raft minus base", {"wrong"}), "circle")
    assert [at["fill"] for _, at in dots] == ["var(--good)", "var(--good)", "var(--rival)"]
    assert dots[1][0] == "Wrong: -0.200, -0.300 to -0.100"
    worse = plots.differences({"wrong": Difference(0.2, 0.1, 0.3, 0.0)}, LABELS, "", {"wrong"})
    assert marks(worse, "circle")[0][1]["fill"] == "var(--bad)"


def test_a_figure_below_zero_is_drawn_inside_its_panel() -> None:
    lift = {"raft": Interval(-0.4, -0.6, -0.2, 10)}
    picture = plots.intervals({"Right": {"raft": Interval(0.9, 0.8, 1.0, 10)}, "Lift": lift})
    right, left = (float(at["cx"]) for _, at in marks(picture, "circle"))
    middle = (118 + 760 - 8) / 2
    assert right < middle < left
    assert [words.text for words in ET.fromstring(picture).iter("text")].count("-0.5") == 1


def test_curves_are_told_apart_without_their_colours() -> None:
    picture = plots.hit_curves({"hybrid": [0.8, 0.9], "BM25": [0.4, 0.7], "dense": [0.6, 0.8]})
    dashes = {at.get("stroke-dasharray") for _, at in marks(picture, "polyline") if at["stroke-width"] == "2"}
    assert len(dashes) == 3
    assert "BM25 (0.40 to 0.70)" in [words.text for words in ET.fromstring(picture).iter("text")]
