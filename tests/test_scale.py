"""docs/scale.md: both tables as the script prints them, every figure with its source."""

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


def test_a_law_is_said_with_the_figure_that_was_measured() -> None:
    laws = scale.tables()["laws"]
    for name, as_said in {
        "embed_rate": "52",
        "exact_hybrid": "0.00021",
        "exact_disk": "2.7 kB",
        "lite_memory": "27 kB",
        "text": "1,085",
    }.items():
        assert as_said in laws and float(re.sub(r"[^\d.]", "", as_said)) == pytest.approx(scale.of(name), rel=1e-3)


def test_the_figures_that_the_text_names_are_those_of_the_script_the_log_and_the_report() -> None:
    text, log = DOCUMENT.read_text(encoding="utf-8"), LOG.read_text(encoding="utf-8")
    report = json.loads((DOCUMENT.parent / "handbook-report" / "report.json").read_text(encoding="utf-8"))
    assert scale.of("answer") == pytest.approx(report["metrics"]["served.seconds"], abs=5e-4)
    assert "228,206 tokens" in text and "228,206 tokens" in log
    assert f"{228_206 / scale.of('cpu_tokens') / 60:.0f} minutes" in text
    assert f"| {scale.EXACT_PASSAGES:,} passages |" in text


def test_every_file_that_the_text_names_is_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:docs|manifests|benchmarks)/[\w/.-]*\w", text))
    assert named >= {"docs/LOG.md", "docs/handbook-report/report.json"}
    assert [name for name in named if not (DOCUMENT.parents[1] / name).exists()] == []


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
