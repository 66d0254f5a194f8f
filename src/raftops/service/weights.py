"""The model of a release, in memory. Torch is loaded for the engine `transformers` alone.

Loading takes longest of all that a start does, and the engine does it outside of Python: it begins before the rest of
the service is imported.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from importlib.util import find_spec
from threading import Lock, Thread
from typing import Any

from raftops.errors import ModelError, RaftopsError
from raftops.extras import of_extra
from raftops.models import resolve
from raftops.release.release import Release
from raftops.retrieval.protocols import Generator
from raftops.service.settings import Settings


class Weights:
    """Keeps one model; two releases of the same weights share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._model = ""
        self._generator: Generator | None = None

    def begin(self, settings: Settings) -> None:
        """Load in the background what will be served. What goes wrong is said by whoever opens the release.

        The engine's module is imported here and not beside other imports: two threads that import packages which
        import each other's parts get half of them.
        """
        with suppress(RaftopsError, OSError):
            release = settings.open()
            if _engine(release) == "openvino":
                importlib.import_module("raftops.generation.openvino")
                Thread(target=self._try, args=(release,), name="raftops-weights", daemon=True).start()

    def _try(self, release: Release) -> None:
        with suppress(RaftopsError, OSError):
            self.of(release)

    def of(self, release: Release) -> Generator:
        """What generates for a release; loads it if it is not in memory."""
        engine = _engine(release)
        wanted = f"{engine} {release.parts['model']}"
        with self._lock:
            if self._generator is None or self._model != wanted:
                self._generator, self._model = open_generator(release, engine), wanted
            return self._generator


def _engine(release: Release) -> str:
    """The engine that the release asks for, or the one that fits it here."""
    if release.deploy.engine != "auto":
        return release.deploy.engine
    return "openvino" if release.model and find_spec("openvino_genai") else "transformers"


def open_generator(release: Release, engine: str) -> Generator:
    """The served weights by an engine; only that engine's module is imported."""
    if engine == "openvino" and release.model is None:
        raise ModelError(f"{release.base}: has no GGUF form", next_step="set deploy.engine: transformers")
    generator: Generator
    if engine == "openvino":
        module: Any = importlib.import_module("raftops.generation.openvino")
        generator = module.OpenVinoGenerator(release.model, words=bool(release.prompt.formats))
        return generator
    if release.deploy.engine == engine:
        why = "deploy.engine is transformers"
    else:
        why = "openvino-genai is not installed" if release.model else f"{release.base} has no GGUF form for OpenVINO"
    module = of_extra("raftops.generation.transformers", "generation", why)
    if release.model:  # merged weights: no adapter beside them
        generator = module.TransformersGenerator(release.model, release.tokenizer)
    else:
        base = resolve(release.base)
        if base.digest != release.base_digest:
            raise ModelError(f"{release.base}: is not the model that was trained on", next_step="run the spec again")
        generator = module.TransformersGenerator(base.path, release.tokenizer, release.adapter)
    return generator
