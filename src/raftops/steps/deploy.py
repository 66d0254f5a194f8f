"""deploy: write the release, start it beside the one that is served, ask it, and promote it if it answers.

If it does not answer, the served one stays. The service that people talk to is not started here: it follows `current`
by itself.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from raftops.errors import ClusterError, GateFailed, IndexUnusable, ReleaseError, ServiceError
from raftops.extras import of_extra
from raftops.files import read_json, write_json
from raftops.progress import progress
from raftops.release.current import promote, prune, read_current
from raftops.release.in_force import drop_forgotten, take_release
from raftops.release.parts import Parts
from raftops.release.release import SIGNING_KEY, Release, write_release
from raftops.release.seal import NAME
from raftops.service.client import ask
from raftops.service.dev_tokens import EVERYONE, ensure_dev_tokens
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Identity, Router

Metrics = dict[str, float]
Smoke = Callable[[Release, Sequence[str], float], Metrics]
READY_SECONDS = 180.0
FIELDS = ("choices", "citations", "route", "grounded", "abstained", "release", "usage", "timings")


def deploy(  # noqa: PLR0913  one argument per artifact
    config: Deploy,
    prompt: Prompt,
    router: Router,
    parts: Parts,
    releases: Path,
    release: Path,
    cluster: Mapping[str, Any] | None = None,
) -> Metrics:
    """Make these parts the current release; `release` becomes a pointer to it. The same parts are released once.

    `cluster`: where on a cluster it is served (`raftops.cluster.deploy.Place`), if it is.

    Raises:
        ReleaseError: a part is missing, or the service does not start or answer with them.
    """
    smoke = partial(_on_cluster, config, cluster) if cluster else smoke_test
    return release_and_promote(config, prompt, router, parts, releases, release, smoke)


def release_and_promote(  # noqa: PLR0913  as `deploy`, with the test to pass
    config: Deploy, prompt: Prompt, router: Router, parts: Parts, releases: Path, release: Path, smoke: Smoke
) -> Metrics:
    """`deploy`, with the smoke test as an argument."""
    began = time.monotonic()
    progress("deploy", 0, 3, "writing the release")
    new = _written(config, prompt, router, parts, releases)

    progress("deploy", 1, 3, f"starting release {new.short}")
    current = read_current(releases)
    if current and new.short in current.bad:
        raise ReleaseError(
            f"release {new.short} is marked bad ({current.bad[new.short]}), so what was served stays",
            next_step=f"change what made it bad; or: raftops release rollback SPEC {new.short} serves it all the same",
        )
    served = current is not None and current.hash == new.short
    figures: Metrics = {}
    # Here, a release that is current was tested before. On a cluster something else may be served by now.
    if not served or config.target == "kubernetes":
        figures = _tested(new, config, smoke, keep=served)
    in_force = take_release(releases, new)
    promote(releases, new.short)
    forgotten = drop_forgotten(releases, in_force)
    pruned = forgotten + prune(releases, config.keep_releases)
    if read_json(new.index / "index.json")["uri"] != "embedded":
        # On a server, the assistant's index is that of the current release; one that no release needs is dropped.
        alias = import_module("raftops.retrieval.alias").IndexAlias.of(new.index)
        alias.point()
        folders = (path.parents[1] for path in releases.glob("*/index/index.json"))  # drafts and failed ones, too
        in_use = {folder / "index": folder.name if NAME.fullmatch(folder.name) else "" for folder in folders}
        alias.drop_unused(in_use, pruned, config.keep_indexes_days)
    write_json(release / "release.json", {"hash": new.hash, "path": str(new.path)})
    progress("deploy", 3, 3, f"release {new.short} is current")
    seconds = {"seconds": round(time.monotonic() - began, 2)}
    return {"pruned": float(len(pruned)), "sources_trained": float(new.sources_trained)} | figures | seconds


def _written(config: Deploy, prompt: Prompt, router: Router, parts: Parts, releases: Path) -> Release:
    """The release, signed where there is a key, and with a good signature, made here or earlier, where one is required.

    A release that somebody put into the store under the same parts is not what this run made: the key signs what was
    made now, or keeps what it signed before.
    """
    key = os.environ.get(SIGNING_KEY, "")
    if not key and not config.signing.required:
        return write_release(config, prompt, router, parts, releases)
    signatures = import_module("raftops.release.signing")  # sigstore: only where something is signed
    if key:
        trusted = partial(signatures.signed_with, key=key)
        new = write_release(config, prompt, router, parts, releases, trusted)
        signatures.sign_release(new.path, key)
    else:
        new = write_release(config, prompt, router, parts, releases)
    if config.signing.required:
        signatures.verify_release(new.path, config.signing)
    return new


def _tested(new: Release, config: Deploy, smoke: Smoke, keep: bool) -> Metrics:
    """The figures of the smoke test. A release that fails it never becomes current; it is renamed, unless `keep`."""
    questions = config.smoke_questions or (f"What is {new.title}?",)
    try:
        answered = smoke(new, questions, config.timeout_seconds)
        if config.redteam is None:
            return answered
        team, wanted = of_extra("raftops.redteam.attack", "redteam", "deploy.redteam is set"), config.redteam
        return answered | team.withstood(new, wanted.attacks, wanted.orders, wanted.orders_max)
    except GateFailed as error:
        aside = _put_aside(new, keep)
        message = f"release {new.short} did not hold against an attack, so what was served stays: {error}"
        raise GateFailed(message, next_step=f"the release is kept in {aside}") from error
    except (ServiceError, ClusterError, IndexUnusable) as error:
        aside = _put_aside(new, keep)
        raise ReleaseError(
            f"release {new.short} does not answer, so what was served stays: {error}",
            next_step=error.next_step or f"the release is kept in {aside}",
        ) from error


def _put_aside(new: Release, keep: bool) -> Path:
    """Rename a release that must not be served, unless it is to be kept as it is; returns where it lies."""
    if keep:
        return new.path
    aside = new.path.with_name(f"{new.path.name}.failed")
    shutil.rmtree(aside, ignore_errors=True)
    return new.path.rename(aside)


def _on_cluster(
    config: Deploy, cluster: Mapping[str, Any], new: Release, questions: Sequence[str], timeout_seconds: float
) -> Metrics:
    """Roll the release out on the cluster, if its new pods answer the questions."""
    deploying = import_module("raftops.cluster.deploy")  # Kubernetes' client: only where there is a cluster
    reference = config.kubernetes.smoke_token
    token = os.environ.get(reference.env, "") if reference else ""
    if not token:
        named = f"{reference.env} is not set" if reference else "deploy.kubernetes.smoke_token is missing"
        raise ServiceError(f"the new pods cannot be asked: {named}", next_step="give it to the deploy step")
    answers: list[tuple[Any, float]] = []

    def ask_pod(address: str) -> None:
        progress("deploy", 2, 3, f"asking {address}")
        for question in questions:
            answer, seconds = _answer(address, token, question, timeout_seconds)
            answers.append((answer, seconds))
            if answer["release"] != new.short:
                raise ServiceError(f"{address} serves release {answer['release']}, not {new.short}")

    return deploying.put_on_cluster(new, config, deploying.Place.of(cluster), ask_pod) | _figures(answers)


def smoke_test(new: Release, questions: Sequence[str], timeout_seconds: float) -> Metrics:
    """Start the service on this release with a throw-away user, and ask. Ends it in any case.

    Raises:
        ServiceError: it does not start, refuses, or answers in another shape. Carries the end of its log.
    """
    log = new.path.with_name(f"{new.short}.log")
    with tempfile.TemporaryDirectory(prefix="raftops-smoke-") as folder:
        identity = Identity(dev_tokens=f"{folder}/tokens.json")
        token = ensure_dev_tokens(Path(identity.dev_tokens), tuple(new.access.groups))[EVERYONE].token
        launch = Launch(None, new.path, "127.0.0.1", free_port(), identity, timeout_seconds)
        with Service(launch, log) as service:
            started = service.wait_ready(READY_SECONDS, lambda s: progress("deploy", 1, 3, f"starting, {s:.0f} s"))
            progress("deploy", 2, 3, f"asking {len(questions)} questions")
            try:
                answers = [_answer(service.url, token, question, timeout_seconds) for question in questions]
            except ServiceError as error:
                raise ServiceError(f"{error}{service.last_lines()}", next_step=error.next_step) from error
    log.unlink()
    return {"start_seconds": round(started, 2)} | _figures(answers)


def _figures(answers: Sequence[tuple[Any, float]]) -> Metrics:
    return {
        "questions": float(len(answers)),
        "abstained": float(sum(answer["abstained"] for answer, _ in answers)),
        "slowest_answer_seconds": round(max((seconds for _, seconds in answers), default=0.0), 2),
    }


def _answer(url: str, token: str, question: str, timeout_seconds: float) -> tuple[Any, float]:
    """A good answer, and the seconds it took."""
    began = time.monotonic()
    answer = ask(url, token, question, timeout_seconds=timeout_seconds)
    check_shape(answer)
    return answer, time.monotonic() - began


def check_shape(answer: Any) -> None:
    """A well-formed answer has our fields and a text, and is cited or abstains or is about form only."""
    missing = [name for name in FIELDS if not isinstance(answer, dict) or name not in answer]
    if missing:
        raise ServiceError(f"an answer without {', '.join(missing)}")
    text = answer["choices"][0]["message"]["content"] if answer["choices"] else ""
    if not text or not (answer["citations"] or answer["abstained"] or answer["route"]["name"] == "behaviour"):
        raise ServiceError("an answer without text, or with neither a citation nor an abstention")
