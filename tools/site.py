"""What mkdocs asks while it builds the docs site (`make docs`): pages that the code writes, and pages from the root.

Named in mkdocs.yml as a hook. It adds files and turns links to files outside of docs/ into links that work on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from tools.reference import ROOT, commands_page, schemas_page, spec_page

FROM_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
SOURCE = "https://github.com/raftops/raftops/blob/main/"
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
    here = page.file.src_uri
    if WORDS in markdown:
        markdown = markdown.replace(WORDS, words())
    if here in FROM_ROOT:
        return re.sub(r"\]\(docs/", "](", markdown)
    return re.sub(rf"\]\(\.\./({'|'.join(FROM_ROOT)})", r"](\1", markdown) if "/" not in here else markdown


def words() -> str:
    """The table of words that are ours, as CONTRIBUTING.md has it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text[text.index("| word | means |") :].partition("\n\n")[0]


def pages() -> list[Path]:
    """The pages that people wrote for the site; the code's own are checked where they are made."""
    return [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in ("LOG.md", "STYLE.md")]
