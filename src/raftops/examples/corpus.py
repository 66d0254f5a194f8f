"""The documents of a spec as a run would have them, in memory: texts, passages, evidence units, and a search over them.

What was parsed or embedded by a run before is taken from its cache. Needs no index; writes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.answer.evidence import units_of
from raftops.data.listing import list_documents
from raftops.data.records import Document, Hit, Passage, Unit
from raftops.errors import StepError
from raftops.files import names_on_the_way, sha256_file
from raftops.models import LocalModel, resolve
from raftops.parsing.parse import media_type_of
from raftops.parsing.passages import Cutter
from raftops.retrieval.embedder import OnnxEmbedder, open_embedder
from raftops.retrieval.encoder import onnx_form
from raftops.retrieval.memo import Remembering, VectorCache
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.protocols import Vectors
from raftops.spec.access_file import load_access
from raftops.spec.load import LoadedSpec
from raftops.spec.model.assistant import Spec


@dataclass(frozen=True)
class Corpus:
    """Every document that could be parsed. As a library it is searched like an index."""

    spec: Spec
    access: AccessPolicies
    passages: Sequence[Passage]
    texts: dict[str, str]
    """Parsed texts by document id."""
    unread: dict[str, str]
    """Why a document has no text, by id."""
    model: LocalModel
    cache: Path

    @cached_property
    def units(self) -> list[Unit]:
        """Every evidence unit, in the order of documents."""
        return [unit for passage in self.passages for unit in units_of(passage)]

    def by_document(self, doc_id: str) -> list[Unit]:
        """The units of a document."""
        return self._units_by_document.get(doc_id, [])

    @cached_property
    def _units_by_document(self) -> dict[str, list[Unit]]:
        found: dict[str, list[Unit]] = {}
        for unit in self.units:
            found.setdefault(unit.doc_id, []).append(unit)
        return found

    @property
    def everything(self) -> frozenset[str]:
        """All policies: for what is measured about the documents, never for an answer to somebody."""
        return frozenset(passage.policy_id for passage in self.passages)

    @cached_property
    def encoder(self) -> OnnxEmbedder:
        """The encoder itself."""
        return open_embedder(onnx_form(self.model, self.cache), self.spec.index.engine)

    @cached_property
    def embedder(self) -> Remembering:
        """The encoder of the index."""
        return Remembering(self.encoder, limit=20_000)

    def tokens(self, text: str) -> int:
        """Length of a text, in tokens of the embedder."""
        return self.encoder.tokens(text)

    def document_text(self, doc_id: str, version: str) -> str | None:
        """The parsed text."""
        return self.texts.get(doc_id)

    @cached_property
    def retriever(self) -> MemoryRetriever:
        """The hybrid search of the index, over memory; vectors of passages are kept between runs."""
        shelf = self.cache / "vectors" / f"{self.encoder.name}.drafts.db"
        with closing(VectorCache(shelf, self.encoder)) as vectors:
            return MemoryRetriever(
                self.passages, _Kept(self.embedder, vectors), self.spec.prompt.dense_share, self.spec.index.bm25
            )

    def search(self, question: str, policies: frozenset[str], top_k: int) -> list[Hit]:
        """Best first, of passages with one of these policies."""
        return self.retriever.search(question, policies, top_k)


class _Kept:
    """An encoder whose first texts, those of the passages, are looked up in a file; later ones are questions."""

    def __init__(self, embedder: Remembering, vectors: VectorCache) -> None:
        self._embedder, self._first = embedder, vectors
        self._begun = False

    @property
    def name(self) -> str:
        """As the encoder."""
        return self._embedder.name

    def tokens(self, text: str) -> int:
        """As the encoder."""
        return self._embedder.tokens(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the encoder."""
        first, self._begun = not self._begun, True
        return self._first.embed(texts) if first else self._embedder.embed(texts)


def open_corpus(loaded: LoadedSpec) -> Corpus:
    """Parse and cut the documents of a spec, those without a policy left out; one that cannot be read is named."""
    spec, root = loaded.assistant.spec, loaded.root
    cache = root / spec.platform.store / "cache"
    access = load_access(root / spec.data.access)
    model = resolve(spec.models.embedder, cache, root)
    cutter = Cutter(model.path, model.digest, spec.ingest.chunk_tokens, cache / "parsed")
    passages: list[Passage] = []
    texts, unread = dict[str, str](), dict[str, str]()
    for doc_id, path in list_documents(spec.data.documents, root):
        names = names_on_the_way(root / spec.data.documents.path, path)
        media_type, policy = media_type_of(path), access.strictest(access.policy_of(name) for name in names)
        if media_type is None or policy is None:
            unread[doc_id] = "files of this type cannot be parsed" if policy else "no rule gives it a policy"
            continue
        document = Document(doc_id, sha256_file(path), media_type, policy, doc_id, str(path), path.stat().st_size)
        try:
            cut = cutter.cut(document)
        except StepError as error:
            unread[doc_id] = str(error)
            continue
        texts[doc_id] = cut.text
        passages += cutter.passages(document, cut)
    return Corpus(spec, access, passages, texts, unread, model, cache)
