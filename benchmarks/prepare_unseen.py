"""Two projects as a new user makes them, on documents that nobody here wrote, and the questions to ask of them.

    python -m benchmarks.prepare_unseen [18f] [policyqa] [--data ../shared/data]
    raftops run build/unseen/18f/raftops.yaml
    python -m benchmarks.answers 18f

A project is what `raftops init` writes; only its documents, access file, examples, description and smoke question are
replaced. Its ten examples are drawn by a rule from headings (18F) or kept back from the questions (PolicyQA). What is
asked lies in `questions.jsonl`, beside the spec and outside of the data. 18F (CC0): all question headings whose section
says something; many are rhetorical ("What does this mean in practice?"), and a section may be long: each of its first
eight statements is accepted. PolicyQA (MIT): the sites of its dev set that `is_held_out` takes, and 100 questions;
accepted are its own spans and the sentence around each span that was marked for the same kind of question on that site.
Unanswerable ones by a rule: what is asked about a site that is not there (near misses), or about the other corpus; for
18F also near misses that we wrote (near_misses_18f.txt).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.policyqa import is_held_out
from raftops.answer.support import terms
from raftops.errors import StepError
from raftops.files import read_jsonl, write_jsonl, write_text
from raftops.parsing.parse import parse_document
from raftops.parsing.sentences import sentences
from raftops.spec.template import write_project
from raftops.validation.splits import normalised

OUT = Path("build/unseen")
ACCESS = """groups:
  staff: Everyone
policies:
  open: {groups: [staff]}
documents:
  - {match: "**", policy: open}
"""
EXAMPLES, ASKED, FOREIGN, SEED = 10, 100, 36, 7
WORDS_MIN = 4
STRANGE = 2
"""Words of a foreign question that no document has."""
STATEMENTS_MAX = 8
LEFT_OUT = {"LICENSE.md", "SECURITY.md", "CONTRIBUTING.md", "README.md"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Corpus:
    """What a project is made of."""

    title: str
    documents: dict[str, str]
    """Text by path below the documents folder."""
    examples: list[Row]
    questions: list[Row]


def main() -> None:
    """Write the projects and print what they hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["18f", "policyqa"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    chosen = parser.parse_args()
    handbook, policies = chosen.data / "handbooks/18f-handbook", chosen.data / "qa/policyqa/data/dev.json"
    if not (handbook.is_dir() and policies.is_file()):
        print(json.dumps({"benchmark": "unseen", "figure": "skipped", "value": f"no {handbook} or {policies}"}))
        return
    sites = json.loads(policies.read_text(encoding="utf-8"))["data"]
    for name in chosen.names:
        corpus = policy_corpus(sites, handbook) if name == "policyqa" else handbook_corpus(handbook, sites)
        write(OUT / name, f"unseen-{name}", corpus)
        kinds = [("unanswerable" if q.get("unanswerable") else "answerable") for q in corpus.questions]
        near = sum(bool(q.get("near_miss")) for q in corpus.questions)
        counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))} | {"near_miss": near}
        print(json.dumps({"benchmark": "unseen", "figure": name, "documents": len(corpus.documents), **counts}))


def write(folder: Path, name: str, corpus: Corpus) -> None:
    """A project as `raftops init` writes it, with these documents and examples. What a run made there stays."""
    for old in ("data", "raftops.yaml", "README.md", "schema"):
        path = folder / old
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    write_project(folder, name)
    shutil.rmtree(folder / "data/documents")
    for doc_id, text in corpus.documents.items():
        write_text(folder / "data/documents" / doc_id, text)
    write_text(folder / "data/access.yaml", ACCESS)
    write_jsonl(folder / "data/examples/examples.jsonl", corpus.examples)
    write_jsonl(folder / "questions.jsonl", corpus.questions)
    text = (folder / "raftops.yaml").read_text(encoding="utf-8")
    smoke = yaml.safe_load(text)["spec"]["deploy"]["smoke_questions"][0]
    question = json.dumps(corpus.examples[0]["question"], ensure_ascii=False)
    for old, new in ((smoke, question), ("the Fernhill Books staff guide", corpus.title)):
        if old not in text:
            raise SystemExit(f"`raftops init` no longer writes {old!r}")
        text = text.replace(old, new)
    write_text(folder / "raftops.yaml", text)


def handbook_corpus(folder: Path, sites: Sequence[Row]) -> Corpus:
    """The 18F handbook: its question headings are asked, ten of its other headings become examples."""
    paths = sorted(p for p in folder.rglob("*.md") if p.name not in LEFT_OUT)
    documents = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in paths}
    questions = [row for _, row in read_jsonl(folder / "question_headings.jsonl")]
    asked = list(_headings_asked(folder, questions))
    sections = [(doc_id, *section) for doc_id in documents for section in _sections(folder / doc_id)]
    plain = [s for s in sections if not s[1].endswith("?") and WORDS_MIN <= len(s[1].split()) <= 9]
    examples = [
        _answerable(f"example-{n}", f"What does the handbook say about “{heading}”?", said[:1], doc_id)
        for n, (doc_id, heading, said) in enumerate(random.Random(SEED).sample(plain, EXAMPLES))
    ]
    near = Path(__file__).with_name("near_misses_18f.txt").read_text(encoding="utf-8").splitlines()
    missing = [_missing(f"near-{n}", question, near=True) for n, question in enumerate(near)]
    foreign = [f"{qa['question']} ({site})" for site, _, qa in _policy_questions(sites, held_out=True)]
    absent = [_missing(f"absent-{n}", q) for n, q in enumerate(random.Random(SEED).sample(foreign, FOREIGN))]
    return Corpus("the 18F handbook", documents, examples, _distinct([*asked, *missing, *absent]))


def _headings_asked(folder: Path, questions: Iterable[Row]) -> Iterator[Row]:
    """Every question heading with what its section says: the first statement is the answer, the others are accepted."""
    for row in questions:
        path, question = folder.parents[1] / row["gold_doc"], str(row["question"]).replace("\\", "")
        said = next((said for heading, said in _sections(path) if terms(heading) == terms(question)), ())
        if said:
            yield _answerable(row["id"], question, said, path.relative_to(folder).as_posix())


def _sections(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each heading with the sentences, items and rows below it, up to the next; those without one are left out."""
    try:
        parsed = parse_document(path, "text/markdown")
    except StepError:  # a page with no text of its own
        return
    heading, said = "", list[str]()
    for block in parsed.blocks:
        text = parsed.text[block.start : block.end]
        if block.kind != "heading":
            spans = sentences(text, 0, len(text))
            said += [text[a:b].strip() for a, b in spans if len(text[a:b].split()) >= WORDS_MIN]
            continue
        if heading and said:
            yield heading, said[:STATEMENTS_MAX]
        heading, said = text.strip(), []
    if heading and said:
        yield heading, said[:STATEMENTS_MAX]


def policy_corpus(sites: Sequence[Row], handbook: Path) -> Corpus:
    """The privacy policies of the public half of the sites, a document each; a question names its site."""
    held = {site["title"]: site for site in sites if is_held_out(site["title"])}
    documents = {
        f"{name}.txt": "\n\n".join([f"{name} privacy policy", *(p["context"] for p in site["paragraphs"])])
        for name, site in held.items()
    }
    drawn = list(_policy_questions(sites, held_out=True))
    random.Random(SEED).shuffle(drawn)
    rows = _distinct(
        _answerable(qa["id"], f"{qa['question']} ({site})", said, f"{site}.txt") for site, said, qa in drawn if said
    )
    others = [f"{qa['question']} ({site})" for site, _, qa in _policy_questions(sites, held_out=False)]
    near = [_missing(f"near-{n}", q, near=True) for n, q in enumerate(random.Random(SEED).sample(others, FOREIGN))]
    known = terms(" ".join(documents.values()))
    headings = [str(row["question"]).replace("\\", "") for _, row in read_jsonl(handbook / "question_headings.jsonl")]
    strange = [heading for heading in headings if len(terms(heading) - known) >= STRANGE]
    absent = [_missing(f"absent-{n}", q) for n, q in enumerate(random.Random(SEED).sample(strange, FOREIGN))]
    questions = [*rows[:ASKED], *near, *absent]
    return Corpus("privacy policies of six websites", documents, rows[ASKED : ASKED + EXAMPLES], _distinct(questions))


def _policy_questions(sites: Sequence[Row], held_out: bool) -> Iterator[tuple[str, list[str], Row]]:
    """(site, what answers it there, question): the sentence around each span that was marked for the same question or
    kind of question on that site, its own first, and its own spans themselves."""
    for site in sites:
        if is_held_out(site["title"]) != held_out:
            continue
        asked = [(qa, p["context"]) for p in site["paragraphs"] for qa in p["qas"]]
        for qa, context in asked:
            alike = [(o, c) for o, c in asked if o["question"] == qa["question"] or o["type"] == qa["type"]]
            around = [_sentence(c, a["answer_start"]) for o, c in [(qa, context), *alike] for a in o["answers"]]
            said = dict.fromkeys([*around, *(a["text"].strip() for a in qa["answers"])])
            yield site["title"], [text for text in said if len(text.split()) >= WORDS_MIN], qa


def _sentence(text: str, place: int) -> str:
    """The sentence that stands at a place."""
    return next((text[a:b].strip() for a, b in sentences(text, 0, len(text)) if a <= place < b), "")


def _answerable(key: str, question: str, said: Sequence[str], doc_id: str) -> Row:
    row: Row = {"id": key, "kind": "knowledge", "question": question, "answer": said[0]}
    if len(said) > 1:
        row |= {"accepted": list(said[1:])}
    return row | {"evidence": [{"doc_id": doc_id, "quote": said[0]}]}


def _missing(key: str, question: str, near: bool = False) -> Row:
    return {"id": key, "kind": "knowledge", "question": question, "unanswerable": True, "near_miss": near}


def _distinct(rows: Iterable[Row]) -> list[Row]:
    """Each question once, whatever its case and punctuation."""
    return list({normalised(row["question"]): row for row in reversed(list(rows))}.values())[::-1]


if __name__ == "__main__":
    main()
