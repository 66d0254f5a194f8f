"""DOCX to plain text: paragraphs, lists and tables in body order. Tracked deletions, tables of contents, headers,
footers, comments and footnotes are left out; the format has no pages."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docx

from raftops.errors import StepError
from raftops.parsing.document import Builder, Parsed, clean
from raftops.parsing.original import BINARY_BYTES_MAX, MIB, looks_like, read_bytes

UNPACKED_BYTES_MAX = 512 * MIB
XML_BYTES_MAX = 64 * MIB
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_P, _TBL, _TR, _TC, _SDT = (_W + name for name in ("p", "tbl", "tr", "tc", "sdt"))
_SKIPPED = {_W + "del", _W + "moveFrom", "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
_SPACES = {_W + "tab", _W + "br", _W + "cr", _P}
_HEADING = re.compile(r"heading (\d)")


def parse_docx(path: Path) -> Parsed:
    """Read a DOCX file."""
    data = read_bytes(path, BINARY_BYTES_MAX)
    _check_package(data)
    try:
        document = docx.Document(io.BytesIO(data))
        builder = Builder()
        writer = _Writer(builder, document)
        writer.write(document.element.body)
        title = document.core_properties.title or ""
    except StepError:
        raise
    except Exception as error:  # a broken package fails in whatever part of docx, lxml, zlib meets it first
        raise StepError(f"is not a readable DOCX ({type(error).__name__}: {error})") from error
    return builder.build(writer.title or title or builder.first_heading)


def _check_package(data: bytes) -> None:
    """Refuse what is no package, what unpacks to too much, what is encrypted and XML that declares a DTD."""
    found = looks_like(data)
    if found.startswith("an old Office file"):
        raise StepError("is encrypted or an old .doc file", next_step="save it as DOCX without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            _check_parts(package)
    except StepError:
        raise
    except Exception as error:  # zipfile and zlib have a dozen ways to say that an archive is broken
        what = f"is {found}" if found and not found.startswith("a ZIP") else "is not a DOCX package"
        raise StepError(f"{what} ({error})") from error


def _check_parts(package: zipfile.ZipFile) -> None:
    parts = package.infolist()
    xml = [p for p in parts if p.filename.endswith((".xml", ".rels"))]
    if "word/document.xml" not in {p.filename for p in parts}:
        raise StepError("is a ZIP archive without word/document.xml: not a DOCX")
    if len(parts) > 20_000 or sum(p.file_size for p in parts) > UNPACKED_BYTES_MAX:
        raise StepError(f"unpacks to more than {UNPACKED_BYTES_MAX // MIB} MiB or 20,000 parts")
    if sum(p.file_size for p in xml) > XML_BYTES_MAX:
        raise StepError(f"holds more than {XML_BYTES_MAX // MIB} MiB of XML")
    for part in xml:
        if part.flag_bits & 1:
            raise StepError("is encrypted")
        with package.open(part) as file:
            start = file.read(64 * 1024).replace(b"\0", b"")
        if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
            raise StepError(f"{part.filename} declares a DTD or entities, which a DOCX never does")


class _Writer:
    """Walks the body and writes blocks."""

    def __init__(self, builder: Builder, document: Any) -> None:
        self._builder = builder
        self._styles = {s.style_id: s for s in document.styles}
        self._group: object = None
        self.title = ""

    def write(self, parent: Any) -> None:
        """Write the paragraphs and tables below an element, those in content controls too."""
        for child in _content(parent, {_P, _TBL}):
            if child.tag == _TBL:
                self._table(child)
            else:
                self._paragraph(child)

    def _paragraph(self, element: Any) -> None:
        text = _text(element)
        name, listed = self._style(element)
        if not text or name.startswith("toc "):
            return
        heading = _HEADING.match(name)
        self._group = (self._group or object()) if listed else None
        if name == "title" and not self.title:
            self.title = text
        if heading or name == "title":
            self._builder.heading(text, int(heading[1]) if heading else 0)
        else:
            self._builder.add("item" if listed else "paragraph", text, group=self._group)

    def _style(self, element: Any) -> tuple[str, bool]:
        """The built-in style that a paragraph's style stands on (lower case), and whether it is a list item."""
        properties = element.find(_W + "pPr")
        if properties is None:
            return "", False
        found = properties.find(_W + "pStyle")
        style = self._styles.get(found.get(_W + "val")) if found is not None else None
        listed = properties.find(_W + "numPr") is not None
        own = name = ""
        for _ in range(10):
            if style is None:
                break
            name = (style.name or "").lower()
            own = own or name
            if name.startswith(("heading ", "list", "title", "toc ")):
                break
            style = style.base_style
        return name or own, listed or name.startswith("list")

    def _table(self, element: Any) -> None:
        self._group = None
        rows = [list(_content(tr, {_TC})) for tr in _content(element, {_TR})]
        if len(rows) == 1 and len(rows[0]) == 1:
            return self.write(rows[0][0])
        above: list[str] = []
        texts: list[list[str]] = []
        for row in rows:
            above = [_cell(tc, above[i] if i < len(above) else "") for i, tc in enumerate(row)]
            texts.append(above)
        return self._builder.table(texts, has_header=_has_header(element, rows, texts))


def _has_header(table: Any, rows: list[list[Any]], texts: list[list[str]]) -> bool:
    """Marked as one, alone in bold, or the first of three columns or more that are all named."""
    if len(rows) < 2 or len(rows[0]) < 2 or not all(texts[0]):
        return False
    if table.find(f"{_W}tr/{_W}trPr/{_W}tblHeader") is not None:
        return True
    if all(map(_is_bold, rows[0])) and not all(map(_is_bold, rows[1])):
        return True
    return len(texts[0]) > 2 and not any(cell[0].isdigit() for cell in texts[0])


def _is_bold(cell: Any) -> bool:
    runs = [run for run in cell.iter(_W + "r") if run.find(_W + "t") is not None]
    return bool(runs) and all(run.find(f"{_W}rPr/{_W}b") is not None for run in runs)


def _content(parent: Any, wanted: set[str]) -> Iterator[Any]:
    """Children with a wanted tag, seen through content controls and tracked insertions."""
    for child in parent:
        if child.tag in wanted:
            yield child
        elif child.tag in (_SDT, _W + "sdtContent", _W + "ins", _W + "moveTo", _W + "customXml"):
            yield from _content(child, wanted)


def _cell(cell: Any, above: str) -> str:
    """A cell's text; a cell merged with the one above repeats it."""
    merge = cell.find(f"{_W}tcPr/{_W}vMerge")
    continues = merge is not None and merge.get(_W + "val") != "restart"
    return _text(cell) or (above if continues else "")


def _text(element: Any) -> str:
    """All text below an element, without what was deleted; one line."""
    parts: list[str] = []
    stack = list(reversed(element))
    while stack:
        node = stack.pop()
        if node.tag in _SKIPPED:
            continue
        if node.tag == _W + "t":
            parts.append(node.text or "")
        elif node.tag == _W + "noBreakHyphen":
            parts.append("-")
        elif node.tag in _SPACES:
            parts.append(" ")
        stack.extend(reversed(node))
    return clean("".join(parts))
