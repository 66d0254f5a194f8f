"""Does a reply have its form, and are its values right? An example's checks, without a model and bounded in time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from raftops.data.checks import Checks, SqlCheck, XmlCheck
from raftops.forms.readability import reading_ease
from raftops.forms.sql_rows import Database, SqlFault, is_ordered, same_rows

REGEX_SECONDS = 1.0
"""Longest that a regular expression may take."""
_FENCED = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_HEADING = r"^[\s#*_\d.)-]*{}[\s*_]*(?::.*)?$"


def failed_checks(text: str, checks: Checks) -> list[str]:
    """The checks that a reply about form does not pass, in words; `not_contains` ignores case, `contains` does not."""
    return list(_failed(text, checks))


def _failed(text: str, checks: Checks) -> Iterator[str]:
    if checks.json_keys is not None:
        yield from _keys_wrong(text, checks.json_keys)
    if checks.json_schema is not None:
        yield from _schema_wrong(text, checks.json_schema)
    if checks.xml:
        yield from _xml_wrong(text, checks.xml)
    if checks.sql:
        yield from _sql_wrong(text, checks.sql)
    if checks.matches:
        yield from _unmatched(text, checks.matches)
    yield from _sections_wrong(text, checks.sections)
    yield from _length_wrong(text, checks)
    yield from (f"lacks {wanted!r}" for wanted in checks.contains if wanted not in text)
    yield from (f"says {banned!r}" for banned in checks.not_contains if banned.lower() in text.lower())


def differences(text: str, answer: str, checks: Checks) -> list[str] | None:
    """Where a reply's values are not those of the reference, field by field; None where there are none to compare."""
    if checks.sql:
        return _rows_differ(text, answer, checks.sql)
    if checks.xml:
        wanted = xml_of(answer)
        return None if wanted is None else _differ(_leaves(xml_of(text)), _leaves(wanted))
    wanted_value = json_value(answer) if checks.has_values else None
    return None if wanted_value is None else _differ(_flat(json_value(text)), _flat(wanted_value))


def json_value(text: str) -> Any:
    """A whole text as strict JSON (no NaN, no repeated keys), or None."""
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def xml_of(text: str) -> Element | None:
    """A whole text as one XML element, or None; a document type, so every entity of its own, is refused."""
    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes)
    parser.EndElementHandler = lambda tag: builder.end(tag)
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(text.strip(), True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError):
        return None


def query_of(text: str) -> str:
    """The query of a reply, without a code fence around it."""
    fenced = _FENCED.fullmatch(text)
    return (fenced[1] if fenced else text).strip()


def _keys_wrong(text: str, keys: Sequence[str]) -> list[str]:
    value = json_value(text)
    if not isinstance(value, dict):
        return ["not one strict JSON object"]
    return [] if sorted(value) == sorted(keys) else [f"keys {sorted(value)}, wanted {sorted(keys)}"]


def _schema_wrong(text: str, schema: dict[str, Any]) -> list[str]:
    value = json_value(text)
    if value is None and text.strip() != "null":
        return ["not one strict JSON value"]
    library = import_module("jsonschema")  # only where a schema is checked
    kind = library.validators.validator_for(schema, library.Draft202012Validator)
    checker = kind(schema, format_checker=kind.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(value)]


def _xml_wrong(text: str, check: XmlCheck) -> list[str]:
    root = xml_of(text)
    if root is None:
        return ["not one XML document without a document type"]
    if root.tag != check.root:
        return [f"the root is <{root.tag}>, wanted <{check.root}>"]
    return [f"no element {path}" for path in check.paths if root.find(path) is None]


def _sql_wrong(text: str, check: SqlCheck) -> list[str]:
    try:
        with closing(Database(check.setup)) as database:
            database.rows(query_of(text))
            for query in check.accepted:
                database.rows(query)
    except SqlFault as fault:
        return [f"SQL: {fault}"]
    return []


def _rows_differ(text: str, answer: str, check: SqlCheck) -> list[str]:
    try:
        with closing(Database(check.setup)) as database:
            said = database.rows(query_of(text))
            for query in (answer, *check.accepted):
                ordered = is_ordered(query) if check.ordered is None else check.ordered
                if same_rows(said, database.rows(query), ordered):
                    return []
    except SqlFault as fault:
        return [str(fault)]
    return [f"{len(said)} rows that no right query returns"]


def _unmatched(text: str, pattern: str) -> list[str]:
    library = import_module("regex")  # Python's own knows no limit of time
    try:
        return [] if library.fullmatch(pattern, text, timeout=REGEX_SECONDS) else [f"does not match {pattern}"]
    except TimeoutError:
        return [f"matching {pattern} took more than {REGEX_SECONDS:g} s"]


def _sections_wrong(text: str, sections: Sequence[str]) -> Iterator[str]:
    end = 0
    for section in sections:
        heading = re.compile(_HEADING.format(re.escape(section)), re.IGNORECASE | re.MULTILINE)
        if found := heading.search(text, end):
            end = found.end()
        else:
            yield f"the section {section!r} " + ("is out of order" if heading.search(text) else "is missing")


def _length_wrong(text: str, checks: Checks) -> Iterator[str]:
    words = len(text.split())
    if checks.max_words is not None and words > checks.max_words:
        yield f"{words} words, at most {checks.max_words} wanted"
    if checks.min_words is not None and words < checks.min_words:
        yield f"{words} words, at least {checks.min_words} wanted"
    if checks.max_chars is not None and len(text) > checks.max_chars:
        yield f"{len(text)} characters, at most {checks.max_chars} wanted"
    if checks.readability:
        ease, wanted = reading_ease(text, checks.readability.language), checks.readability
        if (wanted.min is not None and ease < wanted.min) or (wanted.max is not None and ease > wanted.max):
            bounds = " and ".join(
                f"{n} {getattr(wanted, n):g}" for n in ("min", "max") if getattr(wanted, n) is not None
            )
            yield f"reading ease {ease:.0f}, wanted {bounds}"


def _differ(said: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The fields that differ; true is not 1."""
    names = [*wanted, *(name for name in said if name not in wanted)]
    pairs = [(name, said.get(name, _ABSENT), wanted.get(name, _ABSENT)) for name in names]
    return [f"{n}: {a!r}, wanted {b!r}" for n, a, b in pairs if a != b or isinstance(a, bool) != isinstance(b, bool)]


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def _flat(value: Any, path: str = "$") -> dict[str, Any]:
    """A JSON value as its leaves by path."""
    if isinstance(value, dict) and value:
        return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{path}.{name}").items()}
    if isinstance(value, list) and value:
        return {k: v for n, inner in enumerate(value) for k, v in _flat(inner, f"{path}[{n}]").items()}
    return {path: value}


def _leaves(element: Element | None, path: str = "") -> dict[str, Any]:
    """An XML element as the texts of its leaves by path; of elements with one name, the second is `name[2]`."""
    if element is None:
        return {}
    path = f"{path}/{element.tag}"
    found: dict[str, Any] = {f"{path}@{name}": value for name, value in element.attrib.items()}
    if not len(element):
        return found | {path: (element.text or "").strip()}
    for child in element:
        for name, text in _leaves(child, path).items():
            number, free = 2, name
            while free in found:
                free, number = f"{name}[{number}]", number + 1
            found[free] = text
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _refuse(constant: str, *_: Any) -> None:
    raise ValueError(f"{constant} is not allowed")
