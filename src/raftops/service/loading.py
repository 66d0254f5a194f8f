"""A release to something that answers: index, router, model. No HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from raftops.answer.answering import Answerer, gather
from raftops.answer.judgement import judgement_in
from raftops.answer.router import Router
from raftops.data.records import Message
from raftops.release.release import Release
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.protocols import Generator
from raftops.retrieval.reranker import reranker_in
from raftops.service.live import Live
from raftops.service.weights import Weights

WARM_UP_TOKENS = 2
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
                router = Router(release.router, library.embedder)
                reranker = reranker_in(release.evidence)
                gather(library, _question(release), frozenset(release.access.policies), release.prompt, reranker)
                answerer = Answerer(
                    library=library,
                    generator=model.result(),
                    prompt=release.prompt,
                    router=router,
                    title=release.title,
                    max_new_tokens=release.deploy.max_new_tokens,
                    trained_policies=release.trained_policies,
                    judgement=judgement_in(release.evidence),
                    reranker=reranker,
                )
                warm_up(answerer.generator, release)
            except BaseException:
                library.close()
                raise
        sources = release.sources()
        created = int(datetime.fromisoformat(release.created).timestamp())
        log.info("opened release %s in %.1f s", release.short, time.monotonic() - began)
        return Live(release.name, release.short, created, release.access, answerer, library, sources), library.close


def warm_up(generator: Generator, release: Release) -> None:
    """A word from the model, so that the first caller does not wait for what it makes at first use.

    A short prompt does it as well as a whole one: the next answer took 1.0 s after either, 1.4 s after none.
    """
    generator.generate([Message(role="user", content=_question(release))], WARM_UP_TOKENS)


def _question(release: Release) -> str:
    return f"What is {release.title}?"
