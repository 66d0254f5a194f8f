"""A file to its passages, remembered by content: only files that changed are parsed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raftops.data.records import Document, Locator, Passage, Span
from raftops.files import sha256_json, write_text
from raftops.parsing.chunk import Chunk, chunk
from raftops.parsing.parse import parse_document
from raftops.parsing.tokens import load_tokenizer, token_map

_LIBRARIES = ("lxml", "markdown-it-py", "nupunkt", "pypdfium2", "python-docx", "pyyaml", "selectolax", "tokenizers")


@dataclass(frozen=True)
class Cut:
    """A parsed document and its passages, without anything that depends on who may read it."""

    title: str
    text: str
    notes: tuple[str, ...]
    chunks: tuple[Chunk, ...]


class Cutter:
    """Parses and cuts documents with one tokenizer and one set of settings."""

    def __init__(self, model: Path, digest: str, chunk_tokens: int, folder: Path) -> None:
        self._tokenizer = load_tokenizer(model)
        self._chunk_tokens = chunk_tokens
        self._settings = {"chunk_tokens": chunk_tokens, "tokenizer": digest}
        self._folder = folder
        self.parsed = 0
        """How many documents were not in the cache."""

    def cut(self, document: Document) -> Cut:
        """The passages of a document; raises `StepError` where it cannot be parsed."""
        file = self._file(document)
        found = _read(file)
        if found is None:
            parsed = parse_document(Path(document.path), document.media_type)
            chunks = chunk(parsed, token_map(self._tokenizer, parsed.text), self._chunk_tokens)
            found = Cut(parsed.title, parsed.text, parsed.notes, tuple(chunks))
            write_text(file, json.dumps(_as_json(found), ensure_ascii=False))
            self.parsed += 1
        return found

    def knows(self, document: Document) -> bool:
        """Whether this content was cut before, so that nobody needs the file."""
        return _read(self._file(document)) is not None

    def _file(self, document: Document) -> Path:
        name = Path(document.path).name
        key = sha256_json([document.version, document.media_type, name, self._settings, code_version()])
        return self._folder / f"{key}.json"

    def passages(self, document: Document, cut: Cut) -> list[Passage]:
        """The rows of a document. An id names the document, its content, the place and how it was cut."""
        return [self._passage(document, cut, part) for part in cut.chunks]

    def _passage(self, document: Document, cut: Cut, part: Chunk) -> Passage:
        text = cut.text[part.start : part.end]
        where = [part.start, part.end, text, cut.title, _place(part.locator)]
        return Passage(
            passage_id=sha256_json([document.doc_id, document.version, where, self._settings])[:32],
            doc_id=document.doc_id,
            version=document.version,
            title=cut.title,
            text=text,
            start=part.start,
            end=part.end,
            locator=part.locator,
            policy_id=document.policy_id,
            uri=document.uri,
            tokens=part.tokens,
            spans=part.spans,
        )


@cache
def code_version() -> str:
    """What parses and cuts: this package's source and the versions of the libraries it stands on."""
    folder = Path(__file__).parent
    sources = {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.py"))}
    return sha256_json([sources, {name: version(name) for name in _LIBRARIES}])


def _as_json(cut: Cut) -> dict[str, Any]:
    rows = [[c.start, c.end, c.tokens, _place(c.locator), spans_as_json(c.spans)] for c in cut.chunks]
    return {"title": cut.title, "text": cut.text, "notes": list(cut.notes), "chunks": rows}


def spans_as_json(spans: tuple[Span, ...]) -> list[list[Any]]:
    """[[start, end, locator], ...]"""
    return [[s.start, s.end, _place(s.locator)] for s in spans]


@lru_cache(maxsize=4096)
def _place(locator: Locator) -> dict[str, Any]:
    return locator.as_dict()


def _read(file: Path) -> Cut | None:
    """What the cache holds; nothing where it holds nothing that can be read."""
    try:
        value: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Cut(value["title"], value["text"], tuple(value["notes"]), tuple(map(_chunk, value["chunks"])))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _chunk(row: list[Any]) -> Chunk:
    start, end, tokens, locator, spans = row
    return Chunk(start, end, tokens, Locator.of(locator), tuple(Span(a, b, Locator.of(at)) for a, b, at in spans))
