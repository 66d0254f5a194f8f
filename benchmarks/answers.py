"""The bars: what users get on questions that nothing was chosen on, beside what no model at all would give them.

    python -m benchmarks.answers [sample] [18f] [policyqa] [--no-model] [--limit N] [--out build/answers]

Asks the current release of each spec, opened as the service opens it, every question: of the sample its test split,
of 18F and PolicyQA what `benchmarks.prepare_unseen` wrote (projects as `raftops init` makes them). `--no-model` needs
no run: it indexes the documents and prints baselines alone. Baselines: `extract_before`, the first unit word for word,
of six passages and without a re-ranker; `extract`, the first unit as the release ranks them; `decline`, which never
answers. One JSON line per figure and bar, all of them in OUT/figures.json, every answer in OUT/<corpus>.jsonl. One
is right and strictly right as the report judges it (`evaluation/scores.py`). Shares of questions;
`wrong` is of the answerable ones, `wrong_of_all` of all. Intervals: bootstrap over questions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from pipelines.cli.authoring import releases_folder
from raftops.access import AccessPolicies
from raftops.answer.answering import Answerer, Library, gather
from raftops.data.records import Example
from raftops.errors import ReleaseError
from raftops.evaluation.arms import Reply, extract_reply, reply_of
from raftops.evaluation.bootstrap import Sample
from raftops.evaluation.questions import UNANSWERABLE, HeldOut, Question, held_out, sources_of
from raftops.evaluation.ranking import Given
from raftops.evaluation.scores import Judge
from raftops.files import read_json, read_jsonl, write_json, write_jsonl
from raftops.release.current import current_release
from raftops.retrieval.hybrid import open_index
from raftops.service.loading import Loader
from raftops.service.weights import Weights
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.learning import Evaluate, Prompt
from raftops.steps.index import index
from raftops.steps.ingest import ingest
from raftops.steps.validate import validate

SPECS = {
    "sample": Path("specs/handbook.yaml"),
    "18f": Path("build/unseen/18f/raftops.yaml"),
    "policyqa": Path("build/unseen/policyqa/raftops.yaml"),
}
BEFORE = {"passages": 6}
"""Of the prompt as it was before there was a re-ranker."""
RESAMPLES, SEED = 2000, 7
ARMS = ("served", "extract", "extract_before", "decline")
SAMPLE_BARS = {"right": (">=", 0.75), "wrong": ("<=", 0.10), "over_refusal": ("<=", 0.08), "declined": (">=", 0.85)}
UNIT_FIRST, DECLINED, WRONG_OF_EXTRACT = 0.80, 0.80, 2 / 3
EARLIER = (
    (
        "sample: make run of af502ea, 24 + 8 questions: right 0.375, wrong of all 0.219, over-refusal 0.375",
        "quality.md",
    ),
    ("sample: RAFT's text, 80 questions: right 0.487; the first unit, 117 questions: 0.761", "quality.md (d)"),
    ("a new user's project, untouched defaults, 6 questions: right 0.000, over-refusal 1.000", "issue 13, 3"),
)


@dataclass(frozen=True)
class Said:
    """What one arm gave to one question, and what that is worth."""

    question: str
    kind: str
    """`answerable`, `near_miss` or `absent`."""
    reply: Reply
    right: bool
    strict: bool
    first: bool | None = None
    """Whether the first unit is a golden one, where the arm quotes it."""


@dataclass(frozen=True)
class Opened:
    """A corpus, ready to be asked."""

    library: Library
    prompt: Prompt
    held: HeldOut
    judge: Judge
    answerer: Answerer | None


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SPECS))
    parser.add_argument("--no-model", action="store_true")
    parser.add_argument("--limit", type=int, help="Most answerable and unanswerable questions of a corpus, by draw.")
    parser.add_argument("--out", type=Path, default=Path("build/answers"))
    chosen = parser.parse_args()
    for figure, source in EARLIER:
        say({"figure": "answers.earlier", "value": figure, "source": source})
    said: list[dict[str, Any]] = []
    for name in chosen.names:
        try:
            with opened(name, chosen.out / name, chosen.limit, not chosen.no_model) as corpus:
                asked = ask(corpus)
        except (FileNotFoundError, ReleaseError) as error:
            say({"figure": f"answers.{name}.skipped", "value": str(error)})
            continue
        rows = ({"arm": arm, **asdict(one)} for arm, replies in asked.items() for one in replies)
        write_jsonl(chosen.out / f"{name}.jsonl", rows)
        for line in (*figures(name, asked), *bars(name, asked)):
            say(line)
            said.append(line)
        write_json(chosen.out / "figures.json", said)


@contextmanager
def opened(name: str, folder: Path, limit: int | None, with_model: bool) -> Iterator[Opened]:
    """The current release of a corpus, or without a model its index, made here."""
    if not SPECS[name].is_file():
        raise FileNotFoundError(f"no {SPECS[name]}: python -m benchmarks.prepare_unseen {name}")
    loaded = load_spec(SPECS[name])
    spec = loaded.assistant.spec
    accepted = loaded.root / spec.platform.store / "latest" / loaded.assistant.name / "validate" / "accepted"
    config = Evaluate(questions=limit, unanswerable=limit, behaviour=0)
    if with_model:
        release = current_release(releases_folder(loaded))
        live, close = Loader(Weights())(release)
        try:
            sources = sources_of(release.index)
            held = held_out(config, examples(loaded, accepted), release.access, sources)
            judge = Judge(release.access, sources)
            yield Opened(live.answerer.library, release.prompt, held, judge, live.answerer)
        finally:
            close()
        return
    accepted, built = indexed(loaded, folder)
    access = AccessPolicies.model_validate(read_json(accepted / "access.json"))
    with open_index(built, spec.prompt.dense_share) as library:
        sources = sources_of(built)
        held = held_out(config, examples(loaded, accepted), access, sources)
        yield Opened(library, spec.prompt, held, Judge(access, sources), None)


def indexed(loaded: LoadedSpec, folder: Path) -> tuple[Path, Path]:
    """The accepted data and the index of a spec, by its steps as plain functions."""
    spec, cache = loaded.assistant.spec, Path(".raftops/cache")
    data = spec.data.model_copy(update={
        "documents": spec.data.documents.model_copy(update={"path": str(loaded.root / spec.data.documents.path)}),
        "access": str(loaded.root / spec.data.access),
        "examples": tuple(str(loaded.root / pattern) for pattern in spec.data.examples),
        "dvc": "",
    })  # fmt: skip
    validate(spec.validate_, data, folder / "accepted", folder / "report")
    ingest(spec.ingest, spec.models.embedder, folder / "accepted", folder / "passages", cache)
    source = folder / "passages", folder / "built", cache
    index(spec.index, spec.models.embedder, spec.platform.milvus, loaded.assistant.name, *source)
    return folder / "accepted", folder / "built"


def examples(loaded: LoadedSpec, accepted: Path) -> list[Example]:
    """What is asked: the questions beside the spec, or else the test split."""
    beside = loaded.root / "questions.jsonl"
    rows = read_jsonl(beside if beside.is_file() else accepted / "examples.jsonl")
    found = [Example.model_validate(row) for _, row in rows]
    return [e.model_copy(update={"split": "test"}) for e in found] if beside.is_file() else found


def ask(corpus: Opened) -> dict[str, list[Said]]:
    """Every arm's answers to every question."""
    before, answerer = corpus.prompt.model_copy(update=BEFORE), corpus.answerer
    asked: dict[str, list[Said]] = {arm: [] for arm in ARMS if arm != "served" or answerer}
    for question in corpus.held.questions:
        text, policies = question.example.asked, question.policies
        ranked = gather(corpus.library, text, policies, corpus.prompt)
        units = {"extract_before": gather(corpus.library, text, policies, before), "extract": ranked}
        if answerer:
            units["extract"] = answerer.units(text, policies)
            asked["served"].append(worth(corpus.judge, question, served(answerer, question)))
        for arm, shown in units.items():
            given = Given(question, tuple(shown))
            asked[arm].append(worth(corpus.judge, question, extract_reply(given), 1 in given.golden))
        declined = Reply(question.example.id, "", (), True, 0, 0, 0.0, mode="declined")
        asked["decline"].append(worth(corpus.judge, question, declined))
    return asked


def served(answerer: Answerer, question: Question) -> Reply:
    """One question to the service's use case, with the seconds that all of it took."""
    began = time.perf_counter()
    answer = answerer.answer(question.example.asked, question.policies)
    return reply_of(answer, question.example.id, time.perf_counter() - began)


def worth(judge: Judge, question: Question, reply: Reply, first: bool | None = None) -> Said:
    """A reply with what it is worth."""
    right, strict = judge.right(reply, question), judge.strictly_right(reply, question)
    return Said(question.example.asked, kind(question), reply, right, strict, first)


def kind(question: Question) -> str:
    """What sort of question it is."""
    if question.kind != UNANSWERABLE:
        return "answerable"
    return "near_miss" if question.example.near_miss else "absent"


def columns(said: Sequence[Said]) -> dict[str, list[float | None]]:
    """Every score of every question; None where it does not apply."""

    def over(kinds: tuple[str, ...], flags: Sequence[bool]) -> list[float | None]:
        return [float(flag) if one.kind in kinds else None for one, flag in zip(said, flags, strict=True)]

    declined = [one.reply.abstained for one in said]
    wrong = [not one.reply.abstained and not one.right for one in said]
    answerable, missing = ("answerable",), ("near_miss", "absent")
    return {
        "right": over(answerable, [one.right for one in said]),
        "right_strict": over(answerable, [one.strict for one in said]),
        "wrong": over(answerable, wrong),
        "over_refusal": over(answerable, declined),
        "declined": over(missing, declined),
        "declined_near_miss": over(("near_miss",), declined),
        "declined_absent": over(("absent",), declined),
        "wrong_of_all": over((*answerable, *missing), wrong),
        "unit_first": over(answerable if said and said[0].first is not None else (), [bool(s.first) for s in said]),
    }


def figures(name: str, asked: Mapping[str, Sequence[Said]]) -> Iterator[dict[str, Any]]:
    """Each score of each arm with its interval, what served is better by, modes and seconds."""
    flat = {f"{arm}.{score}": column for arm, said in asked.items() for score, column in columns(said).items()}
    sample = Sample(flat, [one.kind for one in asked["extract"]], RESAMPLES, SEED)
    for figure in flat:
        if found := sample.interval(figure):
            value = {key: round(number, 3) for key, number in asdict(found).items()}
            yield {"figure": f"answers.{name}.{figure}"} | value
    if "served" not in asked:
        return
    for score in ("right", "right_strict", "wrong", "wrong_of_all", "declined"):
        if gain := sample.difference(f"served.{score}", f"extract.{score}"):
            value = {key: round(number, 3) for key, number in asdict(gain).items()}
            yield {"figure": f"answers.{name}.served_minus_extract.{score}"} | value
    said = asked["served"]
    modes = Counter(one.reply.note.partition(", ")[2] for one in said)
    yield {"figure": f"answers.{name}.served.modes", "value": dict(modes.most_common())}
    cuts = quantiles([one.reply.seconds for one in said], n=20, method="inclusive")
    yield {"figure": f"answers.{name}.served.seconds", "p50": round(cuts[9], 3), "p95": round(cuts[18], 3)}


def bars(name: str, asked: Mapping[str, Sequence[Said]]) -> Iterator[dict[str, Any]]:
    """Which bars of issue 13 the points reach."""
    mean = {arm: {key: share(column) for key, column in columns(said).items()} for arm, said in asked.items()}
    extract = mean["extract"]
    if name == "sample":
        yield bar(name, "unit_first", extract["unit_first"], ">=", UNIT_FIRST)
    if "served" not in mean:
        return
    got = mean["served"]
    if name == "sample":
        for score, (sign, bound) in SAMPLE_BARS.items():
            yield bar(name, score, got[score], sign, bound)
        return
    yield bar(name, "right", got["right"], ">=", extract["right"])
    yield bar(name, "wrong", got["wrong"], "<=", extract["wrong"] * WRONG_OF_EXTRACT)
    yield bar(name, "declined", got["declined"], ">=", DECLINED)


def bar(name: str, score: str, value: float, sign: str, bound: float) -> dict[str, Any]:
    """One bar and whether it is met."""
    met = value >= bound if sign == ">=" else value <= bound
    wanted = f"{sign} {bound:.3f}"
    return {"figure": f"answers.bar.{name}.{score}", "value": round(value, 3), "wanted": wanted, "met": met}


def share(column: Sequence[float | None]) -> float:
    """Mean of what applies."""
    given = [value for value in column if value is not None]
    return sum(given) / len(given) if given else 0.0


def say(line: Mapping[str, Any]) -> None:
    """One JSON line."""
    print(json.dumps({"benchmark": "answers", **line}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
