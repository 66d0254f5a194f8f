"""deploy: write the release, start it beside what is served, ask it, and promote it if it answers.

Where it does not answer, what was served stays served. The service that people talk to is not started here: it follows
`current` by itself.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from raftops.client import ask
from raftops.dev_tokens import EVERYONE, ensure_dev_tokens
from raftops.errors import ReleaseError, ServiceError
from raftops.files import write_json
from raftops.launch import Launch, Service, free_port
from raftops.progress import progress
from raftops.release import Parts, Release, write_release
from raftops.releases import promote, prune, read_current
from raftops.spec.model import Deploy, Identity, Prompt, Router, Signing

Metrics = dict[str, float]
Smoke = Callable[[Release, Sequence[str], float], Metrics]
READY_SECONDS = 180.0
FIELDS = ("choices", "citations", "route", "grounded", "abstained", "release", "usage", "timings")


def deploy(  # noqa: PLR0913  one argument per artifact
    config: Deploy, prompt: Prompt, router: Router, parts: Parts, releases: Path, release: Path
) -> Metrics:
    """Make these parts the current release; `release` becomes a pointer to it. The same parts are released once.

    Raises:
        ReleaseError: a part is missing, or the service does not start or answer with them.
    """
    return release_and_promote(config, prompt, router, parts, releases, release, smoke_test)


def release_and_promote(  # noqa: PLR0913  as `deploy`, with the test to pass
    config: Deploy, prompt: Prompt, router: Router, parts: Parts, releases: Path, release: Path, smoke: Smoke
) -> Metrics:
    """`deploy`, with the smoke test as an argument."""
    began = time.monotonic()
    progress("deploy", 0, 3, "writing the release")
    made = write_release(config, prompt, router, parts, releases)
    _sign(made, config.signing)
    progress("deploy", 1, 3, f"starting release {made.short}")
    current = read_current(releases)
    figures: Metrics = {}
    if current is None or current.hash != made.short:
        figures = _tried(made, config, smoke)
    promote(releases, made.short)
    gone = prune(releases, config.keep_releases)
    write_json(release / "release.json", {"hash": made.hash, "path": str(made.path)})
    progress("deploy", 3, 3, f"release {made.short} is current")
    seconds = {"seconds": round(time.monotonic() - began, 2)}
    return {"pruned": float(len(gone)), "sources_trained": float(made.sources_trained)} | figures | seconds


def _sign(made: Release, signing: Signing) -> None:
    """Sign the release where the environment names a key; where the spec asks for signatures, it must have a good one.

    Raises:
        ReleaseError: it has none, and there is no key to make it with.
    """
    key = os.environ.get("RAFTOPS_SIGNING_KEY", "")
    if not key and not signing.required:
        return
    signatures = import_module("raftops.signing")  # sigstore: only where something is signed
    if key:
        signatures.sign_release(made.path, Path(key))
    if signing.required:
        signatures.verify_release(made.path, signing)


def _tried(made: Release, config: Deploy, smoke: Smoke) -> Metrics:
    """The figures of the smoke test; a release that fails it is put aside and never becomes current."""
    questions = config.smoke_questions or (f"What is {made.title}?",)
    try:
        return smoke(made, questions, config.timeout_seconds)
    except ServiceError as error:
        aside = made.path.with_name(f"{made.path.name}.failed")
        shutil.rmtree(aside, ignore_errors=True)
        made.path.rename(aside)
        raise ReleaseError(
            f"release {made.short} does not answer, so what was served stays: {error}",
            next_step=error.next_step or f"the release is kept in {aside}",
        ) from error


def smoke_test(made: Release, questions: Sequence[str], timeout_seconds: float) -> Metrics:
    """Start the service on this release with a throw-away user, and ask. Ends it in any case.

    Raises:
        ServiceError: it does not start, refuses, or answers in another shape. Carries the end of its log.
    """
    log = made.path.with_name(f"{made.short}.log")
    with tempfile.TemporaryDirectory(prefix="raftops-smoke-") as place:
        identity = Identity(dev_tokens=f"{place}/tokens.json")
        token = ensure_dev_tokens(Path(identity.dev_tokens), tuple(made.access.groups))[EVERYONE].token
        launch = Launch(None, made.path, "127.0.0.1", free_port(), identity, timeout_seconds)
        with Service(launch, log) as service:
            started = service.wait_ready(READY_SECONDS, lambda s: progress("deploy", 1, 3, f"starting, {s:.0f} s"))
            progress("deploy", 2, 3, f"asking {len(questions)} questions")
            answers = [_asked(service, token, question, timeout_seconds) for question in questions]
    log.unlink()
    slowest = max(seconds for _, seconds in answers)
    abstained = sum(answer["abstained"] for answer, _ in answers)
    return {
        "start_seconds": round(started, 2),
        "questions": float(len(answers)),
        "abstained": float(abstained),
        "slowest_answer_seconds": round(slowest, 2),
    }


def _asked(service: Service, token: str, question: str, timeout_seconds: float) -> tuple[Any, float]:
    began = time.monotonic()
    try:
        answer = ask(service.url, token, question, timeout_seconds=timeout_seconds)
        check_shape(answer)
    except ServiceError as error:
        raise ServiceError(f"{error}{service.last_lines()}", next_step=error.next_step) from error
    return answer, time.monotonic() - began


def check_shape(answer: Any) -> None:
    """A well-formed answer has our fields and a text, and is cited or abstains or is about form only."""
    missing = [name for name in FIELDS if not isinstance(answer, dict) or name not in answer]
    if missing:
        raise ServiceError(f"an answer without {', '.join(missing)}")
    text = answer["choices"][0]["message"]["content"] if answer["choices"] else ""
    if not text or not (answer["citations"] or answer["abstained"] or answer["route"]["name"] == "behaviour"):
        raise ServiceError("an answer without text, or with neither a citation nor an abstention")
