"""The pages of the docs site that are written by the code: the spec's settings, the commands, the schemas.

They are made from the models and the command line when the site is built, so they cannot lag behind. What a setting
means stands under its field in `src/raftops/spec/model/`; nothing is worded here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from pipelines.cli.app import app
from raftops.spec.schema import json_schema

ROOT = Path(__file__).parents[1]
BOUNDS = {
    "minimum": "{:g} or more", "exclusiveMinimum": "more than {:g}", "maximum": "{:g} or less",
    "exclusiveMaximum": "less than {:g}", "minLength": "{} characters or more", "maxLength": "{} characters or less",
    "minItems": "{} or more", "maxItems": "{} or less",
}  # fmt: skip
"""What the schema's words for a bound are called."""
Schema = Mapping[str, Any]


def spec_page() -> str:
    """Every setting of a spec: a table for each section, at the first path that has it."""
    schema = json_schema()
    sections = {"": (schema, "The file")}
    for name, path in _sections(schema, "", schema["definitions"], set()):
        sections[name] = (schema["definitions"][name], path)
    anchors = {name: _anchor(path) for name, (_, path) in sections.items()}
    count = sum(len(node["properties"]) for node, _ in sections.values())
    lines = [
        "# The spec, setting by setting",
        "",
        f"{count} settings, as `raftops schema` knows them. One without a default is needed; unknown keys are refused.",
        "",
    ]
    for node, path in sections.values():
        lines += [f"## {path}", "", node.get("description", ""), ""]
        lines += ["| setting | takes | default | |", "|---|---|---|---|"]
        for key, field in node["properties"].items():
            default = "" if key in node.get("required", ()) else _code(field["default"]) if "default" in field else "-"
            said = _cell(field.get("description", ""))
            lines.append(f"| `{key}` | {_takes(field, anchors)} | {default} | {said} |")
        lines.append("")
    return "\n".join(lines)


def _sections(node: Schema, path: str, named: Schema, seen: set[str]) -> Iterator[tuple[str, str]]:
    """The sections below one, each with the first path to it."""
    for key, field in node["properties"].items():
        for name, step in _references(field):
            if name not in seen and "properties" in named[name]:
                seen.add(name)
                at = f"{path}.{key}{step}".lstrip(".")
                yield name, at
                yield from _sections(named[name], at, named, seen)


def _references(field: Any, step: str = "") -> Iterator[tuple[str, str]]:
    """The models that a field holds, and how one gets to them: directly, in a list, by a name."""
    if not isinstance(field, Mapping):
        return
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2], step
    for inner in (*field.get("allOf", ()), *field.get("anyOf", ())):
        yield from _references(inner, step)
    yield from _references(field.get("items"), f"{step}[]")
    yield from _references(field.get("additionalProperties"), f"{step}.NAME")


def _takes(field: Schema, anchors: Mapping[str, str]) -> str:
    """What a field takes, in words; a section is a link to its table."""
    if "$ref" in field:
        return f"[section](#{anchors[field['$ref'].rpartition('/')[2]]})"
    if choices := [*field.get("allOf", ()), *field.get("anyOf", ())]:
        return " or ".join(dict.fromkeys(_takes(one, anchors) for one in choices if one.get("type") != "null"))
    if "enum" in field or "const" in field:
        return ", ".join(_code(value) for value in field.get("enum", [field.get("const")]))
    kind = field.get("type", "anything")
    said = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if kind == "array":
        said = f"list of {_takes(field.get('items', {}), anchors)}"
    if kind == "object":
        each = field.get("additionalProperties")
        said = f"names, each with {_takes(each if isinstance(each, Mapping) else {}, anchors)}"
    return ", ".join([said, *(words.format(field[word]) for word, words in BOUNDS.items() if word in field)])


def _anchor(heading: str) -> str:
    """The anchor that Markdown's table of contents gives a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "_- ")
    return "-".join(kept.split())


def _code(value: Any) -> str:
    return f"`{_cell(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    """Text that a cell of a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


def commands_page() -> str:
    """Every command with its arguments and options, as `--help` says them."""
    lines = ["# Commands", "", "What `raftops COMMAND --help` says, of every command."]
    for path, help_, usage, records in commands():
        lines += ["", f"## {path}", "", *(help_ or "").splitlines(), "", "```text", usage, "```", ""]
        if records:
            lines += ["| | |", "|---|---|", *(f"| `{_cell(word)}` | {_cell(said)} |" for word, said in records)]
    return "\n".join(lines) + "\n"


def commands() -> Iterator[tuple[str, str | None, str, list[tuple[str, str]]]]:
    """The path, help, usage and options of each command that does something."""
    group = typer.main.get_group(app)
    context: Any = group.make_context("raftops", ["--output", "json"], resilient_parsing=True)

    def walk(parent: Any, above: Any) -> Iterator[tuple[str, str | None, str, list[tuple[str, str]]]]:
        for name in parent.list_commands(above):
            _, command, _ = parent.resolve_command(above, [name])
            at = command.make_context(name, ["--help"], parent=above, resilient_parsing=True)
            if hasattr(command, "list_commands"):
                yield from walk(command, at)
                continue
            records = [record for param in command.params if (record := param.get_help_record(at))]
            yield at.command_path, command.help, command.get_usage(at).removeprefix("Usage: "), records

    yield from walk(group, context)


def schemas_page(files: list[Path]) -> str:
    """The JSON Schemas with the line that names one to an editor."""
    lines = [
        "# JSON Schemas",
        "",
        "Draft 7, for editors and other checkers. VS Code with the YAML extension completes and checks a YAML file",
        "whose first line names its schema. `raftops init` writes the spec's beside the spec.",
        "",
        "| schema | first line of a file below `specs/` |",
        "|---|---|",
    ]
    for path in files:
        line = f"# yaml-language-server: $schema=../schema/{path.name}"
        lines.append(f"| [{path.name}](../schema/{path.name}) | `{line}` |")
    return "\n".join(lines) + "\n"
