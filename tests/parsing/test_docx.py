from __future__ import annotations

import io
import zipfile

import docx
import pytest

from raftops.errors import StepError
from raftops.parsing.parse import parse_document
from tests.parsing.samples import with_part

TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BODY = "word/document.xml"


def read(path):
    return parse_document(path, TYPE)


def test_paragraphs_lists_and_tables_keep_the_order_of_the_body(handbook_docx):
    parsed = read(handbook_docx)
    assert parsed.title == "Leave Policy"
    assert parsed.text == (
        "Leave\n\nEverybody has 30 days of leave. Ask your manager first.\n\nSpecial leave\n\n"
        "Special leave is given for:\n\na wedding\na house move\n\n"
        "Country | Days | Form\nIreland | 2 | HR-1\nPortugal | 3 | HR-2\n\nAfter the table."
    )
    assert [b.kind for b in parsed.blocks[4:9]] == ["item", "item", "header", "row", "row"]
    assert parsed.blocks[-1].locator.headings == ("Leave", "Special leave")


def test_tracked_insertions_are_read_and_deletions_are_not(handbook_docx, tmp_path):
    def change(xml: bytes) -> bytes:
        new = b"<w:p><w:ins><w:r><w:t>Added.</w:t></w:r></w:ins>"
        new += b"<w:del><w:r><w:delText>Gone.</w:delText></w:r></w:del></w:p>"
        return xml.replace(b"<w:sectPr", new + b"<w:sectPr", 1)

    text = read(with_part(handbook_docx, tmp_path / "t.docx", BODY, change)).text
    assert text.endswith("Added.") and "Gone" not in text


def test_text_inside_content_controls_is_read(handbook_docx, tmp_path):
    def change(xml: bytes) -> bytes:
        new = b"<w:sdt><w:sdtContent><w:p><w:r><w:t>Controlled.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        return xml.replace(b"<w:sectPr", new + b"<w:sectPr", 1)

    assert read(with_part(handbook_docx, tmp_path / "t.docx", BODY, change)).text.endswith("Controlled.")


def test_cells_merged_downwards_repeat_their_text(tmp_path):
    document = docx.Document()
    table = document.add_table(rows=3, cols=2)
    for cell, text in zip(table.columns[1].cells, ("Form", "A", "B"), strict=True):
        cell.text = text
    table.cell(0, 0).text = "Country"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "Ireland"
    document.save(str(tmp_path / "m.docx"))
    assert read(tmp_path / "m.docx").text.endswith("Ireland | A\nIreland | B")


def test_a_table_of_names_and_values_has_no_header(tmp_path):
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("Owner", "People Team", "Valid from", "2025"), strict=True):
        cell.text = text
    document.save(str(tmp_path / "k.docx"))
    assert [b.kind for b in read(tmp_path / "k.docx").blocks] == ["row", "row"]


def test_a_package_that_unpacks_to_too_much_is_refused_before_it_is_read(handbook_docx, tmp_path):
    bomb = with_part(handbook_docx, tmp_path / "b.docx", BODY, lambda xml: xml + b" " * (65 * 1024 * 1024))
    assert bomb.stat().st_size < 1024 * 1024
    with pytest.raises(StepError, match="more than 64 MiB of XML"):
        read(bomb)


def test_entities_are_refused(handbook_docx, tmp_path):
    def change(xml: bytes) -> bytes:
        declared = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        return xml.replace(b"<w:document", declared + b"<w:document", 1)

    with pytest.raises(StepError, match="declares a DTD"):
        read(with_part(handbook_docx, tmp_path / "e.docx", BODY, change))


def test_an_archive_of_something_else_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
    (tmp_path / "o.docx").write_bytes(packed.getvalue())
    with pytest.raises(StepError, match="without word/document.xml"):
        read(tmp_path / "o.docx")
