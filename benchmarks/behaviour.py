"""Requests about form: what a model replies freely, what it replies held to the spec's formats, and a constant reply.

    python -m benchmarks.behaviour [SPEC] [--adapters FOLDER --accepted FOLDER] [--split dev]

Needs a finished run of the spec (specs/handbook.yaml if none is named), or its folders. `base` is the untuned model
under the same formats. One JSON line a figure: `form` is the share of replies that pass every check, `values` the share
whose values are all the reference's, of those that have values. Choose on the dev split; the test split is for once.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from raftops.answer.filling import format_of, written
from raftops.answer.prompt import behaviour_messages
from raftops.data.records import Example, Message
from raftops.evaluation.behaviour import TOKENS_LEAST, Form, constant_reply, form_of
from raftops.files import read_jsonl, sha256_text
from raftops.generation.openvino import OpenVinoGenerator
from raftops.spec.load import load_spec
from raftops.spec.model.formats import Format

THREADS = 1
"""Of the engine: so that a busy machine measures, too."""


def replies(gguf: Path, asked: list[Example], formats: tuple[Format, ...], title: str) -> tuple[list[Form], float]:
    """What a model replies to requests, and the seconds a reply; without formats, freely."""
    model, forms, began = OpenVinoGenerator(gguf, THREADS, words=bool(formats)), [], time.perf_counter()
    for example in asked:
        turns = example.messages or (Message(role="user", content=example.question),)
        messages, format_ = behaviour_messages(title, turns), format_of(example.asked, formats)
        if format_:
            made = written(format_, messages, example.asked, model, TOKENS_LEAST)
        else:
            made = model.generate(messages, TOKENS_LEAST)
        if example.checks:
            forms.append(form_of(example, example.checks, made.text.strip()))
    return forms, (time.perf_counter() - began) / max(1, len(asked))


def show(name: str, forms: list[Form], seconds: float = 0.0) -> None:
    """Print the figures of one column."""
    with_values = [form for form in forms if form.values_right is not None]
    shares = {
        "form": sum(not form.failed for form in forms) / max(1, len(forms)),
        "values": sum(bool(form.values_right) for form in with_values) / max(1, len(with_values)),
        "words": sum(form.words for form in forms) / max(1, len(forms)),
    }
    for figure, value in shares.items():
        of = len(with_values) if figure == "values" else len(forms)
        print(json.dumps({"figure": f"behaviour.{figure}.{name}", "value": round(value, 3), "of": of}))
    print(json.dumps({"figure": f"behaviour.seconds.{name}", "value": round(seconds, 2)}))
    for form in with_values:
        if not form.values_right:
            print(json.dumps({"wrong": name, "id": form.id, "differs": form.differs}))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="specs/handbook.yaml", type=Path)
    parser.add_argument("--adapters", type=Path)
    parser.add_argument("--accepted", type=Path)
    parser.add_argument("--split", default="dev", choices=("train", "dev", "test"))
    parser.add_argument("--models", default="base,raft")
    parser.add_argument("--most", type=int, default=10_000, help="requests, drawn as the evaluation draws them")
    parser.add_argument("--how", default="free,held")
    args = parser.parse_args()
    loaded = load_spec(args.spec)
    latest = loaded.root / loaded.assistant.spec.platform.store / "latest" / loaded.assistant.name
    accepted = args.accepted or latest / "validate" / "accepted"
    served = (args.adapters or latest / "train" / "adapters") / "served"

    examples = [Example.model_validate(row) for _, row in read_jsonl(accepted / "examples.jsonl")]
    forms = [e for e in examples if e.kind == "behaviour" and e.checks and not e.evidence]
    order = sorted(forms, key=lambda e: sha256_text(f"{loaded.assistant.spec.evaluate.seed}:{e.id}"))
    asked = [e for e in order if e.split == args.split][: args.most]
    train = [e for e in forms if e.split == "train"]
    show("constant", [form_of(e, e.checks, constant_reply(train, e.checks)) for e in asked if e.checks])
    for model in args.models.split(","):
        for name in args.how.split(","):
            formats = loaded.assistant.spec.prompt.formats if name == "held" else ()
            show(f"{model}.{name}", *replies(served / f"{model}.gguf", asked, formats, loaded.assistant.title))


if __name__ == "__main__":
    main()
