"""The pages of a validation: they say what was put aside and why, and fetch nothing."""

import re

from raftops.files import write_json
from raftops.validation.expectations import Judge
from raftops.validation.pages import write_index
from raftops.validation.report import Table, write_report
from raftops.validation.rows import Check, Row, bad_rows

FETCH = re.compile(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE)


def judged(folder):
    """A table of two rows, one of them bad, judged and written as the step does it."""
    rows = [Row("a.jsonl:1", "one", {"fine": True}), Row("a.jsonl:2", "<b>two</b>", {"fine": True})]
    rows[1].fail("fine", "is not verbatim")
    judge = Judge(folder)
    outcomes = judge.judge("examples", rows, [Check("fine", "true", "critical", "the quote is verbatim")])
    judge.write_docs()
    write_report(folder / "report.json", [Table("examples", 2, outcomes, bad_rows(rows, outcomes))], [], {"splits": {}})
    write_index(folder)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_index_says_what_was_put_aside_and_why_and_leads_to_every_check(tmp_path):
    page = judged(tmp_path)
    assert "1 of 2 rows were put aside" in page and "a.jsonl:2" in page and "is not verbatim" in page
    (address,) = re.findall(r'href="(validations/[^"]+)"', page)
    assert "the quote is verbatim" in (tmp_path / address).read_text(encoding="utf-8")


def test_what_a_row_is_called_is_shown_as_text(tmp_path):
    page = judged(tmp_path)
    assert "&lt;b&gt;two&lt;/b&gt;" in page and "<b>two" not in page


def test_no_page_fetches_anything(tmp_path):
    judged(tmp_path)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= 3
    for page in pages:
        assert not FETCH.search(page.read_text(encoding="utf-8")), page


def test_the_index_of_clean_data_says_so(tmp_path):
    about = {"name": "documents", "in": 1, "accepted": 1, "quarantined": 0, "expectations": []}
    found = {"success": True, "counts": {"splits": {"train": 1}}, "tables": [about], "rows": []}
    write_json(tmp_path / "report.json", found | {"personal_data": {"count": 0, "by_kind": {}}})
    write_index(tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "everything was let through" in page and "no rows" in page
