"""What a team with questions of its own brings: six sites' privacy policies, and their questions in SQuAD's format.

PolicyQA (MIT; `../shared/data`), the half that nothing which ships was trained on, as `benchmarks.prepare_unseen` makes
its documents and the questions that are asked. The rows to import are among those that are not asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.policyqa import is_held_out
from benchmarks.prepare_unseen import Corpus, policy_corpus
from raftops.validation.splits import normalised
from tests.journeys.stranger import ROOT

SHARED = ROOT.parent / "shared" / "data"
POLICIES = SHARED / "qa/policyqa/data/dev.json"
HANDBOOK = SHARED / "handbooks/18f-handbook"
ROWS = 200


def read_sites() -> list[dict[str, Any]]:
    """PolicyQA's sites as they stand in its file."""
    return list(json.loads(POLICIES.read_text(encoding="utf-8"))["data"])


def policies() -> Corpus:
    """Six documents, and questions that are not imported."""
    return policy_corpus(read_sites(), HANDBOOK)


def squad_rows(corpus: Corpus, most: int = ROWS) -> dict[str, Any]:
    """Questions of the same sites as SQuAD has them, each once, named by its site; none that is asked later.

    An answer's place is the one in its paragraph; nothing says in which file that stands but the article's title.
    """
    asked = {normalised(row["question"]) for row in corpus.questions}
    left, articles = most, []
    for site in (site for site in read_sites() if is_held_out(site["title"])):
        paragraphs = []
        for paragraph in site["paragraphs"]:
            kept = []
            for qa in paragraph["qas"]:
                question = f"{qa['question']} ({site['title']})"
                if left and normalised(question) not in asked:
                    asked.add(normalised(question))
                    kept.append({"id": qa["id"], "question": question, "answers": qa["answers"]})
                    left -= 1
            paragraphs.append({"context": paragraph["context"], "qas": kept})
        articles.append({"title": site["title"], "paragraphs": paragraphs})
    return {"version": "1.1", "data": articles}


def write_policies(folder: Path, corpus: Corpus) -> None:
    """The documents below `data/documents`, and `squad.json` beside the spec."""
    for doc_id, text in corpus.documents.items():
        (folder / "data/documents" / doc_id).write_text(text, encoding="utf-8")
    (folder / "squad.json").write_text(json.dumps(squad_rows(corpus)), encoding="utf-8")
