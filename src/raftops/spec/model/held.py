"""What the engine that holds a model to a format cannot read, told before a run: regular expressions and grammars.

The engine (openvino-genai 2026.4, by its xgrammar) compiles both to an automaton. What Python's `re` takes and it does
not would end in an error of the engine at the first request; what it takes otherwise would be another format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_GROUPS = {
    "(?=": "looks ahead", "(?!": "looks ahead", "(?<=": "looks behind", "(?<!": "looks behind",
    "(?P<": "names a group, write (?:...)", "(?P=": "refers back to a group", "(?(": "asks whether a group matched",
    "(?>": "is an atomic group, write (?:...)", "(?#": "is a comment",
}  # fmt: skip
_ESCAPES = {
    "b": "is a word boundary", "B": "is a word boundary", "N": "names a character, write it itself",
    "A": "is an anchor, the whole reply is matched anyway", "Z": "is an anchor, the whole reply is matched anyway",
}  # fmt: skip
_KNOWN = "dDwWsSnrtfvxu0"
"""Letters behind a backslash that mean the same there and in Python."""
_CLASS = re.compile(r"\[\^?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\}")
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*")|(?P<set>\[(?:\\.|[^\]\\\n])*\])|(?P<defines>::=)"""
    r"""|(?P<repeat>\{\s*\d*\s*(?:,\s*\d*\s*)?\})|(?P<name>[A-Za-z_][\w.-]*)|(?P<mark>[|()*+?=,])|(?P<other>.)""",
    re.ASCII,
)
_ODD_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\[^abefnrtuvxU0'\"\\/?\]\[^-]")
_OTHERS = {
    '"': "opens a text that its line does not close", "[": "opens a set that its line does not close",
    "'": 'opens no text: write "..."', "/": "opens neither a comment nor an expression: a comment begins with #",
}  # fmt: skip
_MACRO = "TagDispatch"
"""A rule of the engine's own, whose arguments are none of a grammar's."""


def readable_regex(pattern: str) -> str:
    """A regular expression that the engine reads as Python does. Raises `ValueError` with the place of a fault."""
    for place, part, why in _unread(pattern):
        raise ValueError(f"at character {place + 1}, {part} {why}, which the engine cannot hold a reply to")
    return pattern


def _unread(pattern: str) -> Iterator[tuple[int, str, str]]:
    """Place, part and fault of whatever the engine does not read."""
    at, repeated = 0, False
    while at < len(pattern):
        part = pattern[at]
        again = _REPEAT.match(pattern, at)
        if again and repeated and again[0] != "?":
            yield at, again[0], "repeats a repetition"
        if again and again[0].startswith("{,"):
            yield at, again[0], f"has no least number, write {{0{again[0][1:]}"
        if part == "\\":
            yield from _escape(pattern, at)
            at += 2
        elif part == "[":
            yield from _set(pattern, at)
            whole = _CLASS.match(pattern, at)
            at = whole.end() if whole else at + 1
        elif again:
            at = again.end()
        else:
            yield from _mark(pattern, at)
            at += 2 if pattern.startswith("(?", at) else 1
        repeated = bool(again)


def _set(pattern: str, at: int) -> Iterator[tuple[int, str, str]]:
    whole = _CLASS.match(pattern, at)
    if whole is None or whole[0] in ("[]", "[^]"):
        yield at, "[]", "begins with the bracket itself, write [\\]...]"
    for found in re.finditer(r"\\.", whole[0] if whole else "", re.DOTALL):
        yield from _escape(pattern, at + found.start())


def _mark(pattern: str, at: int) -> Iterator[tuple[int, str, str]]:
    """Faults of what is neither an escape, nor a set, nor a repetition."""
    if pattern.startswith("(?", at) and not pattern.startswith("(?:", at):
        name = next((name for name in _GROUPS if pattern.startswith(name, at)), pattern[at : at + 3])
        yield at, name, _GROUPS.get(name, "sets flags for a group")
    if pattern[at] == "|" and (pattern[at - 1 : at] in ("", "|") or at + 1 == len(pattern)):
        yield at, "|", "has nothing on one side, write (...)?"
    if pattern[at] == "{":
        yield at, "{", "is no repetition, write \\{"


def _escape(pattern: str, at: int) -> Iterator[tuple[int, str, str]]:
    letter = pattern[at + 1 : at + 2]
    if letter in "123456789":
        yield at, f"\\{letter}", "refers back to a group"
    elif letter.isalpha() and letter.isascii() and letter not in _KNOWN:
        yield at, f"\\{letter}", _ESCAPES.get(letter, "is an escape of another engine")


def readable_patterns(schema: Any) -> None:
    """Every regular expression of a JSON Schema is one that the engine reads. Raises `ValueError`."""
    for key, part in schema.items() if isinstance(schema, dict) else ():
        patterns = list(part) if key == "patternProperties" and isinstance(part, dict) else []
        for pattern in [part] if key == "pattern" and isinstance(part, str) else patterns:
            try:
                readable_regex(pattern)
            except ValueError as error:
                raise ValueError(f"{key} {pattern!r}: {error}") from None
        if key not in ("const", "enum", "default", "examples"):
            for inner in part if isinstance(part, list) else (part,):
                readable_patterns(inner)


def readable_grammar(grammar: str) -> str:
    """A grammar whose rules are all there, once each, from `root`. Raises `ValueError` with the line of a fault."""
    defined, used = dict[str, int](), dict[str, int]()
    tokens = [token for token in _TOKEN.finditer(grammar) if token.lastgroup != "space"]
    for number, token in enumerate(tokens):
        line = grammar.count("\n", 0, token.start()) + 1
        begins = tokens[number + 1 : number + 2] and tokens[number + 1].lastgroup == "defines"
        if why := _wrong_token(tokens, number):
            raise ValueError(f"line {line} of the grammar: {token[0]} {why}")
        if token.lastgroup == "name" and begins:
            if token[0] in defined:
                raise ValueError(f"line {line} of the grammar: {token[0]} stands on line {defined[token[0]]}, too")
            defined[token[0]] = line
        elif token.lastgroup == "name":
            used.setdefault(token[0], line)
    if "root" not in defined:
        raise ValueError("the grammar has no rule `root ::= ...`")
    missing = {} if _MACRO in used else {name: line for name, line in used.items() if name not in defined}
    if missing:
        named = ", ".join(f"{name} (line {line})" for name, line in missing.items())
        raise ValueError(f"the grammar has no rule {named}; it has {', '.join(defined)}")
    return grammar


def _wrong_token(tokens: Sequence[re.Match[str]], number: int) -> str:
    """Why a part cannot stand where it stands; empty where it can."""
    token, after = tokens[number], tokens[number + 1 : number + 3]
    ends = not after or after[0][0] in ("|", ")") or [one.lastgroup for one in after] == ["name", "defines"]
    if token.lastgroup == "other":
        return _OTHERS.get(token[0], "is nothing that a grammar has")
    if token.lastgroup == "text" and (odd := _ODD_ESCAPE.search(token[0])):
        return f"holds {odd[0]}, which is no escape"
    if token[0] == "," and not any(one[0] == _MACRO for one in tokens):
        return "parts nothing: parts of a rule follow each other without it"
    if token[0] in ("|", "::=") and ends:
        return 'has nothing behind it: write "" for an empty text'
    if token.lastgroup == "repeat" and token[0].lstrip("{ ").startswith((",", "}")):
        return "has no least number, write {0,...}"
    depth = sum({"(": 1, ")": -1}.get(one[0], 0) for one in tokens[: number + 1])
    if depth < 0 or (depth > 0 and [one.lastgroup for one in after] in ([], ["name", "defines"])):
        return "leaves a bracket without its other half"
    return ""
