"""The vectors of an index's evidence units, beside the index: a question costs its own embedding and no other.

One Arrow file, mapped into memory: hashes of the texts, and their vectors. Without it an index answers the same, later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raftops.errors import IndexUnusable
from raftops.files import atomic
from raftops.retrieval.memo import text_key
from raftops.retrieval.protocols import Embedder, Vectors

FILE = "units.arrow"
KEY_BYTES = 32
MOST_PASSAGES = 20_000
"""Above it no vectors are kept: about 8 KiB a passage, and as much work as embedding the passages themselves."""


class Stored:
    """An `Embedder` that computes only what its file does not hold."""

    def __init__(self, embedder: Embedder, path: Path) -> None:
        """Map the file; without one all is computed.

        Raises:
            IndexUnusable: it is damaged.
        """
        self._embedder = embedder
        self._known = _read(path) if path.is_file() else {}

    @property
    def name(self) -> str:
        """The name of the embedder inside."""
        return self._embedder.name

    def tokens(self, text: str) -> int:
        """As the embedder inside."""
        return self._embedder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the embedder inside."""
        keys = [text_key(t) for t in texts]
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        made = self._embedder.embed(list(missing.values()))
        if len(missing) == len(texts):
            return made
        found = dict(zip(missing, made, strict=True))
        return np.stack([found[k] if k in found else self._known[k] for k in keys])


def store_vectors(
    path: Path, dimension: int, batches: Iterable[Sequence[str]], embed: Callable[[list[str]], Vectors]
) -> int:
    """Write the vectors of all texts, each once; returns how many there are."""
    written: set[bytes] = set()
    schema = pa.schema({"key": pa.binary(KEY_BYTES), "vector": pa.list_(pa.float32(), dimension)})
    with atomic(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            new = {k: t for t in batch if (k := text_key(t)) not in written}
            if new:
                flat = pa.array(embed(list(new.values())).ravel(), pa.float32())
                rows = pa.FixedSizeListArray.from_arrays(flat, dimension)
                writer.write_batch(pa.record_batch([pa.array(list(new), schema.field("key").type), rows], schema))
                written |= new.keys()
    return len(written)


def _read(path: Path) -> dict[bytes, Vectors]:
    try:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            batches = [file.get_batch(n) for n in range(file.num_record_batches)]
            return {
                key: row
                for batch in batches
                for key, row in zip(batch["key"].to_pylist(), _matrix(batch["vector"]), strict=True)
            }
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise IndexUnusable(f"{path}: not readable ({error})", next_step="run the index step again") from error


def _matrix(column: pa.FixedSizeListArray) -> Vectors:
    flat: Vectors = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)
