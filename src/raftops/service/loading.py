"""A release to something that answers: index, router, model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from raftops.answering import Answerer
from raftops.release import Release
from raftops.retrieval.hybrid import open_index
from raftops.router import Router
from raftops.service.app import Live
from raftops.service.weights import Weights

WARM_UP_TOKENS = 8
log = logging.getLogger("raftops.service")


class Loader:
    """Opens releases over the weights that are in memory."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __call__(self, release: Release) -> tuple[Live, Callable[[], None]]:
        """Open a release, put one question to it, and say how to close it."""
        began = time.monotonic()
        with ThreadPoolExecutor(1) as beside:  # the model's engine is busy outside of Python: open the index meanwhile
            model = beside.submit(self._weights.of, release)
            library = open_index(release.index, release.prompt.dense_share)
        try:
            answerer = Answerer(
                library=library,
                generator=model.result(),
                prompt=release.prompt,
                router=Router(release.router, library.embedder),
                title=release.title,
                max_new_tokens=release.deploy.max_new_tokens,
                trained_policies=release.trained_policies,
            )
            warm_up(answerer, release)
        except BaseException:
            library.close()
            raise
        created = int(datetime.fromisoformat(release.created).timestamp())
        log.info("opened release %s in %.1f s", release.short, time.monotonic() - began)
        return Live(release.name, release.short, created, release.access, answerer), library.close


def warm_up(answerer: Answerer, release: Release) -> None:
    """One question, so that the first caller does not wait for what is built at first use. Nothing of it is kept."""
    eager = replace(answerer, max_new_tokens=WARM_UP_TOKENS, trained_policies=frozenset())
    eager.answer(f"What is {release.title}?", frozenset(release.access.policies))
