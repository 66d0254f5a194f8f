"""Are a reply's values those of the reference? Compared field by field, or by the rows that a query returns."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from xml.etree.ElementTree import Element

from raftops.data.checks import Checks, SqlCheck
from raftops.forms.reading import json_value, query_of, xml_of
from raftops.forms.sql_rows import Database, SqlFault, is_ordered, same_rows


def differences(text: str, answer: str, checks: Checks) -> list[str] | None:
    """Where a reply's values are not those of the reference, field by field; None where there are none to compare."""
    if checks.sql:
        return rows_differ(text, answer, checks.sql)
    try:
        return _fields_differ(text, answer, checks)
    except RecursionError:
        return ["is nested too deep to compare"]


def _fields_differ(text: str, answer: str, checks: Checks) -> list[str] | None:
    if checks.xml:
        wanted = xml_of(answer)
        return None if wanted is None else _differ(_leaves(xml_of(text)), _leaves(wanted))
    wanted_value = json_value(answer) if checks.has_values else None
    return None if wanted_value is None else _differ(_flat(json_value(text)), _flat(wanted_value))


def rows_differ(text: str, answer: str, check: SqlCheck) -> list[str]:
    """Where a query does not return the rows of the answer's, nor of another that is as right."""
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
