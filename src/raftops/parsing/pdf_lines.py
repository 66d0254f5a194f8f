"""The text layer of a PDF as lines with place and size, each parted into cells at wide gaps. No OCR."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from raftops.parsing.document import clean

_SOFT_HYPHENS = (0xFFFE, 0x02, 0xAD)
_LINE_ENDS = (0x0A, 0x0D)


_GAP = 1.2


@dataclass(frozen=True)
class Cell:
    """What stands between two wide gaps of a line."""

    text: str
    left: float
    right: float

    def aligned(self, other: Cell) -> bool:
        """Whether both stand in one column: left, right or middle."""
        left, right = self.left - other.left, self.right - other.right
        return min(abs(left), abs(right), abs(left + right) / 2) < 4


@dataclass(frozen=True)
class Line:
    """One line; coordinates in points from the lower left of its page."""

    text: str
    page: int
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    hyphen: bool
    """The line ends inside a hyphenated word; the hyphen itself is not in `text`."""
    page_height: float
    cells: tuple[Cell, ...] = ()


def page_lines(page: Any, number: int) -> list[Line]:
    """The lines of a page in reading order of its content stream."""
    text_page = page.get_textpage()
    try:
        height = page.get_height()
        lines = (_line(text_page.raw, run, hyphen, number, height) for run, hyphen in _runs(text_page))
        return [line for line in lines if line is not None]
    finally:
        text_page.close()


def has_image(page: Any) -> bool:
    """Whether a page draws a picture."""
    return next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])), None) is not None


def _runs(text_page: Any) -> Iterator[tuple[list[tuple[int, int]], bool]]:
    """(index, code) of the characters of each line, and whether it ended in a hyphenated word."""
    run: list[tuple[int, int]] = []
    for index in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(text_page.raw, index)
        if code in _SOFT_HYPHENS or code in _LINE_ENDS:
            yield run, code not in _LINE_ENDS
            run = []
        else:
            run.append((index, code))
    yield run, False


def _line(handle: Any, run: list[tuple[int, int]], hyphen: bool, page: int, height: float) -> Line | None:
    solid = [index for index, code in run if not chr(code).isspace()]
    text = _text(run)
    if not text or not solid:
        return None
    sample = [solid[0], solid[len(solid) // 3], solid[len(solid) // 2], solid[2 * len(solid) // 3], solid[-1]]
    size = sorted(_size(handle, i) for i in sample)[2]
    bold = _bold(handle, sample[0]) and _bold(handle, sample[2]) and _bold(handle, sample[-1])
    cells = tuple(_cells(handle, run, _GAP * size))
    middle = _box(handle, sample[2])
    left, right = min(cell.left for cell in cells), max(cell.right for cell in cells)
    return Line(text, page, left, right, middle.bottom, middle.top, size, bold, hyphen, height, cells)


def _text(run: list[tuple[int, int]]) -> str:
    text = "".join(chr(code) for _, code in run)
    return clean(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _cells(handle: Any, run: list[tuple[int, int]], gap: float) -> Iterator[Cell]:
    """Words with at most `gap` points between them."""
    current: list[tuple[int, int]] = []
    left = right = 0.0
    for is_space, part in groupby(run, key=lambda at: chr(at[1]).isspace()):
        word = list(part)
        if is_space:
            current += word if current else []
            continue
        first, last = _box(handle, word[0][0]), _box(handle, word[-1][0])
        if current and first.left - right > gap:
            yield Cell(_text(current), left, right)
            current = []
        left = left if current else first.left
        right = last.right
        current += word
    yield Cell(_text(current), left, right)


def _box(handle: Any, index: int) -> Any:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(handle, index, box)
    return box


def _size(handle: Any, index: int) -> float:
    """Font size as drawn, to half a point: the nominal size times the scale of the text matrix."""
    matrix = raw.FS_MATRIX()
    scale = math.hypot(matrix.c, matrix.d) if raw.FPDFText_GetMatrix(handle, index, matrix) else 1.0
    return round(2 * raw.FPDFText_GetFontSize(handle, index) * (scale or 1.0)) / 2


def _bold(handle: Any, index: int) -> bool:
    name = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(handle, index, name, 128, flags)
    return b"bold" in name.value.lower() or b"black" in name.value.lower()


def load(data: bytes) -> Any:
    """Open a PDF from its bytes."""
    return pdfium.PdfDocument(data)
