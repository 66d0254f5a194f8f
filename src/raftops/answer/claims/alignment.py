"""Where two texts say the same words, and what each has in the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from raftops.answer.claims.tables import number_words
from raftops.answer.claims.words import Word

Gap = tuple[list[Word], list[Word]]
"""What the source has between two shared runs of words, and what the claim has there."""


def aligned(claim: Sequence[Word], source: Sequence[Word]) -> tuple[float, list[Gap]]:
    """How much of a claim stands in a row in its source, and what each gap has in their places: (source's, claim's)."""
    matcher = SequenceMatcher(None, [w.stem for w in source], [w.stem for w in claim], autojunk=False)
    blocks = [b for b in matcher.get_matching_blocks()]
    gaps, matched = [], sum(b.size for b in blocks)
    for left, right in zip(blocks, blocks[1:], strict=False):
        gap = (list(source[left.a + left.size : right.a]), list(claim[left.b + left.size : right.b]))
        if right.size and (gap[0] or gap[1]):
            gaps.append(gap)
    if matched:
        head, tail = blocks[0], blocks[-2] if len(blocks) > 1 else blocks[0]
        size = max(1, head.b)
        gaps.insert(0, (list(source[max(0, head.a - size) : head.a]), list(claim[: head.b])))
        rest = list(claim[tail.b + tail.size :])
        gaps.append((list(source[tail.a + tail.size : tail.a + tail.size + len(rest)]), rest))
    return (matched / len(claim) if claim else 0.0), [gap for gap in gaps if gap[0] or gap[1]]


def substituted(said: Sequence[Word], shown: Sequence[Word], new: Sequence[int]) -> list[int]:
    """Which of the new words stand where the source has another: between the same words, or behind or before two."""
    there = [w.stem for w in shown]
    found = []
    for n in new:
        first, last = n, n
        while first - 1 in new:
            first -= 1
        while last + 1 in new:
            last += 1
        left, right = ([w.stem for w in side] for side in (said[max(0, first - 2) : first], said[last + 1 : last + 3]))
        for i in range(len(there)):
            behind = (
                i + 1 < len(there) and shown[i + 1].weighty and there[max(0, i - 1) : i + 1] == left and len(left) == 2
            )
            ahead = i > 0 and shown[i - 1].weighty and there[i : i + 2] == right and len(right) == 2
            within = (
                left[-1:] == there[i : i + 1]
                and any(
                    there[j] == right[0] and any(w.weighty for w in shown[i + 1 : j])
                    for j in range(i + 2, min(len(there), i + 5))
                )
                if left and right
                else False
            )
            last_word = not right and left[-1:] == there[i : i + 1] and shown[i].content and shown[i + 1 : i + 2]
            if behind or ahead or within or (last_word and shown[i + 1].weighty):
                found.append(n)
                break
    return found


def exchanged(said: Sequence[Word], shown: Sequence[Word], language: str) -> str:
    """Two things of a claim that have changed places around what stays: who does what to whom; empty if none have.

    For languages in which the order of words says who does it. "By" makes the other order the same again.
    """
    numbers = number_words(language)
    left, right = ([w.stem for w in text if w.weighty and w.low not in numbers] for text in (shown, said))
    agents = [sum(w.low in _AGENT for w in text) for text in (shown, said)]
    first = next(
        (n for n in range(len(left) - len(right) + 1) if sorted(left[n : n + len(right)]) == sorted(right)), -1
    )
    left = left[first : first + len(right)]
    if first < 0 or left == right or agents[0] != agents[1]:
        return ""
    start = next(n for n, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
    end = len(left) - next(n for n, (a, b) in enumerate(zip(left[::-1], right[::-1], strict=True)) if a != b)
    old, new = left[start:end], right[start:end]
    for i in range(1, len(old) - 1):
        for j in range(i + 1, len(old)):
            if new == old[j:] + old[i:j] + old[:i]:
                return f'exchanges "{" ".join(old[:i])}" and "{" ".join(old[j:])}"'
    return ""


_AGENT = frozenset({"by", "par", "por", "da", "dal", "dalla", "pelo", "pela"})
