"""A release to something that answers: index, router, model. Torch is loaded for the engine `transformers` alone."""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from raftops.answering import Answerer
from raftops.errors import ModelError
from raftops.models import resolve
from raftops.release import HASH_DIGITS, Release
from raftops.releases import CONVERTED
from raftops.retrieval.hybrid import open_index
from raftops.retrieval.protocols import Generator
from raftops.router import Router
from raftops.service.app import Live

WARM_UP_TOKENS = 8
log = logging.getLogger("raftops.service")


class Loader:
    """Opens releases; two releases of the same weights share one model in memory."""

    def __init__(self) -> None:
        self._model = ""
        self._generator: Generator | None = None

    def __call__(self, release: Release) -> tuple[Live, Callable[[], None]]:
        """Open a release, put one question to it, and say how to close it."""
        began = time.monotonic()
        with ThreadPoolExecutor(1) as beside:  # the model's engine is busy outside of Python: open the index meanwhile
            model = beside.submit(self._generator_of, release)
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

    def _generator_of(self, release: Release) -> Generator:
        engine = release.deploy.engine
        if engine == "auto":
            engine = "openvino" if release.model and find_spec("openvino_genai") else "transformers"
        wanted = f"{engine} {release.parts['model']}"
        if self._generator is None or self._model != wanted:
            self._generator, self._model = open_generator(release, engine), wanted
        return self._generator


def open_generator(release: Release, engine: str) -> Generator:
    """The served weights by an engine; only that engine's module is imported."""
    if engine == "openvino" and release.model is None:
        raise ModelError(f"{release.base}: has no GGUF form", next_step="set deploy.engine: transformers")
    module: Any = importlib.import_module(f"raftops.generation.{engine}")
    generator: Generator
    if engine == "openvino":
        generator = module.OpenVinoGenerator(release.model, converted=converted(release))
    elif release.model:  # merged weights: no adapter beside them
        generator = module.TransformersGenerator(release.model, release.tokenizer)
    else:
        base = resolve(release.base)
        if base.digest != release.base_digest:
            raise ModelError(f"{release.base}: is not the model that was trained on", next_step="run the spec again")
        generator = module.TransformersGenerator(base.path, release.tokenizer, release.adapter)
    return generator


def converted(release: Release) -> Path | None:
    """Where the model's form for the engine is kept between starts; None where the releases may not be written."""
    folder = release.path.parent
    return folder / CONVERTED / release.parts["model"][:HASH_DIGITS] if os.access(folder, os.W_OK) else None


def warm_up(answerer: Answerer, release: Release) -> None:
    """One question, so that the first caller does not wait for what is built at first use. Nothing of it is kept."""
    eager = replace(answerer, max_new_tokens=WARM_UP_TOKENS, trained_policies=frozenset())
    eager.answer(f"What is {release.title}?", frozenset(release.access.policies))
