"""Documents to plain text with structure and exact offsets: Markdown, text, HTML, PDF (text layer), DOCX.

Every failure is a `StepError` that names the file and the reason. No OCR, no images, no network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from raftops.errors import StepError
from raftops.parsing.document import Block, Kind, Parsed
from raftops.parsing.docx import parse_docx
from raftops.parsing.html import parse_html
from raftops.parsing.markdown import parse_markdown
from raftops.parsing.pdf import parse_pdf
from raftops.parsing.plain import parse_plain

__all__ = ["Block", "Kind", "Parsed", "media_type_of", "parse_document"]

_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_PARSERS: dict[str, Callable[[Path], Parsed]] = {
    _TYPES[".html"]: parse_html,
    _TYPES[".md"]: parse_markdown,
    _TYPES[".txt"]: parse_plain,
    _TYPES[".pdf"]: parse_pdf,
    _TYPES[".docx"]: parse_docx,
}


def media_type_of(path: Path) -> str | None:
    """The media type by extension, or None for what cannot be parsed."""
    return _TYPES.get(path.suffix.lower())


def parse_document(path: Path, media_type: str) -> Parsed:
    """Parse one file. Raises `StepError` with the reason where it is broken, empty, encrypted or not what it says."""
    parser = _PARSERS.get(media_type)
    if parser is None:
        raise StepError(f"{path}: media type {media_type!r} cannot be parsed; known are {', '.join(sorted(_PARSERS))}")
    try:
        parsed = parser(path)
        if not parsed.text:
            raise StepError("holds no text")
    except StepError as error:
        raise StepError(f"{path}: {error}", next_step=error.next_step) from error
    return parsed if parsed.title else replace(parsed, title=path.stem)
