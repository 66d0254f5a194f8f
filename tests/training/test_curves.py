"""The picture of the losses: a line for each adapter, and none for what is no number."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from raftops.training.curves import plot_loss

SVG = "{http://www.w3.org/2000/svg}"


def curve(*losses: float) -> list[dict[str, float]]:
    return [{"tokens": 100 * (step + 1), "loss": loss, "step": step} for step, loss in enumerate(losses)]


def test_each_adapter_has_a_line_and_a_label_and_its_ends_are_said() -> None:
    root = ET.fromstring(plot_loss({"raft, slow <1e-4>": curve(2.0, 1.0, 0.5), "plain": curve(1.5, 1.25)}))
    assert root.get("aria-label") == (
        "Loss by training tokens, first to last: raft, slow <1e-4>: 2.000 to 0.500; plain: 1.500 to 1.250"
    )
    lines = [line for line in root.iter(f"{SVG}polyline") if line.get("stroke-width") == "1.5"]
    assert [len(line.get("points", "").split()) for line in lines] == [3, 2]
    assert {"raft, slow <1e-4>", "plain"} <= {words.text for words in root.iter(f"{SVG}text")}


def test_a_loss_that_diverged_is_left_out_and_the_others_keep_their_scale() -> None:
    drawn = plot_loss({"raft": curve(1.0, float("nan"), float("inf")), "plain": curve(1.0, 0.5)})
    assert "nan" not in drawn and "inf" not in drawn
    ET.fromstring(drawn)
    nothing = ET.fromstring(plot_loss({"raft": curve(float("nan"))}))
    assert [words.text for words in nothing.iter(f"{SVG}text")].count("raft") == 1
