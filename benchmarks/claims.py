"""Does the asker's country find the asker's country? Questions of the sample without their place, asked from four.

    python -m benchmarks.claims BUILT ACCEPTED [--split train]

BUILT and ACCEPTED are the folders of a finished run of `specs/handbook.yaml` (steps index and validate). Three tables:
questions whose country was taken out, asked from that country; the same with their country, asked from another one; and
questions of the whole company, asked from each. Each row beside the same without the claim: the share whose first
passage is of the right document, whose first unit is, and whose first unit is the one that proves the answer.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path

from raftops.answer.answering import Library, gather
from raftops.answer.asker import NOBODY, Asker, asker_of, assume
from raftops.data.records import Example
from raftops.files import read_json, read_jsonl
from raftops.retrieval.hybrid import open_index
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Identity

PLACES = {
    "Germany": ("Germany", "German", "Leipzig"),
    "Ireland": ("Ireland", "Irish", "Cork"),
    "Canada": ("Canada", "Canadian", "Guelph"),
    "Portugal": ("Portugal", "Portuguese", "Porto"),
}
NAMED = re.compile(
    rf"\s*\b(?:(?:in|for|of|at|from|the)\s+)*(?:{'|'.join(n for names in PLACES.values() for n in names)})\b(?:['’]s)?"
    r"(?:\s+(?:office|site))?"
)
KINDS = Identity().boost_claims


@dataclass(frozen=True)
class Row:
    """A question, who asks it, and what proves its answer."""

    question: str
    asker: Asker
    doc_id: str
    quote: str


def tables(examples: list[Example]) -> dict[str, list[Row]]:
    """Rows by table."""
    askers = {place: asker_of({"country": place}, KINDS) for place in PLACES}
    found: dict[str, list[Row]] = {"own, place taken out": [], "named, asked from elsewhere": [], "whole company": []}
    for number, example in enumerate(examples):
        proof = example.evidence[0]
        home = next((place for place in PLACES if place.lower() in proof.doc_id), None)
        open_ = " ".join(NAMED.sub("", example.question).split())
        if home is None:
            rows = [Row(example.question, asker, proof.doc_id, proof.quote) for asker in askers.values()]
            found["whole company"] += rows
        elif "2024" not in proof.doc_id and open_ != example.question:
            other = sorted(set(PLACES) - {home})[number % 3]
            opened = f"{open_[:1].upper()}{open_[1:]}"
            found["own, place taken out"].append(Row(opened, askers[home], proof.doc_id, proof.quote))
            found["named, asked from elsewhere"].append(Row(example.question, askers[other], proof.doc_id, proof.quote))
    return found


def figures(library: Library, rows: list[Row], policies: frozenset[str], claims: bool) -> dict[str, float]:
    """Shares over the rows, with claims or without."""
    hits, assumed = [], 0
    for row in rows:
        meant = assume(row.question, row.asker if claims else NOBODY, library, policies)
        assumed += bool(meant.values)
        first = library.search(meant.question, policies, 1)[0].passage.doc_id
        unit = next(iter(gather(library, meant.question, policies, Prompt())), None)
        right = unit is not None and unit.doc_id == row.doc_id
        proves = right and unit is not None and (row.quote in unit.text or unit.text in row.quote)
        hits.append((first == row.doc_id, right, proves))
    names = ("document_first", "unit_of_document", "unit_proves")
    shares = {
        name: round(sum(column) / len(rows), 3) for name, column in zip(names, zip(*hits, strict=True), strict=True)
    }
    return {"n": len(rows), "assumed": round(assumed / len(rows), 3), **shares}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("built", type=Path)
    parser.add_argument("accepted", type=Path)
    parser.add_argument("--split", nargs="*", choices=("train", "dev", "test"), default=("train", "dev"))
    chosen = parser.parse_args()
    rows = (Example.model_validate(row) for _, row in read_jsonl(chosen.accepted / "examples.jsonl"))
    examples = [e for e in rows if e.split in chosen.split and e.evidence]
    policies = frozenset(read_json(chosen.accepted / "access.json")["policies"])
    with open_index(chosen.built, Prompt().dense_share) as library:
        for name, table in tables(examples).items():
            for claims in (False, True):
                shown = figures(library, table, policies, claims)
                print(json.dumps({"table": name, "claims": claims, **shown}))


if __name__ == "__main__":
    main()
