"""What a reply is held to while it is written: a JSON Schema, a regular expression or a grammar. Knows no engine."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from raftops.data.records import Generation, Message

_SIGNS = ("*", "=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "/", "||")
_KEYWORDS = (
    "SELECT", "DISTINCT", "FROM", "JOIN", "LEFT JOIN", "ON", "AS", "WHERE", "AND", "OR", "NOT", "IN", "IS", "NULL",
    "LIKE", "BETWEEN", "EXISTS", "GROUP BY", "ORDER BY", "HAVING", "ASC", "DESC", "LIMIT", "UNION", "EXCEPT",
    "INTERSECT", "CASE", "WHEN", "THEN", "ELSE", "END",
)  # fmt: skip
_FUNCTIONS = ("COUNT", "SUM", "AVG", "MIN", "MAX", "ROUND", "ABS", "LOWER", "UPPER", "LENGTH", "COALESCE", "STRFTIME")
_META = re.compile(r'([\\"])')
WORDS = 400
"""Most words of a text that a run of words is taken from."""


@dataclass(frozen=True)
class Shape:
    """A constraint, as engines understand it."""

    kind: Literal["json_schema", "regex", "grammar"]
    text: str
    begun: str = ""
    """What is written already: the reply goes on behind it."""


@runtime_checkable
class Held(Protocol):
    """A generator whose replies can be held to a shape."""

    holds: bool
    """Whether its engine can."""

    def generate_held(self, messages: Sequence[Message], max_new_tokens: int, shape: Shape) -> Generation:
        """Greedy decoding of what the shape allows, behind what it says is begun; the text is what was added."""


def one_of(texts: Sequence[str], begun: str = "") -> Shape:
    """One of some texts, to the letter."""
    return Shape("grammar", "root ::= " + " | ".join(map(_literal, texts)), begun)


def words_of(text: str, begun: str = "") -> Shape:
    """Words of a text in a row, as a JSON string."""
    words = [json.dumps(word, ensure_ascii=False)[1:-1] for word in text.split()[:WORDS]]
    last = len(words) - 1
    rules = [
        f'w{n} ::= {_literal(word)}' + (f' (" " w{n + 1})?' if n < last else "") for n, word in enumerate(words)
    ]  # fmt: skip
    start = " | ".join(f"w{n}" for n in range(len(words)))
    return Shape("grammar", "\n".join(['root ::= " \\"" run "\\""', f"run ::= {start}", *rules]), begun)


def select_over(names: Sequence[str]) -> Shape:
    """One SELECT of SQL in which nothing is named but these tables and columns, and aliases of a letter or two."""
    rules = [
        'root ::= "SELECT " word part+ ";"',
        'part ::= " " word | "." name | "," | "(" word? | ")" | " (" word',
        'word ::= name | keyword | alias | number | text | sign | name "(" | function "("',
        "alias ::= [a-z] [a-z0-9]?",
        'number ::= [0-9]{1,9} ("." [0-9]{1,6})?',
        'text ::= "\'" [^\'\\n]{0,40} "\'"',
        "sign ::= " + " | ".join(map(_literal, _SIGNS)),
        "keyword ::= " + " | ".join(map(_literal, _KEYWORDS)),
        "function ::= " + " | ".join(map(_literal, _FUNCTIONS)),
        "name ::= " + " | ".join(map(_literal, names)),
    ]
    return Shape("grammar", "\n".join(rules))


def schema_shape(schema: dict[str, Any], begun: str = "") -> Shape:
    """A value of a JSON Schema."""
    return Shape("json_schema", json.dumps(schema, ensure_ascii=False), begun)


def _literal(text: str) -> str:
    escaped = _META.sub(r"\\\1", text).replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{escaped}"'
