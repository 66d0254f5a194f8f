"""What chooses the evidence, from choices to the folder `evidence/` of the adapters: re-ranker, judgement, account.

The user's own examples correct the general ones: those beside the adapters of `train.init_from`, or the ones that come
with this package (`general/README.md` is their model card). What is kept is what does better on the dev split; where
there are too few examples the general ones are kept. Without both, the thresholds of the spec decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.answer.judgement import FILE as JUDGEMENT
from raftops.answer.judgement import Judgement, judgement_in
from raftops.files import read_json, read_jsonl, write_json
from raftops.models import LocalModel, resolve
from raftops.progress import progress
from raftops.raftdata.choices import FILE as CHOICES
from raftops.release.parts import EVIDENCE, EVIDENCE_ACCOUNT, RERANKER
from raftops.retrieval.bert import is_bert
from raftops.retrieval.reranker import open_reranker, write_served
from raftops.training.judgement import LEAST_EXAMPLES, Asked, Rank, asked, fit, gain, measure, today
from raftops.training.reranker import ranked_by, train_reranker

GENERAL = Path(__file__).parent / "general"
"""The re-ranker and the judgement that come with the package, made once by us."""
GENERAL_DIGEST = "d027e145829f755295f55e1ea9372bb390bcf2d679769da2041eb70e82e881a7"
"""Of its files: a part of this module, so that results made with other ones have other keys."""
Metrics = dict[str, float]
Row = dict[str, Any]


@dataclass(frozen=True)
class Choosing:
    """What is learned from, and where."""

    conversations: Path
    """Holds `choices.jsonl`, and in `augment.json` how much of them a prompt shows."""
    start: Path | None
    """Folder of adapters to continue from."""
    embedder: str
    """The encoder that a re-ranker stands on, as the spec names it."""
    cache: Path
    seed: int
    threads: int


@dataclass(frozen=True)
class Tried:
    """A judgement that was tried, and what it does on the dev split."""

    name: str
    judgement: Judgement
    dev: Sequence[tuple[Asked, float]]

    @property
    def gained(self) -> float:
        """Right less wrong."""
        return gain(self.dev, self.judgement.threshold)

    def as_row(self) -> Row:
        """For the account."""
        threshold = self.judgement.threshold
        figures = measure(self.dev, threshold)
        return {"name": self.name, "threshold": threshold, "right_less_wrong": round(self.gained, 4), "dev": figures}


def train_evidence(work: Choosing, adapters: Path) -> Metrics:
    """Train, choose and write; nothing where no encoder is named: then the adapters alone are wanted."""
    if not work.embedder:
        return {}
    folder, before = adapters / EVIDENCE, _general(work.start)
    there = (work.conversations / CHOICES).is_file()
    rows = [row for _, row in read_jsonl(work.conversations / CHOICES)] if there else []
    shown = read_json(work.conversations / "augment.json")["shown"] if rows else {}
    encoder = resolve(work.embedder, work.cache)
    account = {"reranker": _rerank(work, rows, encoder, before, folder)}
    candidates = int(shown.get("candidates", 1))

    def ranking(of: Path) -> Rank:
        there = (of / RERANKER).is_dir() and is_bert(read_json(encoder.path / "config.json"))
        return ranked_by(open_reranker(of / RERANKER, encoder, work.cache), candidates) if there else today

    # What a re-ranker was trained on it ranks too well: the general one, or none, orders the rows that are fitted on.
    own = account["reranker"]["kept"] == "own"
    fitted = ranking(before if own else folder) if rows else today
    known = {"train": fitted, "dev": ranking(folder) if rows else today}
    questions = [q for split, rank in known.items() for q in _asked(rows, split, shown, rank)]
    kept, judged = _judge(questions, judgement_in(before))
    account["judgement"] = judged
    if kept:
        write_json(folder / JUDGEMENT, kept.judgement.as_json())
    if (folder / RERANKER).is_dir():
        write_served(folder / RERANKER, encoder, work.cache)
    if kept or (folder / RERANKER).is_dir():
        write_json(folder / EVIDENCE_ACCOUNT, account)
    figures = measure(kept.dev, kept.judgement.threshold) if kept else {}
    return {f"judgement_{name}": value for name, value in figures.items() if name.endswith(("refusal", "declined"))}


def _general(start: Path | None) -> Path:
    """What is corrected: the evidence folder beside the adapters to continue from, or that of the package."""
    return start / EVIDENCE if start and (start / EVIDENCE).is_dir() else GENERAL


def _rerank(work: Choosing, rows: Sequence[Row], encoder: LocalModel, before: Path, folder: Path) -> Row:
    """Train or keep a re-ranker; what was tried, kept and why."""
    if not is_bert(read_json(encoder.path / "config.json")):
        return {"kept": "none", "why": "a re-ranker stands on an encoder of the BERT family, and this is none"}
    begun = before / RERANKER if (before / RERANKER).is_dir() else None

    def on_step(step: int, steps: int, loss: float) -> None:
        progress("train", step, steps, f"re-ranker loss {loss:.3f}")

    places = encoder, work.cache, folder / RERANKER
    return train_reranker(rows, begun, *places, seed=work.seed, threads=work.threads, on_step=on_step)


def _asked(rows: Sequence[Row], split: str, shown: Row, rank: Rank) -> list[Asked]:
    found = [row for row in rows if row["split"] == split]
    return asked(found, shown["units"], shown["evidence_tokens"], rank) if found else []


def _judge(questions: Sequence[Asked], general: Judgement | None) -> tuple[Tried | None, Row]:
    """The judgement that is kept, if there is one, and what was tried and why."""
    dev = [q for q in questions if q.split == "dev"]
    judgements = {"general": general} if general else {}
    examples = sum(q.answerable for q in questions if q.split == "train")
    if examples >= LEAST_EXAMPLES:
        judgements["own"] = fit(questions)
    tried = [Tried(n, j, [(q, j.of(q.question, q.shown)) for q in dev]) for n, j in judgements.items()]
    kept = max(tried, key=lambda one: (one.gained, one.name == "own"), default=None)
    if examples < LEAST_EXAMPLES:
        why = f"{examples} answerable training examples are fewer than {LEAST_EXAMPLES}"
    elif len(tried) == 1:
        why = "there is no general one to compare with"
    else:
        gains = ", ".join(f"{one.name} {one.gained:.3f}" for one in tried)
        why = f"right less wrong on {len(dev)} questions of dev: {gains}"
    rows = [one.as_row() for one in tried]
    return kept, {"kept": kept.name if kept else "none", "why": why, "examples": examples, "tried": rows}
