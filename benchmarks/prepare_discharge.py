"""Make the inputs of specs/discharge.yaml from MTS-Dialog (CC BY 4.0): dialogues between doctor and patient, and notes.

    python benchmarks/prepare_discharge.py ../shared/data/behaviour/mts-dialog
    raftops run specs/discharge.yaml

A request is a dialogue and the section of the note that is wanted; the reply is the section under its heading, as the
data set's clinicians wrote it. Sections that are short in the data are taken. The document is the list of sections of
the data set's README, with a question about what each name means. Prints one JSON line.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftops.files import write_jsonl, write_text
from raftops.validation.splits import normalised

OUT = Path("build/discharge")
SOURCE = Path("../shared/data/behaviour/mts-dialog")
TABLES = ("TrainingSet", "ValidationSet")
HEADINGS = {
    "ALLERGY": "Allergies", "MEDICATIONS": "Medications", "PASTSURGICAL": "Past surgical history",
    "PASTMEDICALHX": "Past medical history", "CC": "Chief complaint",
}  # fmt: skip
"""Sections that are asked for, by their name in the data."""
WORDS_MAX = 40
"""Longest section."""
DIALOGUE_MAX = 900
"""Longest dialogue, in characters."""
ACCESS = """groups:
  clinicians: Everyone who writes notes
policies:
  open: {groups: [clinicians]}
documents:
  - {match: "**", policy: open}
"""
_LISTED = re.compile(r"^\s*\d+\.\s*(?P<name>[\w/]+)\s*\[(?P<meaning>[^\]]+)\]", re.MULTILINE)


def requests(source: Path) -> Iterator[dict[str, Any]]:
    """One behaviour example for each dialogue whose section is short."""
    for table in TABLES:
        with (source / "Main-Dataset" / f"MTS-Dialog-{table}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                heading, text = HEADINGS.get(row["section_header"]), " ".join(row["section_text"].split())
                dialogue = "\n".join(" ".join(line.split()) for line in row["dialogue"].splitlines() if line.strip())
                if heading and text and len(text.split()) <= WORDS_MAX and len(dialogue) <= DIALOGUE_MAX:
                    request = f"Write the section {heading} of the discharge note from this dialogue:\n{dialogue}"
                    yield {
                        "id": f"{table.lower()}-{row['ID']}", "kind": "behaviour",
                        "messages": [{"role": "user", "content": request}], "answer": f"{heading}: {text}",
                        "checks": {
                            "sections": [heading], "max_words": WORDS_MAX + len(heading.split()),
                            "not_contains": ["Doctor:", "Patient:"],
                        },
                    }  # fmt: skip


def questions(meanings: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One knowledge example for each section's name."""
    for name, meaning in meanings.items():
        yield {
            "id": f"section-{name.lower().replace('/', '-')}", "kind": "knowledge",
            "question": f"What does the section {name} of a note hold?", "answer": meaning,
            "evidence": [{"doc_id": _file(name), "quote": _sentence(name, meaning)}],
        }  # fmt: skip


def _file(name: str) -> str:
    return f"{name.lower().replace('/', '-')}.md"


def _sentence(name: str, meaning: str) -> str:
    return f"The section {name} of a note holds: {meaning}."


def main(source: Path) -> None:
    """Write documents, access file and examples below build/discharge."""
    if not source.is_dir():
        sys.exit(f"{source}: not there; MTS-Dialog is read where it lies (github.com/abachaa/MTS-Dialog, CC BY 4.0)")
    readme = (source / "README.md").read_text(encoding="utf-8")
    meanings = {m["name"].upper(): m["meaning"].strip().lower() for m in _LISTED.finditer(readme)}
    for name, meaning in meanings.items():
        write_text(OUT / "documents" / _file(name), f"# {name}\n\n{_sentence(name, meaning)}\n")
    write_text(OUT / "access.yaml", ACCESS)
    # A dialogue may stand twice: the first of them is kept.
    once = {normalised(row["messages"][0]["content"]): row for row in reversed(list(requests(source)))}
    asked, told = [*reversed(once.values())], list(questions(meanings))
    write_jsonl(OUT / "examples.jsonl", [*told, *asked])
    print(json.dumps({"figure": "discharge.examples", "value": len(asked), "sections": len(told)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
