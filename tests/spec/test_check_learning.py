"""The names that a gate may use are those of a real report."""

from pathlib import Path

from raftops.files import read_json
from raftops.spec.check_learning import metric_names

REPORT = Path(__file__).parents[2] / "docs" / "handbook-report" / "report.json"


def test_every_figure_of_the_committed_report_can_be_gated():
    report = read_json(REPORT)
    missing = set(report["metrics"]) - set(metric_names())
    assert report["metrics"] and not missing


def test_no_name_stands_twice():
    names = metric_names()
    assert len(names) == len(set(names))
