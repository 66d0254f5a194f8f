"""Takes Liquid and Jinja tags out of Markdown before it is parsed, so that a link whose target is a tag stays a link.

Code is left alone, the content of `raw` stays, the content of `comment` goes. Line numbers do not change.
"""

from __future__ import annotations

import re

_SCAN = re.compile(
    r"(?P<code>^[ \t>]*(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})[^\n]*\n.*?(?:^[ \t>]*(?P=fence)|\Z)"
    r"|(?P<tick>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=tick)(?!`))"
    r"|\{%-?[ \t]*(?P<pair>comment|raw)[ \t]*-?%\}"
    r"|\{%.{0,2000}?%\}|\{\{.{0,500}?\}\}|\{[:#][^{}\n]{0,500}\}",
    re.DOTALL | re.MULTILINE,
)
_END = {name: re.compile(rf"\{{%-?[ \t]*end{name}[ \t]*-?%\}}") for name in ("comment", "raw")}


def without_templates(text: str) -> str:
    """The text without `{% tags %}`, `{{ values }}` and `{: .attributes}`; every newline is kept."""
    if "{" not in text:
        return text
    parts: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while found := _SCAN.search(text, position):
        parts.append(text[position : found.start()])
        position = found.end()
        pair = found["pair"]
        end = _END[pair].search(text, position) if pair and pair not in unclosed else None
        if found["code"]:
            parts.append(found[0])
        elif end:
            inner = text[position : end.start()]
            parts.append(inner if pair == "raw" else _newlines(inner))
            position = end.end()
        else:
            unclosed |= {pair} if pair else set()
            parts.append(_newlines(found[0]))
    return "".join([*parts, text[position:]])


def _newlines(text: str) -> str:
    return "\n" * text.count("\n")
