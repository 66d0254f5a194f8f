"""PolicyQA by site: which half may be trained on, and its questions with every sentence that answers them.

Twenty privacy policies (MIT, https://github.com/wasiahmad/PolicyQA, its dev set); a site is a tenant. The public half
is for evaluation only: nothing that ships, be it re-ranker, judgement or adapter, may have seen a question of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from raftops.data.records import Locator, Passage, Span
from raftops.parsing.sentences import sentences


@dataclass(frozen=True)
class SiteQuestion:
    """A question about one site's policy, and the spans of that policy that were marked for it."""

    id: str
    question: str
    site: str
    proofs: tuple[tuple[str, int, int], ...]
    """(passage id, start, end) of every answer of the same question or kind of question on this site."""
    own: tuple[tuple[str, int, int], ...] = ()
    """Those marked for this very question."""


def is_held_out(site: str) -> bool:
    """Whether a site is of the public half (six of twenty): the SHA-256 of its name begins with an even number."""
    return int(hashlib.sha256(site.encode()).hexdigest()[:8], 16) % 2 == 0


def read_policyqa(path: Path) -> tuple[list[Passage], list[SiteQuestion]]:
    """Every passage with its sentences as spans, and every question; a site's name is the policy of its passages."""
    pool, asked = [], []
    for site in json.loads(path.read_text(encoding="utf-8"))["data"]:
        name = site["title"]
        marked: dict[str, set[tuple[str, int, int]]] = {}
        found = []
        for number, paragraph in enumerate(site["paragraphs"]):
            key = f"{name}-{number}"
            pool.append(_passage(key, name, paragraph["context"]))
            for qa in paragraph["qas"]:
                own = {(key, a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"]}
                found.append((qa, own))
                for kind in (qa["question"], qa["type"]):
                    marked.setdefault(kind, set()).update(own)
        for qa, own in found:
            proofs = sorted(marked[qa["question"]] | marked[qa["type"]])
            asked.append(SiteQuestion(qa["id"], qa["question"], name, tuple(proofs), tuple(sorted(own))))
    return pool, asked


def _passage(key: str, site: str, text: str) -> Passage:
    spans = tuple(Span(a, b, Locator()) for a, b in sentences(text, 0, len(text)))
    title = f"{site} privacy policy"
    return Passage(key, key, "1", title, text, 0, len(text), Locator(), site, "", len(text.split()), spans)
