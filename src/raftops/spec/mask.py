"""What must never be echoed: values whose key or form says that they are secrets. For messages only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

HIDDEN = "***"
MOST_ABOVE = 500
"""Lines that the value of one key may run over and still be known as its value."""
_NAME = (
    r"(?:token|pass(?:word|wd|phrase|code)?|pwd|secret|(?:api|access|private|secret)[_-]?key|credentials?"
    r"|bearer|authorization)"
)
_KEY = re.compile(rf"{_NAME}$", re.IGNORECASE)
_PAIR = re.compile(rf"""(?P<key>{_NAME}["']?\s*:)(?P<gap>\s+|$|(?=["']))(?P<value>\S.*)?""", re.IGNORECASE)
_FORM = re.compile(
    r"hf_[A-Za-z0-9]{16,}|gh[a-z]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|AKIA[A-Z0-9]{12,}"
    r"|xox[a-z]-[\w-]{10,}|eyJ[\w-]{8,400}\.[\w-]*(?:\.[\w-]*)?|-----BEGIN.*|(?<=://)[^/\s@]{1,200}:[^/\s@]{1,200}(?=@)"
)


def is_secret_key(key: object) -> bool:
    """Whether a key names a secret given by value: token, password, apiKey, `db_secret`; not `max_new_tokens`."""
    return isinstance(key, str) and _KEY.search(key) is not None


def masked(text: str) -> str:
    """A text without what has the form of a well-known secret (tokens, private keys, passwords in addresses)."""
    return _FORM.sub(HIDDEN, text)


def masked_line(lines: Sequence[str], number: int) -> str:
    """Line `number` (from 1) as it may be shown: what follows a secret's key is hidden, beside it and below."""
    line = lines[number - 1]
    if _below_a_secret(lines, number):
        indent = line[: len(line) - len(line.lstrip())]
        return indent + HIDDEN
    return _masked_pairs(line)


@lru_cache(maxsize=16)
def _masked_pairs(line: str) -> str:
    """The line without values beside a secret's key; kept, because many problems may stand on one long line."""
    return masked(_PAIR.sub(lambda m: m["key"] + m["gap"] + HIDDEN if m["value"] else m[0], line))


def _below_a_secret(lines: Sequence[str], number: int) -> bool:
    """Whether the line continues the value of a secret's key: deeper than that key, and no mapping of its own."""
    depth = _indent(lines[number - 1])
    if re.match(r"\s*(- )?[\w.-]+\s*:(\s|$)", lines[number - 1]):
        return False
    for above in reversed(lines[max(0, number - 1 - MOST_ABOVE) : number - 1]):
        if not above.strip() or above.lstrip().startswith("#") or _indent(above) >= depth > 0:
            continue
        pair = _PAIR.search(above)
        # A quoted value goes on at any depth until its quote is closed.
        open_quote = above.count('"') % 2 == 1 or above.count("'") % 2 == 1
        return pair is not None and (depth > _indent(above) or open_quote)
    return False


def _indent(line: str) -> int:
    """Depth of a line; a tab, which YAML refuses, counts as deep."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(100))
