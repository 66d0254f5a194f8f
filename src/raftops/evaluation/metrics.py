"""Is an answer right? Deterministic, model-free measures of one answer, one ranking or one reply about form.

They compare words and numbers; they do not judge meaning. What each one counts is said in its docstring.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from raftops.answer.prompt import cited_numbers, is_abstention, without_markers
from raftops.answer.support import numbers, terms
from raftops.data.records import Example, Unit
from raftops.raftdata.golden import Proof, is_golden
from raftops.spec.model.learning import Prompt

CONTAINED_SHARE = 0.6
_NAME = re.compile(r"(?<![.!?])\s+([A-Z]\w+)")
_POLARITY = re.compile(r"\W*(?:(yes|ja|oui|sí|sì|sim)|(no|nein|non|nee|não))\b", re.IGNORECASE)
_PERSON_PLACE_TIME = re.compile(r".*\b(who|whom|whose|where|when|wer|wem|wen|wo|wohin|wann)\b", re.IGNORECASE)
QUESTIONS = ("yes/no", "who/where/when", "number", "other")
"""Kinds of questions, in the order they are looked for."""


def normalised(text: str) -> list[str]:
    """Words as SQuAD counts them: lower case, no punctuation (all of Unicode's), no articles."""
    kept = "".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PS")
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def token_f1(reference: str, answer: str) -> float:
    """Harmonic mean of the words' precision and recall (SQuAD); citation numbers do not count."""
    wanted, said = (Counter(normalised(without_markers(text))) for text in (reference, answer))
    shared = sum((wanted & said).values())
    if not wanted or not said or not shared:
        return float(wanted == said)
    return harmonic(shared / said.total(), shared / wanted.total())


def harmonic(precision: float, recall: float) -> float:
    """F1 of two shares; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def answer_contained(reference: str, answer: str, question: str) -> bool:
    """Whether an answer says what the reference says.

    Either its normalised words stand in the answer in a row, or all of its numbers do and at least 60 % of its other
    terms (stems without stop words). What already stands in the question counts as given. A reference without numbers
    needs all of its names (capitalised words inside a sentence) in the place of numbers. An answer that says "no"
    to a reference that says "yes", or the other way round, is wrong. A long answer that lists everything may pass:
    read this beside token F1.
    """
    reference, said = without_markers(reference), without_markers(answer)
    if opposed(reference, said):
        return False
    if _in_a_row(normalised(reference), normalised(said)):
        return True
    needed = _needed(reference)
    own, must = terms(reference) - terms(question), needed - terms(question)
    if not own:
        own, must = terms(reference), needed
    shown = terms(said)
    rest = own - must
    return bool(own) and must <= shown and len(rest & shown) >= CONTAINED_SHARE * len(rest)


def _needed(reference: str) -> frozenset[str]:
    named = frozenset(term for name in _NAME.findall(reference) for term in terms(name))
    return numbers(reference) or named


def polarity(text: str) -> str:
    """`yes` or `no` where a text begins with it, in some languages; else nothing."""
    match = _POLARITY.match(text)
    return "" if not match else "yes" if match[1] else "no"


def opposed(reference: str, said: str) -> bool:
    """Whether one begins with yes and the other with no."""
    return {polarity(reference), polarity(said)} == {"yes", "no"}


def accepts(example: Example, said: str) -> bool:
    """Whether an answer says what an example wants: another accepted answer, or all of its facts where it lists some,
    or else its answer. What follows a yes or no is enough here, where no other word is said: `holds_alone` asks for it.
    """
    if any(answer_contained(other, said, example.asked) for other in example.accepted):
        return True
    if not example.must:
        plain = _POLARITY.sub("", example.answer, count=1).strip(" .,;:-")
        wanted = plain if plain and polarity(example.answer) and not polarity(said) else example.answer
        return answer_contained(wanted, said, example.asked)
    words, shown = normalised(without_markers(said)), terms(without_markers(said))
    stated = (_in_a_row(normalised(fact), words) or frozenset() < terms(fact) <= shown for fact in example.must)
    return not opposed(example.answer, said) and all(stated)


def holds_alone(example: Example, said: str) -> bool:
    """Whether an answer's own words may count without its quote: a wanted yes or no is said, and of the numbers that
    they name beside the question's at least one is the reference's."""
    wanted = polarity(example.answer)
    if wanted and polarity(said) != wanted:
        return False
    named = numbers(without_markers(said)) - numbers(example.asked)
    known = frozenset[str]().union(*(numbers(text) for text in (example.answer, *example.accepted, *example.must)))
    return not named or not known or bool(named & known)


def kind_of_question(example: Example) -> str:
    """One of `QUESTIONS`, by how the reference begins, the question's word, and whether the reference has a number."""
    if polarity(example.answer):
        return "yes/no"
    if _PERSON_PLACE_TIME.match(example.asked):
        return "who/where/when"
    return "number" if numbers(example.answer) else "other"


def _in_a_row(wanted: Sequence[str], said: Sequence[str]) -> bool:
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(said)} "


def abstains(text: str, prompt: Prompt) -> bool:
    """Whether a raw output says that it does not know, or says nothing."""
    return not without_markers(text) or is_abstention(text, prompt)


def citation_precision(text: str, units: Sequence[Unit], proofs: Sequence[Proof]) -> float:
    """Share of the numbers an answer cites that are golden units; 0 for an answer that cites nothing."""
    cited, golden = cited_numbers(text), {unit.number for unit in units if is_golden(unit, proofs)}
    return sum(number in golden for number in cited) / len(cited) if cited else 0.0


def citation_recall(text: str, units: Sequence[Unit], proofs: Sequence[Proof]) -> float:
    """Share of the proofs that an answer cites; a proof that retrieval did not bring counts as not cited."""
    cited = set(cited_numbers(text))
    found = [any(unit.number in cited and is_golden(unit, [proof]) for unit in units) for proof in proofs]
    return sum(found) / len(found) if found else 0.0


def hit(ranking: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """1 where a relevant document is among the first k."""
    return float(any(doc_id in relevant for doc_id in ranking[:k]))


def ndcg(ranking: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """Normalised discounted cumulative gain over distinct documents, gain 1 for each relevant one."""
    gain = sum(1 / math.log2(rank + 2) for rank, doc_id in enumerate(ranking[:k]) if doc_id in relevant)
    best = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gain / best if best else 0.0
