"""How much of what was trained in is no longer what the documents say: a changed document does not retrain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raftops.files import read_jsonl
from raftops.raftdata.golden import Source


def staleness(adapters: Path, sources: Mapping[str, Source]) -> dict[str, Any] | None:
    """Training rows whose source document changed or is gone; None where the adapters do not say what they saw."""
    path = adapters / "sources.jsonl"
    if not path.is_file():
        return None
    current = {(source.doc_id, source.version) for source in sources.values()}
    rows = [[(s["doc_id"], s["version"]) for s in row["sources"]] for _, row in read_jsonl(path)]
    changed = [row for row in rows if any(seen not in current for seen in row)]
    documents = sorted({doc_id for row in changed for doc_id, version in row if (doc_id, version) not in current})
    return {"rows": len(rows), "stale_rows": len(changed), "documents": documents}
