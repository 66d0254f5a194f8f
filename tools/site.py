"""What mkdocs asks while it builds the docs site (`make docs`): pages that the code writes, and pages from the root.

Named in mkdocs.yml as a hook. It adds files and turns links to files outside of docs/ into links that work on the site.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from inspect import getsource
from itertools import pairwise
from typing import Any

from mkdocs.structure.files import File, Files

from tools.reference import ROOT, commands_page, schemas_page, spec_page

FROM_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md")
FIELDS = "<!-- fields: {} -->"
"""Above a table of the fields of a model."""
WORDS = "<!-- words of CONTRIBUTING.md -->"
"""Where the glossary shows the words that are ours."""


def on_files(files: Files, config: Any) -> Files:
    """Add what is written by the code, and the pages and schemas that lie beside docs/."""
    schemas = sorted((ROOT / "schema").glob("*.json"))
    written = {
        "reference/spec.md": spec_page(),
        "reference/commands.md": commands_page(),
        "reference/schemas.md": schemas_page(schemas),
    }
    for name, text in written.items():
        files.append(File.generated(config, name, content=text))
    for name in FROM_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for path in schemas:
        files.append(File.generated(config, f"schema/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Mend the links of a page that was written for the repository, and show our words in the glossary."""
    here, markdown = page.file.src_uri, with_all_fields(markdown)
    if WORDS in markdown:
        markdown = markdown.replace(WORDS, words())
    if here in FROM_ROOT:
        return re.sub(r"\]\(docs/", "](", markdown)
    return re.sub(rf"\]\(\.\./({'|'.join(FROM_ROOT)})", r"](\1", markdown) if "/" not in here else markdown


def words() -> str:
    """The table of words that are ours, as CONTRIBUTING.md has it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text[text.index("| word | means |") :].partition("\n\n")[0]


def with_all_fields(markdown: str) -> str:
    """The tables of fields, with the fields that the page does not explain in what the model says of them."""
    for model, shown in shown_tables(markdown):
        head = FIELDS.format(model)
        before, _, rest = markdown.partition(head)
        table, gap, after = rest.lstrip("\n").partition("\n\n")
        rows = [f"| `{name}` | {said} |" for name, said in fields_of(model).items() if name not in shown]
        markdown = before + "\n".join([table, *rows]) + gap + after
    return markdown


def shown_tables(markdown: str) -> list[tuple[str, list[str]]]:
    """The models whose fields a page explains in a table, and the fields it names."""
    found = []
    for match in re.finditer(r"<!-- fields: ([\w.]+) -->\n(\|.*?)(?:\n\n|\Z)", markdown, re.DOTALL):
        cells = [line.split("|")[1] for line in match[2].splitlines()[2:]]
        found.append((match[1], [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]))
    return found


def fields_of(model: str) -> dict[str, str]:
    """The fields of a model, each with what the code says of it: the text under the field, or nothing."""
    module, _, name = model.rpartition(".")
    section: Any = getattr(import_module(module), name)
    [body] = [node.body for node in ast.parse(getsource(section)).body if isinstance(node, ast.ClassDef)]
    said = {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
    return {field: said.get(field, "") for field in section.model_fields}
