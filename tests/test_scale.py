"""docs/scale.md: every table as the script prints it, the laws in order, nothing unsourced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import scale

DOCUMENT = Path(__file__).parents[1] / "docs" / "scale.md"
LOG = DOCUMENT.with_name("LOG.md")


def test_the_document_shows_the_tables_that_the_script_prints() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert scale.filled(text) == text, "python -m benchmarks.scale --write docs/scale.md"
    assert len(re.findall(r"<!-- table: ", text)) == len(scale.tables())


def test_a_table_without_a_place_is_an_error() -> None:
    with pytest.raises(SystemExit, match="0 places for the table"):
        scale.filled("# Scale")


def test_every_measured_figure_says_what_printed_it_and_the_log_has_it() -> None:
    log = LOG.read_text(encoding="utf-8")
    for name, figure in scale.MEASURED.items():
        assert figure.value > 0 and re.search(r"docs/|python -m", figure.source), name
        if "docs/LOG.md" in figure.source:
            assert f"{figure.value:g}" in log or f"{figure.value * 1e5:g}" in log, name


def test_engines_take_over_in_order_and_machines_never_shrink_within_one() -> None:
    engines = [scale.engine(size) for size in scale.SIZES]
    assert engines[0].startswith("Milvus Lite") and engines[-1].startswith("Milvus cluster")
    kinds = [engine.split(",")[0] for engine in engines]
    assert kinds == sorted(kinds, key=["Milvus Lite", "Milvus standalone", "Milvus cluster"].index)
    assert not scale.quantised(100_000_000) and scale.quantised(1_000_000_000)
    assert scale.nodes(200_000_000) >= scale.nodes(100_000_000) > scale.nodes(10_000_000) == 1


def test_the_sizes_that_the_text_names_are_those_of_the_script() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    standalone, floats = scale.last_of(scale.in_one), scale.last_of(lambda size: not scale.quantised(size))
    assert f"at {standalone // 10**6} million passages" in text and f"| {standalone // 10**6} million |" in text
    assert f"from {floats // 10**6} million" in text and f"| {floats // 10**6} million |" in text
    assert scale.engine(standalone).startswith("Milvus standalone")
    assert scale.engine(standalone + 10**6).startswith("Milvus cluster")
    assert scale.engine(scale.LITE_PASSAGES) == "Milvus Lite, FLAT" != scale.engine(scale.LITE_PASSAGES + 1)


def test_every_file_that_the_text_names_is_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:docs|manifests|benchmarks)/[\w/.-]*\w", text))
    assert named >= {"docs/LOG.md", "docs/handbook-report/report.json"}
    assert [name for name in named if not (DOCUMENT.parents[1] / name).exists()] == []


def test_the_figures_of_the_report_are_the_reports_own() -> None:
    report = json.loads((DOCUMENT.parent / "handbook-report" / "report.json").read_text(encoding="utf-8"))
    assert scale.MEASURED["answer"].value == pytest.approx(report["metrics"]["served.seconds"], abs=5e-4)


def test_the_tokens_that_the_text_names_are_in_the_log() -> None:
    assert "228,206 tokens" in DOCUMENT.read_text(encoding="utf-8") and "228,206 tokens" in LOG.read_text("utf-8")


@pytest.mark.parametrize("parameters", scale.MODELS.values())
def test_more_gpus_are_sooner_or_as_soon_and_never_cheaper(parameters: float) -> None:
    fitting = [gpus for gpus in scale.GPUS if scale.method(parameters, gpus) != "does not fit"]
    best = [scale.train_seconds(parameters, gpus)[0] for gpus in fitting]
    assert all(later <= sooner * 1.0001 for sooner, later in zip(best, best[1:], strict=False))
    costs = [seconds * gpus for seconds, gpus in zip(best, fitting, strict=True)]
    assert min(costs) >= costs[0] * 0.9999


def test_a_copy_is_kept_inside_a_node_where_a_node_holds_it() -> None:
    assert scale.shards(70e9, 64) == 8 and scale.shards(405e9, 64) == 16
    assert scale.method(70e9, 2) == "QLoRA (NF4), data parallel" and scale.method(405e9, 8) == "does not fit"


def test_a_passage_is_weighed_by_our_own_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from raftops.data.records import Locator, Passage
    from raftops.retrieval.rows import row_of

    passage = Passage(
        "p", "d.md", "v", "Leave", "Leave is asked for, and leave is given.", 0, 39, Locator(), "all", "", 9, ()
    )
    parquet.write_table(pa.Table.from_pylist([row_of(passage)]), tmp_path / "p.parquet")
    figures = {row["figure"]: row["value"] for row in scale.measure(tmp_path / "p.parquet")}
    assert figures["passages"] == 1 and figures["terms"] == 3 and figures["text"] > 39
