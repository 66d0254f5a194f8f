"""PDF (text layer) to plain text: headings by size or weight, lines joined to paragraphs, repeated headers and footers
dropped. No OCR: a PDF without text is an error, a page without text is a note."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pypdfium2 as pdfium

from raftops.errors import StepError
from raftops.parsing.document import HEADING_CHARS_MAX, Builder, Parsed
from raftops.parsing.original import BINARY_BYTES_MAX, looks_like, read_bytes
from raftops.parsing.pdf_lines import Line, has_image, load, page_lines
from raftops.parsing.plain import starts_item, without_bullet

PAGES_MAX = 20_000
CHARS_MAX = 64_000_000
_MARGIN = 0.09
_FILE_NAME = re.compile(r"^(microsoft (word|powerpoint) - .*|untitled.*|.*\.(docx?|pdf|odt|tex|indd|pptx?))$", re.I)
_PERIOD = re.compile(r"[.!?:;][\"')\]”’]?$")


def parse_pdf(path: Path) -> Parsed:
    """Read a PDF."""
    document = _open(read_bytes(path, BINARY_BYTES_MAX))
    try:
        builder = Builder()
        lines = _lines(document, builder)
        title = (document.get_metadata_value("Title") or "").strip()
    except (pdfium.PdfiumError, ValueError) as error:
        raise StepError(f"is not a readable PDF ({error})") from error
    finally:
        document.close()
    _write(builder, _without_furniture(lines))
    return builder.build(builder.first_heading if not title or _FILE_NAME.match(title) else title)


def _open(data: bytes) -> Any:
    if b"%PDF-" not in data[:1024]:
        raise StepError(f"is {looks_like(data) or 'something else'}, not a PDF: the extension is wrong")
    try:
        return load(data)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise StepError("is encrypted with a password", next_step="save it without a password") from error
        raise StepError(f"is not a readable PDF ({error})") from error


def _lines(document: Any, builder: Builder) -> list[Line]:
    """The lines of all pages; pages that are pictures are noted."""
    if len(document) > PAGES_MAX:
        raise StepError(f"has more than {PAGES_MAX:,} pages")
    lines: list[Line] = []
    chars = 0
    for number in range(1, len(document) + 1):
        page = document[number - 1]
        found = page_lines(page, number)
        if not found and has_image(page):
            builder.notes.append(f"page {number} is a picture without text (OCR is not done)")
        page.close()
        lines += found
        chars += sum(len(line.text) for line in found)
        if chars > CHARS_MAX:
            raise StepError(f"holds more than {CHARS_MAX:,} characters of text")
    if not lines:
        raise StepError("has no text layer (a scan?); OCR is not done", next_step="run OCR on it first: ocrmypdf")
    return lines


def _without_furniture(lines: list[Line]) -> list[Line]:
    """Drop what stands in the margin, at one height, with the same words (digits aside), on half of all pages."""
    pages = len({line.page for line in lines})
    seen = Counter(key for line in lines if (key := _furniture(line)))
    kept = [line for line in lines if (key := _furniture(line)) is None or seen[key] < max(2, pages / 2)]
    return kept or lines


def _furniture(line: Line) -> tuple[str, int] | None:
    edge = line.page_height * _MARGIN
    if edge < line.top and line.bottom < line.page_height - edge:
        return None
    return re.sub(r"\d+", "#", line.text), round(line.bottom / 4)


@dataclass(frozen=True)
class _Look:
    """What the body of this document looks like."""

    size: float
    pitch: float
    bold: bool
    levels: dict[float, int]
    compounds: frozenset[str]
    edges: dict[int, tuple[float, float]]

    def level(self, line: Line) -> int:
        """Heading level of a line, 0 for none."""
        if not any(c.isalpha() for c in line.text) or len(line.text) > HEADING_CHARS_MAX:
            return 0
        if line.size in self.levels:
            return self.levels[line.size]
        short = len(line.text) <= 80 and not re.search(r"[.,;:!]$", line.text)
        return min(6, len(self.levels) + 1) if line.bold and not self.bold and short and line.size >= self.size else 0


def _look(lines: Sequence[Line]) -> _Look:
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.size] += len(line.text)
    size = max(weights, key=lambda s: (weights[s], -s))
    large = sorted((s for s in weights if s > size * 1.1), reverse=True)
    body = [line for line in lines if line.size == size]
    bold = sum(len(line.text) for line in body if line.bold)
    steps = [a.bottom - b.bottom for a, b in zip(body, body[1:], strict=False) if a.page == b.page]
    close = [step for step in steps if 0 < step < 4 * size]
    edges: dict[int, tuple[float, float]] = {}
    for line in lines:
        left, right = edges.get(line.page, (line.left, line.right))
        edges[line.page] = min(left, line.left), max(right, line.right)
    words = frozenset(w.lower() for line in lines for w in re.findall(r"\w+-\w+", line.text))
    levels = {s: min(6, rank) for rank, s in enumerate(large, 1)}
    return _Look(size, median(close) if close else 1.2 * size, 2 * bold > weights[size], levels, words, edges)


@dataclass
class _Open:
    """The paragraph, item or heading that is being joined."""

    level: int = 0
    item: bool = False
    lines: list[Line] = field(default_factory=list)


def _write(builder: Builder, lines: Sequence[Line]) -> None:
    look = _look(lines)
    open_ = _Open()
    group = object()
    for part in [*_tables(lines), None]:
        line = part if isinstance(part, Line) else None
        if line and open_.lines and _continues(open_, line, look):
            open_.lines.append(line)
            continue
        if open_.lines:
            _flush(builder, open_, look, group)
        previous = open_.lines[-1].text if open_.lines else ""
        item = line is not None and starts_item(line.text, previous, in_item=open_.item)
        group = group if item and open_.item else object()
        open_ = _Open(look.level(line), item, [line]) if line else _Open()
        if isinstance(part, list):
            rows = [[cell.text for cell in row.cells] for row in part]
            builder.table(rows, has_header=_has_header(part), page=part[0].page)


def _tables(lines: Sequence[Line]) -> Iterator[Line | list[Line]]:
    """The lines; two or more in a row whose cells stand in the same columns come as one list."""
    run: list[Line] = []
    for line in [*lines, None]:
        if run and line and len(line.cells) == len(run[-1].cells) > 1 and _same_columns(run[-1], line):
            run.append(line)
            continue
        if len(run) > 1:
            yield run
        else:
            yield from run
        run = [line] if line else []


def _same_columns(one: Line, other: Line) -> bool:
    return all(a.aligned(b) for a, b in zip(one.cells, other.cells, strict=True))


def _has_header(rows: Sequence[Line]) -> bool:
    """Alone in bold, or three columns or more of names above figures."""
    if rows[0].bold != rows[1].bold:
        return rows[0].bold
    named = not any(c.isdigit() for c in rows[0].text)
    return len(rows[0].cells) > 2 and named and any(c.isdigit() for row in rows[1:] for c in row.text)


def _flush(builder: Builder, open_: _Open, look: _Look, group: object) -> None:
    text, page = _join(open_.lines, look.compounds), open_.lines[0].page
    if open_.level:
        builder.heading(text, open_.level, page=page)
    elif open_.item:
        builder.add("item", without_bullet(text), page=page, group=group)
    else:
        builder.add("paragraph", text, page=page)


def _continues(open_: _Open, line: Line, look: _Look) -> bool:
    """Whether a line belongs to what is open."""
    last = open_.lines[-1]
    if last.hyphen:
        return True
    if look.level(line) != open_.level or (open_.level and last.size != line.size):
        return False
    if not open_.level and starts_item(line.text, last.text, in_item=open_.item):
        return False
    ended = bool(_PERIOD.search(last.text))
    step = last.bottom - line.bottom
    if line.page != last.page or step < -0.5 * line.size:
        return not open_.level and not ended and line.text[0].islower()
    if step > 1.25 * max(look.pitch, 1.3 * line.size if open_.level else 1.1 * line.size):
        return False
    left, right = look.edges[line.page]
    short = last.right < right - 0.15 * (right - left)
    indented = line.left > open_.lines[0].left + 4 and len(open_.lines) > 1 and not open_.item
    return not (ended and (short or indented))


def _join(lines: Sequence[Line], compounds: frozenset[str]) -> str:
    text = lines[0].text
    for before, line in zip(lines, lines[1:], strict=False):
        if before.hyphen:
            word = re.findall(r"\w*$", text)[0] + "-" + re.findall(r"^\w*", line.text)[0]
            text += ("-" if word.lower() in compounds else "") + line.text
        elif re.search(r"\w-$", text) and line.text[0].islower():
            text += line.text
        else:
            text += " " + line.text
    return text
