"""Text to token ids and back, with the chat template, from a tokenizer folder or a GGUF of ours. No transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from raftops.data.records import Message
from raftops.errors import ModelError
from raftops.files import read_json
from raftops.generation.chat import ChatTemplate
from raftops.generation.header import read_header

TOKENIZER_KEY = "tokenizer.huggingface.json"
TEMPLATE_KEY = "tokenizer.chat_template"
BOS_KEY, EOS_KEY, EOT_KEY = (f"tokenizer.ggml.{kind}_token_id" for kind in ("bos", "eos", "eot"))


@dataclass(frozen=True)
class ChatTokenizer:
    """A tokenizer, its chat template and the tokens that end a turn."""

    tokenizer: Tokenizer
    template: ChatTemplate
    stop_ids: frozenset[int]

    @classmethod
    def of(cls, path: Path) -> ChatTokenizer:
        """From a tokenizer folder (tokenizer.json, tokenizer_config.json) or a GGUF file."""
        return _of_folder(path) if path.is_dir() else _of_gguf(path)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """What the model reads."""
        return self.encode(self.template.render(messages))

    def encode(self, text: str) -> list[int]:
        """Token ids, none added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text without special tokens; a character that the token limit cut in the middle is left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).rstrip("\ufffd")

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self.encode(text))


def _of_folder(folder: Path) -> ChatTokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"{folder}: no tokenizer.json", next_step="run the step train again")
    config = read_json(folder / "tokenizer_config.json")
    jinja = folder / "chat_template.jinja"
    source = jinja.read_text(encoding="utf-8") if jinja.is_file() else config.get("chat_template")
    eos, bos = _content(config.get("eos_token")), _content(config.get("bos_token"))
    tokenizer = Tokenizer.from_file(str(file))
    return _checked(folder, tokenizer, source, {tokenizer.token_to_id(eos)} if eos else set(), bos, eos)


def _of_gguf(path: Path) -> ChatTokenizer:
    header = read_header(path, {TOKENIZER_KEY, TEMPLATE_KEY, BOS_KEY, EOS_KEY, EOT_KEY})
    if TOKENIZER_KEY not in header:
        raise ModelError(
            f"{path}: has no {TOKENIZER_KEY}; only GGUF files that the step train wrote can be served",
            next_step="name a file below adapters/served/",
        )
    tokenizer = Tokenizer.from_str(header[TOKENIZER_KEY])
    stops = {header[key] for key in (EOS_KEY, EOT_KEY) if key in header}
    bos, eos = (tokenizer.id_to_token(header[key]) if key in header else "" for key in (BOS_KEY, EOS_KEY))
    return _checked(path, tokenizer, header.get(TEMPLATE_KEY), stops, bos, eos)


def _checked(  # noqa: PLR0913  one argument per part of a tokenizer
    path: Path, tokenizer: Tokenizer, source: Any, stops: set[int | None], bos: str | None, eos: str | None
) -> ChatTokenizer:
    ids = frozenset(i for i in stops if i is not None)
    if not isinstance(source, str) or not ids:
        missing = "no end-of-turn token" if isinstance(source, str) else "no chat template"
        raise ModelError(f"{path}: the tokenizer has {missing}", next_step="use an instruct model as `models.base`")
    return ChatTokenizer(tokenizer, ChatTemplate(source, bos or "", eos or ""), ids)


def _content(token: Any) -> str:
    """A special token as tokenizer_config.json writes it: a string, an object or null."""
    return str(token["content"]) if isinstance(token, dict) else str(token or "")
