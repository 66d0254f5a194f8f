"""Does the checker refuse what contradicts its evidence, and let pass what is true? Swapped claims over real sentences.

    python -m benchmarks.checker [--data ../shared/data] [--each 150] [--show KIND]

True claims: sentences of handbooks as they are and with their numbers and dates in another form, and real answers (of
the sample, of PolicyQA, of NQ, of ClapNQ) with the sentences that prove them. Contradicted claims: the same, with one
thing swapped (`_claim_swaps.py`). The rules were written while looking at the sources named `developed on`; the others
were only measured. Beside the checker: the word overlap that was used before, always accepting, always refusing.
Prints one JSON line for each figure, with Wilson's 95 % interval. Skips, with a reason, where the data is absent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

from benchmarks._claim_swaps import SWAPS, Claim, restated
from raftops.answer.support import contradiction, shown_text, supports, terms
from raftops.answer.support import numbers as figures_of
from raftops.data.records import Example, Locator, Unit
from raftops.errors import StepError
from raftops.files import read_jsonl
from raftops.parsing.parse import parse_document
from raftops.parsing.sentences import sentences
from raftops.spec.model.knowledge import Splits
from raftops.validation.splits import draw_splits

ROOT = Path(__file__).parents[1]
Judge = Callable[[Sequence[Unit], str, str], bool]


@dataclass(frozen=True)
class Source:
    """Claims that are true, from one place."""

    name: str
    developed: bool
    """Whether the rules were written while looking at it."""
    claims: tuple[Claim, ...]


def overlap(units: Sequence[Unit], answer: str, question: str) -> bool:
    """The rule before: all numbers, those of the question included, and 60 % of the other words."""
    said, shown = terms(answer), frozenset[str]().union(*(terms(f"{u.heading} {shown_text(u)}") for u in units))
    if not said or not figures_of(answer) <= shown | figures_of(question):
        return False
    own = (said - terms(question)) or said
    return len(own & shown) >= 0.6 * len(own)


JUDGES: dict[str, Judge] = {
    "checker": supports,
    "word overlap (before)": overlap,
    "always accept": lambda units, answer, question: True,
    "always refuse": lambda units, answer, question: False,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--each", type=int, default=150, help="most true claims of a source, and swaps of a kind in it")
    parser.add_argument("--show", default="", help="print the mistakes of the checker of this kind, or of all")
    parser.add_argument("--only", default="", help="sources whose name holds this")
    options = parser.parse_args()
    found = [s for s in sources(options.data, options.each) if options.only in s.name]
    if not (options.data / "qa").is_dir():
        say("skipped", f"no {options.data / 'qa'}: the sample alone")
    judged: dict[tuple[str, str, str], list[bool]] = {}
    for source in found:
        group = "developed on" if source.developed else "held out"
        pool = tuple(claim for other in found if other.developed == source.developed for claim in other.claims)
        for claim in [*source.claims, *swapped(source, pool, options.each)]:
            for name, judge in JUDGES.items():
                wrong = not judge(claim.units, claim.said, claim.question)
                judged.setdefault((name, group, claim.kind), []).append(wrong)
                judged.setdefault((name, source.name, "true" if claim.true else "contradicted"), []).append(wrong)
                judged.setdefault((name, group, "true" if claim.true else "contradicted"), []).append(wrong)
                if name == "checker" and wrong == claim.true and options.show in (claim.kind, source.name, "all"):
                    show(source, claim)
    for (name, group, kind), refused in sorted(judged.items()):
        say(f"{name}: {group}: {kind} refused", interval(refused))
    say("milliseconds an answer", round(pace([c for s in found for c in s.claims]), 3))


def swapped(source: Source, pool: Sequence[Claim], most: int) -> Iterator[Claim]:
    """Contradicted claims of each kind, drawn from a source's true ones."""
    for kind, swap in SWAPS.items():
        draw = random.Random(f"{source.name} {kind}")
        claims = list(source.claims)
        draw.shuffle(claims)
        count = 0
        for claim in claims:
            said = swap(claim, pool, draw)
            if said and said.said != claim.said and count < most:
                count += 1
                yield replace(said, kind=kind, true=False)


def pace(claims: Sequence[Claim]) -> float:
    """Milliseconds of the processor for one answer, read for the second time (units are read once for many answers)."""
    started = time.process_time()
    for claim in claims:
        supports(claim.units, claim.said, claim.question)
    return 1000 * (time.process_time() - started) / max(1, len(claims))


def show(source: Source, claim: Claim) -> None:
    """One mistake, to read."""
    why = [contradiction(u, claim.said, claim.question) for u in claim.units[:2]]
    print(f"  {source.name} | {claim.kind} | {why}\n    Q {claim.question}\n    A {claim.said}")
    print("    E " + " || ".join(f"{u.heading}: {u.text}" for u in claim.units)[:700], flush=True)


def sources(data: Path, most: int) -> Iterator[Source]:
    """All true claims, by source."""
    yield from sample(most)
    if not (data / "qa").is_dir():
        return
    sites = json.loads((data / "qa/policyqa/data/dev.json").read_text())["data"]
    yield Source("PolicyQA, sites 1 to 10", True, draw(policies(sites[:10]), most))
    yield Source("PolicyQA, sites 11 to 20", False, draw(policies(sites[10:]), most))
    books = data / "handbooks"
    for name, folder, half, developed in (
        ("18F, half A", "18f-handbook/pages", 0, True),
        ("18F, half B", "18f-handbook/pages", 1, False),
        ("plainlanguage", "plainlanguage-gov", None, False),
        ("artsy", "artsy-readme", None, False),
    ):
        yield Source(name, developed, draw(handbook(books / folder, half), most))
    long = list(clapnq(data / "qa/clapnq/annotated_data/dev/clapnq_dev_answerable.jsonl"))
    yield Source("ClapNQ, first half", True, draw(iter(long[: len(long) // 2]), most))
    yield Source("ClapNQ, second half", False, draw(iter(long[len(long) // 2 :]), most))
    yield Source("NQ", False, draw(nq(data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz"), most))


def draw(claims: Iterator[Claim], most: int) -> tuple[Claim, ...]:
    """Some of them, always the same."""
    found = list(claims)
    return tuple(random.Random(7).sample(found, min(most, len(found))))


def sample(most: int) -> Iterator[Source]:
    """The examples of this repository by split, each with the whole sentences that prove it."""
    rows = [row for path in sorted((ROOT / "data/examples").glob("knowledge-*.jsonl")) for _, row in read_jsonl(path)]
    examples = [Example.model_validate(row) for row in rows]
    split = draw_splits(examples, Splits())
    for name in ("train", "dev", "test"):
        chosen = [e for e in examples if split[e.id] == name and not e.unanswerable]
        claims = (
            Claim(
                tuple(unit(e.quote, n, Path(e.doc_id).stem.replace("-", " ")) for n, e in enumerate(x.evidence, 1)),
                x.question, x.answer, "answer",
            )
            for x in chosen
        )  # fmt: skip
        yield Source(f"sample, {name}", name == "train", draw(claims, 3 * most))


def policies(sites: Sequence[dict[str, object]]) -> Iterator[Claim]:
    """PolicyQA's spans of at least three words, with the sentences of their passage that they stand in."""
    for site in sites:
        for paragraph in site["paragraphs"]:  # type: ignore[attr-defined]
            text, bounds = paragraph["context"], None
            for qa in paragraph["qas"]:
                answer = qa["answers"][0]
                start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
                bounds = bounds or sentences(text, 0, len(text))
                around = [b for b in bounds if b[0] < end and start < b[1]]
                if around and 3 <= len(answer["text"].split()) <= 60:
                    proof = text[around[0][0] : around[-1][1]]
                    yield Claim((unit(proof, 1, str(site["title"])),), qa["question"], answer["text"].strip(), "answer")


def handbook(folder: Path, half: int | None) -> Iterator[Claim]:
    """Sentences of a handbook as claims on themselves, and the same in other forms."""
    for path in sorted(folder.rglob("*.md")):
        if half is not None and crc32(path.name.encode()) % 2 != half:
            continue
        try:
            parsed = parse_document(path, "text/markdown")
        except StepError:  # a redirect holds no text
            continue
        for block in parsed.blocks:
            text = parsed.text[block.start : block.end]
            for start, end in sentences(text, 0, len(text)) if block.kind != "heading" else ():
                said = text[start:end].strip()
                if 7 <= len(said.split()) <= 40 and re.match(r"[A-Z].*[.]$", said) and "\n" not in said:
                    own = unit(said, 1, parsed.title)
                    yield Claim((own,), "", said, "copy")
                    for other in restated(said):
                        yield Claim((own,), "", other, "restated")


def clapnq(path: Path) -> Iterator[Claim]:
    """ClapNQ's long answers, with the sentences that their writers chose."""
    for _, row in read_jsonl(path):
        for output in row["output"]:
            chosen = output["selected_sentences"]
            if len(output["answer"].split()) > 2 and chosen:  # "NA" is no answer
                units = tuple(unit(s, n, row["passages"][0]["title"]) for n, s in enumerate(chosen, 1))
                yield Claim(units, row["input"], output["answer"].strip(), "long answer")


def nq(path: Path) -> Iterator[Claim]:
    """NQ's short answers, with the first sentence of the gold passage that holds one."""
    with gzip.open(path, "rt") as file:
        for row in map(json.loads, file):
            text, title = row["ctxs"][0]["text"], row["ctxs"][0]["title"]
            for start, end in sentences(text, 0, len(text)):
                held = [a for a in row["answers"] if re.search(rf"\b{re.escape(a)}\b", text[start:end])]
                if held:
                    yield Claim((unit(text[start:end], 1, title),), row["question"], held[0], "short answer")
                    break


def unit(text: str, number: int, title: str) -> Unit:
    """A piece of evidence."""
    return Unit(number, text, "d", "v", title, "", "open", 0, len(text), Locator(), 1.0)


def interval(refused: Sequence[bool]) -> str:
    """A share with Wilson's interval."""
    n, share, z = len(refused), sum(refused) / len(refused), 1.96
    middle, wide = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * wide) / (1 + z * z / n) for sign in (-1, 1))
    return f"{share:.3f} [{max(0.0, low):.3f}, {min(1.0, high):.3f}] of {n}"


def say(figure: str, value: float | str) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "checker", "figure": figure, "value": value}), flush=True)


if __name__ == "__main__":
    main()
