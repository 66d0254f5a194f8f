"""Make the inputs of specs/18f.yaml from the 18F handbook (CC0), read where it lies: examples with evidence, access.

    python benchmarks/prepare_18f.py ../shared/data/handbooks/18f-handbook

A question is a heading of the handbook that ends in "?"; its evidence is the first sentence or item below that heading.
Prints one JSON line. Copies no document: the spec reads them in place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftops.answer.support import terms
from raftops.files import read_jsonl, write_jsonl, write_text
from raftops.parsing.document import Parsed
from raftops.parsing.parse import parse_document
from raftops.parsing.sentences import sentences

OUT = Path("build/18f")
ACCESS = """groups:
  staff: Everyone
policies:
  open: {groups: [staff]}
documents:
  - {match: "**", policy: open}
"""
WORDS_MIN = 4


def examples(folder: Path) -> Iterator[dict[str, Any]]:
    """One knowledge example for each question whose section starts with a sentence or item to quote."""
    for _, row in read_jsonl(folder / "question_headings.jsonl"):
        path = folder.parents[1] / row["gold_doc"]
        question = str(row["question"]).replace("\\", "")
        quote = _first_statement(parse_document(path, "text/markdown"), question)
        if quote:
            doc_id = path.relative_to(folder).as_posix()
            evidence = [{"doc_id": doc_id, "quote": quote}]
            yield {"id": row["id"], "kind": "knowledge", "question": question, "answer": quote, "evidence": evidence}


def _first_statement(parsed: Parsed, question: str) -> str:
    """The first sentence, item or row below the heading that asks; empty where the section has none."""
    below = False
    for block in parsed.blocks:
        text = parsed.text[block.start : block.end]
        if block.kind == "heading":
            if below:
                return ""
            below = terms(text) == terms(question)
        elif below and len(text.split()) >= WORDS_MIN:
            start, end = sentences(text, 0, len(text))[0]
            return text[start:end].strip()
    return ""


def main(folder: Path) -> None:
    """Write build/18f/examples.jsonl and build/18f/access.yaml."""
    count = write_jsonl(OUT / "examples.jsonl", examples(folder))
    write_text(OUT / "access.yaml", ACCESS)
    print(json.dumps({"figure": "18f.examples", "value": count, "folder": str(folder)}))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/handbooks/18f-handbook"))
