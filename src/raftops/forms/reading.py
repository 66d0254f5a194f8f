"""Replies as values: strict JSON, XML without entities, a query without its code fence."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_FENCED = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


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


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _refuse(constant: str, *_: Any) -> None:
    raise ValueError(f"{constant} is not allowed")
