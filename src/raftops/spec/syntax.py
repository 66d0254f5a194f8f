"""Broken YAML in plain sentences: what the parser says, as what a person should do, where they should look."""

from __future__ import annotations

import yaml

from raftops.spec.position import Located, Place, Source

_OPENED = {
    "quoted scalar": "this quoted text is never closed",
    "flow sequence": "this list is not closed by ], or a comma is missing in it",
    "flow mapping": "this mapping is not closed by }, or a comma is missing in it",
}
_SAID = {
    "expected node content": "a value is missing here, or a bracket is not closed",
    "mapping values are not allowed": "a colon is not expected here; "
    "put text that holds ': ' in quotes, or mend the indentation",
    "block mapping": "this line does not fit the mapping above it; mend its indentation",
    "block collection": "this line does not fit the list above it; mend its indentation",
    "unknown escape": "this backslash is no escape that YAML knows; use single quotes",
    "tag": "tags are not allowed; write a plain value",
    "alias": "anchors (&) and aliases (*) are not allowed; put text that begins with * in quotes",
    "anchor": "anchors and aliases are not allowed; write the value out",
    "incompatible": "the %YAML version is not known; remove the directive",
    "directive": "lines that start with % are not allowed; remove this one",
    "<document start>": "a document ended above, and this stands outside it; mend the indentation or remove it",
    "block scalar": "this text block is not well-formed; mend its indentation or its | or > line",
}


def syntax_problem(error: yaml.YAMLError, source: Source) -> Located:
    """The parser's error, located and in words."""
    problem = str(getattr(error, "problem", None) or "cannot be parsed")
    context = str(getattr(error, "context", None) or "")
    mark, opened = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    place = _place(mark, source)
    line = source.lines[place.line - 1] if place.line else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Located(place, "", "a tab stands in the indentation; YAML takes spaces only")
    for phrase, message in _OPENED.items():
        if phrase in context and opened is not None and "escape" not in problem:
            return Located(_place(opened, source), "", message)
    if "simple key" in context and opened is not None:
        return Located(_place(opened, source), "", "a colon is missing after this key")
    if "cannot start any token" in problem:
        what = f"the character {line[place.column - 1]!r}" if place.column <= len(line) else "what stands here"
        return Located(place, "", f"{what} cannot start a value; put the text in quotes")
    said = next((message for phrase, message in _SAID.items() if phrase in f"{problem} {context}"), None)
    return Located(place, "", said or f"is not well-formed YAML ({problem})")


def _place(mark: yaml.Mark | None, source: Source) -> Place:
    if mark is None:
        return Place(source)
    line = min(mark.line, len(source.lines) - 1)
    column = mark.column if line == mark.line else len(source.lines[line])
    while line > 0 and not source.lines[line].strip():
        line, column = line - 1, len(source.lines[line - 1])
    return Place(source, line + 1, column + 1)
