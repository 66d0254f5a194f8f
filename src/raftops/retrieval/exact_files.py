"""The arrays of an exact index beside the built one: written batch by batch, then mapped into memory and never changed.

exact/passages.arrow   a row for each passage, as in `passages.parquet`, and how many terms it has
exact/dense.npy        a unit vector for each row, float32
exact/terms.arrow      a row for each term: the rows that hold it, and how often
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raftops.data.records import Passage
from raftops.errors import IndexUnusable
from raftops.retrieval.exact import ExactIndex, Ints, Labels, Postings, counted
from raftops.retrieval.protocols import Vectors
from raftops.retrieval.rows import FIELDS, passage_of, row_of
from raftops.spec.model.knowledge import Bm25

FOLDER = "exact"
AGAIN = "run the index step again"
_NUMBERS = ("start", "end", "tokens")
_PASSAGES = pa.schema(
    [(name, pa.int64() if name in _NUMBERS else pa.string()) for name in ("passage_id", *FIELDS)]
    + [("terms", pa.int32())]
)
_TERMS = pa.schema([("term", pa.uint32()), ("rows", pa.list_(pa.uint32())), ("counts", pa.list_(pa.uint16()))])


class ExactWriter:
    """Writes one index. The postings are in memory until `finish`: 12 bytes each, about 1 kB a passage."""

    def __init__(self, built: Path, rows: int, dimension: int, config: Bm25) -> None:
        self._folder, self._config = built / FOLDER, config
        self._folder.mkdir()
        shape = (rows, dimension)
        self._dense = np.lib.format.open_memmap(self._folder / "dense.npy", "w+", np.float32, shape)
        self._file = pa.ipc.new_file(str(self._folder / "passages.arrow"), _PASSAGES)
        self._counted: list[tuple[Ints, Ints]] = []

    def add(self, passages: Sequence[Passage], texts: Sequence[str], dense: Vectors) -> None:
        """The next rows; `texts` is what is searched of them."""
        start, many = len(self._counted), [counted(text, self._config.language) for text in texts]
        self._dense[start : start + len(many)] = dense
        rows = [{**row_of(p), "terms": length} for p, (_, _, length) in zip(passages, many, strict=True)]
        self._file.write_batch(pa.RecordBatch.from_pylist(rows, _PASSAGES))
        self._counted += [(ids, counts.astype(np.uint16)) for ids, counts, _ in many]

    def finish(self) -> None:
        """Write the postings, and close everything."""
        self._file.close()
        self._dense.flush()
        found = Postings.of(self._counted)
        held = [pa.ListArray.from_arrays(found.starts, pa.array(values)) for values in (found.rows, found.counts)]
        with pa.ipc.new_file(str(self._folder / "terms.arrow"), _TERMS) as file:
            file.write_batch(pa.record_batch([pa.array(found.terms), *held], _TERMS))


class MappedPassages:
    """Passages of a mapped file; each is made when it is asked for."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._batches = batches
        self._starts = np.cumsum([0, *(batch.num_rows for batch in batches)])

    def __getitem__(self, row: int) -> Passage:
        batch = int(np.searchsorted(self._starts, row, side="right")) - 1
        [found] = self._batches[batch].slice(row - int(self._starts[batch]), 1).to_pylist()
        return passage_of(found["passage_id"], found)


def open_exact_index(built: Path, rows: int, dimension: int, config: Bm25) -> ExactIndex:
    """Map what `ExactWriter` wrote.

    Raises:
        IndexUnusable: it is missing, damaged, or not of so many rows.
    """
    folder = built / FOLDER
    if not folder.is_dir():
        raise IndexUnusable(f"{built}: made before searches ran in this process", next_step=AGAIN)
    try:
        batches = _batches(folder / "passages.arrow", _PASSAGES)
        [terms] = _batches(folder / "terms.arrow", _TERMS)
        dense = np.load(folder / "dense.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, pa.ArrowException) as error:
        raise IndexUnusable(f"{folder}: not readable ({error})", next_step=AGAIN) from error
    table = pa.Table.from_batches(batches, _PASSAGES)
    postings = _postings(terms)
    if table.num_rows != rows or dense.shape != (rows, dimension) or dense.dtype != np.float32:
        raise IndexUnusable(f"{built}: {table.num_rows} passages stored, {rows} expected", next_step=AGAIN)
    if not _whole(postings, rows):
        raise IndexUnusable(f"{folder / 'terms.arrow'}: of other passages", next_step=AGAIN)
    return ExactIndex(
        passages=MappedPassages(batches),
        policies=Labels(table["policy_id"]),
        documents=Labels(table["doc_id"]),
        dense=dense,
        postings=postings,
        lengths=table["terms"].to_numpy().astype(np.int64),
        config=config,
    )


def _batches(path: Path, schema: pa.Schema) -> list[pa.RecordBatch]:
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        if file.schema != schema:
            raise pa.ArrowInvalid(f"{path.name} has other columns")
        return [file.get_batch(n) for n in range(file.num_record_batches)]


def _postings(terms: pa.RecordBatch) -> Postings:
    rows, counts = terms["rows"], terms["counts"]
    values: list[Any] = [terms["term"], rows.offsets, rows.values, counts.values]
    return Postings(*(value.to_numpy(zero_copy_only=True) for value in values))


def _whole(postings: Postings, rows: int) -> bool:
    """Whether no posting points outside of the index."""
    held = len(postings.rows)
    fits = len(postings.counts) == held and len(postings.starts) == len(postings.terms) + 1
    return fits and int(postings.starts[-1]) == held and (not held or int(postings.rows.max()) < rows)
