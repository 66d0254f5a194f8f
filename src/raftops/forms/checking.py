"""Does a reply have its form? An example's checks, one function each, without a model and bounded in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import import_module
from typing import Any

from raftops.data.checks import Checks, Readability, SqlCheck, XmlCheck
from raftops.forms.patience import Patience, patient
from raftops.forms.readability import reading_ease
from raftops.forms.reading import json_value, query_of, xml_of
from raftops.forms.sql_rows import Database, SqlFault

REGEX_SECONDS = 1.0
"""Longest that a regular expression may take."""
_HEADING = r"^[\s#*_\d.)-]*{}[\s*_]*(?::.*)?$"


def failed_checks(text: str, checks: Checks) -> list[str]:
    """The checks that a reply about form does not pass, in words; `not_contains` ignores case, `contains` does not."""
    wanted = [(look, getattr(checks, name)) for name, look in LOOKS.items()]
    return [failed for look, value in wanted if value is not None for failed in look(text, value)]


def keys_wrong(text: str, keys: Sequence[str]) -> list[str]:
    """Not one strict JSON object with these keys."""
    value = json_value(text)
    if not isinstance(value, dict):
        return ["not one strict JSON object"]
    return [] if sorted(value) == sorted(keys) else [f"keys {sorted(value)}, wanted {sorted(keys)}"]


def schema_wrong(text: str, schema: dict[str, Any]) -> list[str]:
    """Not one strict JSON value that a schema holds for."""
    value = json_value(text)
    if value is None and text.strip() != "null":
        return ["not one strict JSON value"]
    library = import_module("jsonschema")  # only where a schema is checked
    kind = library.validators.validator_for(schema, library.Draft202012Validator)
    # Named at the top, the dialect would be looked up again at each reference, without our limit of time.
    schema = {name: part for name, part in schema.items() if name != "$schema"}
    checker = patient(kind, Patience(REGEX_SECONDS))(schema, format_checker=kind.FORMAT_CHECKER)
    try:
        return [f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(value)]
    except TimeoutError:
        return [f"matching the patterns of the schema took more than {REGEX_SECONDS:g} s"]
    except import_module("regex").error as error:
        return [f"a pattern of the schema cannot be used ({error})"]
    except RecursionError:
        return ["the schema leads back to itself without end"]
    except import_module("referencing").exceptions.Unresolvable as error:
        return [f"the schema names {error.ref}, which it does not have"]


def xml_wrong(text: str, check: XmlCheck) -> list[str]:
    """Not one XML document with this root and these elements."""
    root = xml_of(text)
    if root is None:
        return ["not one XML document without a document type"]
    if root.tag != check.root:
        return [f"the root is <{root.tag}>, wanted <{check.root}>"]
    return [f"no element {path}" for path in check.paths if root.find(path) is None]


def sql_wrong(text: str, check: SqlCheck) -> list[str]:
    """Not a query that runs; nor may one that is said to be as right fail."""
    try:
        with closing(Database(check.setup)) as database:
            for query in (query_of(text), *check.accepted):
                database.rows(query)
    except SqlFault as fault:
        return [f"SQL: {fault}"]
    return []


def unmatched(text: str, pattern: str) -> list[str]:
    """No match of the whole text."""
    library = import_module("regex")  # Python's own knows no limit of time
    try:
        return [] if library.fullmatch(pattern, text, timeout=REGEX_SECONDS) else [f"does not match {pattern}"]
    except TimeoutError:
        return [f"matching {pattern} took more than {REGEX_SECONDS:g} s"]


def sections_wrong(text: str, sections: Sequence[str]) -> list[str]:
    """Headings that are missing or out of order."""
    wrong, end = [], 0
    for section in sections:
        heading = re.compile(_HEADING.format(re.escape(section)), re.IGNORECASE | re.MULTILINE)
        if found := heading.search(text, end):
            end = found.end()
        else:
            wrong.append(f"the section {section!r} is {'out of order' if heading.search(text) else 'missing'}")
    return wrong


def hard_to_read(text: str, wanted: Readability) -> list[str]:
    """A reading ease out of bounds."""
    ease = reading_ease(text, wanted.language)
    if (wanted.min is None or ease >= wanted.min) and (wanted.max is None or ease <= wanted.max):
        return []
    bounds = wanted.model_dump(exclude={"language"}, exclude_none=True)
    return [f"reading ease {ease:.0f}, wanted {' and '.join(f'{k} {v:g}' for k, v in bounds.items())}"]


def _too(word: str, unit: str, count: Callable[[str], int]) -> Callable[[str, int], list[str]]:
    """A bound on a length: `most` or `least`."""

    def look(text: str, bound: int) -> list[str]:
        there = count(text)
        good = there <= bound if word == "most" else there >= bound
        return [] if good else [f"{there} {unit}, at {word} {bound} wanted"]

    return look


def _words(text: str) -> int:
    return len(text.split())


LOOKS: dict[str, Callable[[str, Any], list[str]]] = {
    "json_keys": keys_wrong,
    "json_schema": schema_wrong,
    "xml": xml_wrong,
    "sql": sql_wrong,
    "matches": unmatched,
    "sections": sections_wrong,
    "readability": hard_to_read,
    "max_words": _too("most", "words", _words),
    "min_words": _too("least", "words", _words),
    "max_chars": _too("most", "characters", len),
    "contains": lambda text, wanted: [f"lacks {words!r}" for words in wanted if words not in text],
    "not_contains": lambda text, banned: [f"says {words!r}" for words in banned if words.lower() in text.lower()],
}
"""What looks for each check, by its name in an example."""
