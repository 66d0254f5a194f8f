"""Passages as flat rows: of `passages.parquet` and of a collection. No byte is lost on the way there and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from raftops.data.records import Locator, Passage, Span
from raftops.errors import StepError

FIELDS = (
    "doc_id", "version", "title", "text", "start", "end", "locator", "policy_id", "uri", "tokens", "spans",
)  # fmt: skip
"""Everything of a passage but its id."""
TEXT_BYTES = 65535
"""Longest text field of Milvus."""


def row_of(passage: Passage) -> dict[str, Any]:
    """The passage as a collection's row, without vectors; too long a field is a `StepError`."""
    row: dict[str, Any] = {"passage_id": passage.passage_id, **{f: getattr(passage, f) for f in FIELDS}}
    row["locator"] = _json(passage.locator.as_dict())
    same = passage.locator
    row["spans"] = _json([[s.start, s.end, 0 if s.locator == same else s.locator.as_dict()] for s in passage.spans])
    for field, value in row.items():
        if isinstance(value, str) and len(value.encode()) > TEXT_BYTES:
            raise StepError(
                f"{passage.doc_id}: {field} of the passage at {passage.start} is longer than {TEXT_BYTES} bytes",
                next_step="lower ingest.chunk_tokens",
            )
    return row


def passage_of(passage_id: str, row: Mapping[str, Any]) -> Passage:
    """The passage of a row, be it of the collection or of the parquet file."""
    locator = Locator.of(json.loads(row["locator"]))
    spans = tuple(Span(a, b, locator if place == 0 else Locator.of(place)) for a, b, place in json.loads(row["spans"]))
    flat = {f: row[f] for f in FIELDS if f not in ("locator", "spans")}
    return Passage(passage_id=passage_id, locator=locator, spans=spans, **flat)


def read_passages(path: Path, batch: int = 512) -> Iterator[list[Passage]]:
    """The passages of a parquet file, batch by batch."""
    try:
        with parquet.ParquetFile(path) as file:
            for rows in file.iter_batches(batch, columns=["passage_id", *FIELDS]):
                yield [passage_of(row["passage_id"], row) for row in rows.to_pylist()]
    except (OSError, KeyError, ValueError) as error:
        raise StepError(f"{path}: not readable passages ({error})", next_step="run the ingest step again") from error


def searched_text(passage: Passage) -> str:
    """What both indexes see of a passage: title and headings in front of the text."""
    path = dict.fromkeys(h for h in (passage.title, *passage.locator.headings) if h)
    return "\n".join([" > ".join(path), passage.text]) if path else passage.text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
