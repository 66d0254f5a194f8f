"""A tokenizer's own chat template, rendered without transformers, to the same text as `apply_chat_template`.

Templates come with models and are run in a sandbox. Tools, documents and images are not passed to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from raftops.data.records import Message
from raftops.errors import ModelError


@dataclass(frozen=True)
class ChatTemplate:
    """A template and the special tokens it may name."""

    source: str
    bos: str = ""
    eos: str = ""

    def render(self, messages: Sequence[Message]) -> str:
        """The text that the model reads, up to and with the opening of its own turn."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        try:
            return _compiled(self.source).render(
                messages=turns, add_generation_prompt=True, bos_token=self.bos, eos_token=self.eos, tools=None
            )
        except TemplateError as error:
            raise ModelError(f"the model's chat template refuses these messages: {error}") from error


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise ModelError(f"the model's chat template cannot be read: {error}") from error


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
