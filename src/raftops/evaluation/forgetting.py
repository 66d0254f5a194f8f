"""The forgetting probe: does a tuned model still know what the base knew? Short general questions, written by us.

A small set: it shows a collapse, not a decline of a few per cent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from raftops.data.records import Message
from raftops.evaluation.generations import Remembered
from raftops.evaluation.metrics import normalised

TOKENS = 32


@dataclass(frozen=True)
class Probe:
    """A general question and what counts as its answer."""

    id: str
    kind: str
    question: str
    accept: tuple[str, ...]


@dataclass(frozen=True)
class Recalled:
    """A reply to a probe."""

    id: str
    text: str
    right: bool


@cache
def probes() -> tuple[Probe, ...]:
    """Every probe; kinds alternate, so that the first few are mixed."""
    text = files(__package__).joinpath("forgetting.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return tuple(Probe(**(row | {"accept": tuple(row["accept"])})) for row in rows)


def probe_reply(probe: Probe, model: Remembered) -> Recalled:
    """A probe's reply, asked without any role or document."""
    text = model.generate([Message(role="user", content=probe.question)], TOKENS).text.strip()
    return Recalled(probe.id, text, knows(probe, text))


def knows(probe: Probe, text: str) -> bool:
    """Whether an accepted answer stands in a text as whole words."""
    said = f" {' '.join(normalised(text))} "
    return any(f" {' '.join(normalised(answer))} " in said for answer in probe.accept)
