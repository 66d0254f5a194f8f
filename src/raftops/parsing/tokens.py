"""Counts the embedder's tokens of any slice of a document from one pass of its tokenizer over the text."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from raftops.errors import ModelError

_PIECE_CHARS = 100_000


class TokenMap:
    """Where each token of a text starts."""

    def __init__(self, starts: array[int]) -> None:
        self._starts = starts

    def count(self, start: int, end: int) -> int:
        """Tokens that start inside `text[start:end]`."""
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def after(self, start: int, tokens: int) -> int | None:
        """Where the token that comes `tokens` after `start` begins, or None beyond the end."""
        index = bisect_left(self._starts, start) + tokens
        return self._starts[index] if index < len(self._starts) else None


def load_tokenizer(model: Path) -> Any:
    """The tokenizer of a model folder, without truncation, padding or special tokens in what `token_map` counts."""
    file = model / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"{model}: no tokenizer.json", next_step="name an embedder with a fast tokenizer")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises a bare Exception for any broken file
        raise ModelError(f"{file}: not a tokenizer ({error})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_map(tokenizer: Any, text: str) -> TokenMap:
    """Tokenise a text, in pieces of bounded size that end at white space where there is any."""
    starts = array("q")
    position = 0
    while position < len(text):
        end = _piece_end(text, position)
        encoding = tokenizer.encode(text[position:end], add_special_tokens=False)
        starts.extend(position + start for start, stop in encoding.offsets if stop > start)
        position = end
    return TokenMap(starts)


def _piece_end(text: str, position: int) -> int:
    end = position + _PIECE_CHARS
    if end >= len(text):
        return len(text)
    line = text.rfind("\n", position + 1, end)
    return line if line > 0 else max(text.rfind(" ", position + 1, end), 0) or end
