"""Which teacher is meant: that of the spec, its base model, any model source, or none. Loads models; asks nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from raftops.errors import SpecError
from raftops.examples.teacher import Endpoint, Local, Teacher
from raftops.models import resolve
from raftops.retrieval.protocols import Generator
from raftops.spec.load import LoadedSpec
from raftops.spec.mask import masked

SCHEMES = ("hf://", "file://", "package://")


def teacher_of(loaded: LoadedSpec, named: str, seed: int) -> Teacher | None:
    """The teacher: `named` is `base`, a source or `none`; empty takes that of the spec.

    Raises:
        SpecError: it is none of these, or its key is not set.
    """
    models = loaded.assistant.spec.models
    if named == "none" or (not named and models.teacher is None):
        return None
    if not named and models.teacher and models.teacher.url:
        return Endpoint.of(models.teacher, seed)
    if named.startswith(("http://", "https://")):  # its model, key and prices belong to it
        message = f"the teacher {masked(named)} is an address; a service stands in the spec as models.teacher"
        step = "models: {teacher: {url: ADDRESS, model: NAME}} in an overlay, then without --teacher"
        raise SpecError(message, next_step=step)
    source = {"": models.teacher.model if models.teacher else "", "base": models.base}.get(named, named)
    if not source.startswith(SCHEMES):
        raise SpecError(
            f"the teacher {source!r} is no model source", next_step=f"base, none, or one of {', '.join(SCHEMES)}"
        )
    return _local(source, loaded.root / loaded.assistant.spec.platform.store / "cache", loaded.root)


def _local(source: str, cache: Path, root: Path) -> Local:
    """A model on this machine, in the form that is served here; by transformers where it has no such form."""
    tune, served = import_module("raftops.training.tune"), import_module("raftops.training.served")
    absolute = f"file://{root / source.removeprefix('file://')}" if source.startswith("file://") else source
    base = tune.find_base(absolute, cache)
    if served.why_not(base):
        transformers = import_module("raftops.generation.transformers")
        model: Generator = transformers.TransformersGenerator(resolve(absolute, cache).path, base.folder, None)
        tokenizer = import_module("raftops.training.base").load_tokenizer(base.folder)
        return Local(source, model, lambda text: len(tokenizer(text)["input_ids"]))
    generator = import_module("raftops.generation.openvino").OpenVinoGenerator(served.served_gguf(base, None, cache))
    return Local(source, generator, generator.count_tokens)
