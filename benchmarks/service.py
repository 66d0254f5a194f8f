"""Time of answers of the current release: ready, first words, whole answer. One client, one question at a time.

    python benchmarks/service.py specs/handbook.yaml

Questions are the held-out ones of the release's report. Prints one JSON line per figure; needs a release (`make run`).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from openai import OpenAI

from pipelines.cli.authoring import releases_folder
from raftops.files import read_jsonl
from raftops.release.current import current_release
from raftops.release.release import Release
from raftops.service.dev_tokens import EVERYONE, ensure_dev_tokens
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.load import load_spec
from raftops.spec.model.serving import Identity

QUESTIONS = 20


def main(spec: Path) -> None:
    """Start the service, ask, print."""
    loaded = load_spec(spec)
    release = current_release(releases_folder(loaded))
    with tempfile.TemporaryDirectory() as folder:
        identity = Identity(dev_tokens=f"{folder}/tokens.json")
        token = ensure_dev_tokens(Path(identity.dev_tokens), tuple(release.access.groups))[EVERYONE].token
        launch = Launch(None, release.path, port=free_port(), identity=identity)
        with Service(launch, Path(folder) / "service.log") as service:
            _print("service.ready_seconds", [service.wait_ready(120)])
            client = OpenAI(base_url=f"{service.url}/v1", api_key=token)
            took = [_timed(client, release.name, question) for question in _questions(release)]
    _print("service.first_words_seconds", [first for first, _ in took])
    _print("service.answer_seconds", [whole for _, whole in took])


def _questions(release: Release) -> list[str]:
    rows = (row for _, row in read_jsonl(release.path / "report" / "answers.jsonl"))
    return list(dict.fromkeys(str(row["question"]) for row in rows))[:QUESTIONS]


def _timed(client: OpenAI, model: str, question: str) -> tuple[float, float]:
    """Seconds to the first words, and to the end."""
    began, first = time.perf_counter(), 0.0
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], stream=True)
    for chunk in stream:
        if not first and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter() - began
    return first, time.perf_counter() - began


def _print(figure: str, seconds: list[float]) -> None:
    worst, median = max(seconds), statistics.median(seconds)
    print(json.dumps({"figure": figure, "median": round(median, 3), "max": round(worst, 3), "n": len(seconds)}))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "specs/handbook.yaml"))
