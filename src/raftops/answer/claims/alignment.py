"""Where two texts say the same words, and what each has in the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from raftops.answer.claims.words import Word

Gap = tuple[list[Word], list[Word]]
"""What the source has between two shared runs of words, and what the claim has there."""


def aligned(claim: Sequence[Word], source: Sequence[Word]) -> tuple[float, list[tuple[list[Word], list[Word]]]]:
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
