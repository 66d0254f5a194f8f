"""One collection in Milvus: in a folder (Milvus Lite, behind a private socket) or on a server, by the same code.

Filters are pushed down and checked again on what comes back. A collection in a folder is written by the index step and
not searched by us: `exact.py` does that, faster and by the statistics of what the caller may read.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grpc
from pymilvus import DataType, MilvusClient, MilvusException

from raftops.data.records import Passage
from raftops.errors import IndexUnusable
from raftops.retrieval import claims
from raftops.retrieval.bm25 import Bm25Encoder, Sparse
from raftops.retrieval.lite import Lite
from raftops.retrieval.protocols import Vectors
from raftops.retrieval.rows import FIELDS, TEXT_BYTES, passage_of, row_of
from raftops.retrieval.scope import Scope, policy_key

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what it logs is raised as well
log = logging.getLogger(__name__)

STRONG = "Strong"
HNSW = {"M": 16, "efConstruction": 200}
SEARCHED = 256
"""Candidates that an HNSW search keeps (`ef`), or the limit where that is more."""
DenseType = Literal["flat", "hnsw"]


@contextmanager
def milvus_errors(what: str) -> Iterator[None]:
    """Every way that Milvus fails, as `IndexUnusable`."""
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        reason = getattr(error, "message", "") or str(error)
        step = "check that the server is up and its token is set, and that no other process writes the folder"
        raise IndexUnusable(f"{what}: {reason}", next_step=step) from error


class MilvusConnection:
    """A client. For a folder it also owns Lite's in-process server, and the folder is its own until it is closed."""

    def __init__(self, uri: str, token: str = "") -> None:
        self.uri = uri
        self._lite = Lite(Path(uri).resolve()) if "://" not in uri else None
        with milvus_errors(f"{uri}: cannot be opened"):
            self.client = MilvusClient(self._lite.uri if self._lite else uri, token=token)

    def collections(self) -> list[str]:
        """Names of all collections."""
        with milvus_errors(self.uri):
            return list(self.client.list_collections())

    def alias_target(self, alias: str) -> str | None:
        """The collection behind an alias."""
        with milvus_errors(f"{self.uri}: alias {alias}"):
            known = [a for c in self.client.list_collections() for a in self.client.list_aliases(c).get("aliases", [])]
            return str(self.client.describe_alias(alias)["collection_name"]) if alias in known else None

    def point(self, alias: str, collection: str) -> str | None:
        """Point the alias at a collection; returns where it pointed before."""
        previous = self.alias_target(alias)
        with milvus_errors(f"{self.uri}: alias {alias}"):
            if previous is None:
                self.client.create_alias(collection, alias)
            elif previous != collection:
                self.client.alter_alias(collection, alias)
        return previous

    def claim(self, collection: str, now: float | None = None) -> None:
        """Say on a server that a run uses this collection now, so that no other run drops it."""
        if not self._lite:
            with milvus_errors(f"{self.uri}: {collection}"):
                claims.claim(self.client, collection, now=now)

    def drop_unused(
        self, alias: str, kept: Mapping[str, Collection[str]], gone: Collection[str], older_than_seconds: float,
        now: float | None = None,
    ) -> list[str]:  # fmt: skip
        """Drop collections made for this alias that nobody needs; returns their names.

        Args:
            alias: the assistant's name.
            kept: releases that are kept here, by collection; an empty one is used all the same.
            gone: releases that were kept here and are no more.
            older_than_seconds: what a run used less long ago stays, for it may be another run's.
            now: seconds since 1970; the clock's if absent.
        """
        ours = re.compile(rf"{re.escape(alias)}_[0-9a-f]{{12}}")
        dropped = []
        with milvus_errors(f"{self.uri}: old collections of {alias}"):
            names = sorted(filter(ours.fullmatch, self.client.list_collections()))
            noted = [claims.claim(self.client, name, kept[name], now) for name in names if kept.get(name)]
            noted += [claims.give_up(self.client, name, gone) for name in names]
            for name in names if all(noted) else ():
                if name not in kept and claims.is_free(self.client, name, older_than_seconds, now):
                    self.client.drop_collection(name)
                    dropped.append(name)
        return dropped

    def close(self) -> None:
        """Close the client and, for a folder, the server behind it."""
        self.client.close()
        if self._lite:
            self._lite.close()


@dataclass(frozen=True)
class PassageCollection:
    """Passages with a dense and a sparse vector each."""

    connection: MilvusConnection
    name: str

    def is_there(self) -> bool:
        """Whether the server has it."""
        return self.name in self.connection.collections()

    def fits(self) -> bool:
        """Whether it has the fields that we write."""
        with milvus_errors(f"{self.connection.uri}: {self.name}"):
            fields = self.connection.client.describe_collection(self.name)["fields"]
        return {str(field["name"]) for field in fields} == {"passage_id", *FIELDS, "policy_key", "dense", "sparse"}

    def create(self, dimension: int, dense: DenseType) -> None:
        """Make it, empty; one of the same name is dropped first."""
        client = self.connection.client
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("passage_id", DataType.VARCHAR, is_primary=True, max_length=256)
        for field in FIELDS:
            if field in ("start", "end", "tokens"):
                schema.add_field(field, DataType.INT64)
            else:
                schema.add_field(field, DataType.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field("policy_key", DataType.VARCHAR, max_length=64)
        schema.add_field("dense", DataType.FLOAT_VECTOR, dim=dimension)
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        indexes = client.prepare_index_params()
        params = HNSW if dense == "hnsw" else {}
        indexes.add_index("dense", index_type=dense.upper(), metric_type="COSINE", params=params)
        indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        indexes.add_index("policy_key", index_type="INVERTED")
        with milvus_errors(f"{self.connection.uri}: collection {self.name} cannot be made"):
            if self.name in client.list_collections():
                client.drop_collection(self.name)
            client.create_collection(self.name, schema=schema, consistency_level=STRONG)
            client.create_index(
                self.name, indexes, sync=False
            )  # it is empty: the client would sleep half a second each
            client.load_collection(self.name)

    def upsert(self, passages: Sequence[Passage], dense: Vectors, sparse: Sequence[Sparse]) -> None:
        """Add or replace passages."""
        rows = [
            {**row_of(p), "policy_key": policy_key(p.policy_id), "dense": vector, "sparse": weights}
            for p, vector, weights in zip(passages, dense, sparse, strict=True)
        ]
        with milvus_errors(f"{self.connection.uri}: rows cannot be written to {self.name}"):
            self.connection.client.upsert(self.name, rows)

    def seal(self) -> int:
        """Flush, and count what is stored."""
        with milvus_errors(f"{self.connection.uri}: {self.name} cannot be flushed"):
            self.connection.client.flush(self.name)
            self.connection.client.load_collection(self.name)
        return self.count()

    def load(self) -> None:
        """Make it searchable."""
        with milvus_errors(f"{self.connection.uri}: collection {self.name} cannot be loaded"):
            self.connection.client.load_collection(self.name)

    def count(self) -> int:
        """Rows stored."""
        with milvus_errors(f"{self.connection.uri}: {self.name} cannot be counted"):
            counted = self.connection.client.query(
                self.name, filter="", output_fields=["count(*)"], consistency_level=STRONG
            )
        return int(counted[0]["count(*)"])

    def warm_up(self, vector: Vectors) -> None:
        """One search on each side, not read."""
        with milvus_errors(f"{self.connection.uri}: {self.name} cannot be searched"):
            for field, query in (("dense", vector), ("sparse", {1: 1.0})):
                self.connection.client.search(self.name, data=[query], anns_field=field, limit=1)

    def by_vector(self, vector: Vectors, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Nearest passages by cosine."""
        return self._search("dense", vector, scope, limit)

    def by_terms(self, weights: Sparse, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Best passages by BM25; only those that share a term."""
        return self._search("sparse", weights, scope, limit) if weights else []

    def _search(
        self, field: Literal["dense", "sparse"], query: Any, scope: Scope, limit: int
    ) -> list[tuple[Passage, float]]:
        if not scope:
            return []
        params = {"ef": max(SEARCHED, limit)} if field == "dense" else {}
        with milvus_errors(f"{self.connection.uri}: {self.name} cannot be searched"):
            found = self.connection.client.search(
                self.name,
                data=[query],
                anns_field=field,
                limit=limit,
                filter=scope.expression(),
                output_fields=list(FIELDS),
                search_params={"metric_type": "COSINE" if field == "dense" else "IP", "params": params},
                consistency_level=STRONG,
            )
        hits = [(passage_of(h["passage_id"], h["entity"]), float(h["distance"])) for h in found[0]]
        allowed = [(p, score) for p, score in hits if scope.admits(p.doc_id, p.policy_id)]
        if len(allowed) < len(hits):
            log.error("%s returned %d passages outside the filter; dropped", self.name, len(hits) - len(allowed))
        return [(p, score) for p, score in allowed if field == "dense" or score > 0]


@dataclass(frozen=True)
class ServedIndex:
    """A `Searched` on a Milvus server."""

    collection: PassageCollection
    bm25: Bm25Encoder

    def by_vector(self, vector: Vectors, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Nearest passages by cosine."""
        return self.collection.by_vector(vector, scope, limit)

    def by_terms(self, question: str, scope: Scope, limit: int) -> list[tuple[Passage, float]]:
        """Best passages by BM25: the idf is of what may be read, the mean length in the vectors of all passages."""
        return self.collection.by_terms(self.bm25.query(question, scope), scope, limit)

    def warm_up(self, vector: Vectors) -> None:
        """One search on each side, not read."""
        self.collection.warm_up(vector)

    def close(self) -> None:
        """Close the connection."""
        self.collection.connection.close()


def open_served(about: Mapping[str, Any], bm25: Bm25Encoder, built: Path) -> ServedIndex:
    """Open the collection that an index names, and check that it is whole.

    Raises:
        IndexUnusable: the server is away, or the collection is not what the index says.
    """
    connection = MilvusConnection(about["uri"], os.environ.get(about.get("token_env") or "", ""))
    collection, again = PassageCollection(connection, about["collection"]), "run the index step again"
    try:
        if not collection.is_there():
            raise IndexUnusable(
                f"{built}: collection {about['collection']} is gone from {about['uri']}", next_step=again
            )
        connection.claim(about["collection"])
        collection.load()
        if (rows := collection.count()) != about["rows"]:
            raise IndexUnusable(f"{built}: {rows} passages stored, {about['rows']} expected", next_step=again)
    except IndexUnusable:
        connection.close()
        raise
    return ServedIndex(collection, bm25)
