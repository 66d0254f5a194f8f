"""How a compiled pipeline is written: YAML that people review, and that every reader of YAML takes for the same thing.

Kubeflow's SDK writes one line for each value and folds texts at 80 columns. Here programs are written as they are, and
what is small on one line; the documents are the same. Servers read YAML in Go, where more plain words are numbers,
times or truth values than in Python (`1e5`, `08`, `y`): those are quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

LINE = 120
"""Longest value, as Python shows it, that is kept on one line."""
DEPTH = 2
"""Most levels of a value that is kept on one line."""
_NOT_A_TEXT_IN_GO = re.compile(
    r"[-+]?(\.[\d_]+|[\d_]+(\.[\d_]*)?)([eE][-+]?\d+)?|[-+]?0[xXoObB][\da-fA-F_]+"
    r"|\d{4}-\d\d?-\d\d?([Tt ].*)?|[yYnN]"
)
"""What Go's readers, of YAML 1.1 or 1.2, take for a number, a time or a truth value where it is not quoted."""
_EXACT = 2**53
"""From here on not every whole number is a number of JSON."""
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def ir_text(documents: Iterable[Mapping[str, Any]]) -> str:
    """The documents of a pipeline as one file."""
    return str(yaml.dump_all(list(documents), Dumper=_Reviewed, width=10**6, sort_keys=True))


class _Reviewed(_Dumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written where it is used: an alias is hard to review."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """On one line where it is small."""
        return super().represent_mapping(tag, mapping, flow_style=_is_small(mapping))

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        """On one line where it is small."""
        return super().represent_sequence(tag, sequence, flow_style=_is_small(sequence))


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else "'" if _NOT_A_TEXT_IN_GO.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(dumper: Any, value: float) -> Any:
    """Numbers of JSON are of one kind; whole ones need no fraction."""
    whole = value.is_integer() and abs(value) < _EXACT
    return dumper.represent_int(int(value)) if whole else dumper.represent_float(value)


def _is_small(value: Any) -> bool:
    """Whether something is written on one line: short, of few levels, and no text of several lines in it."""
    return _depth(value) <= DEPTH and len(shown := str(value)) <= LINE and "\\n" not in shown


def _depth(value: Any) -> int:
    """Levels of mappings and lists."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


_Reviewed.add_representer(str, _text)
_Reviewed.add_representer(float, _number)
