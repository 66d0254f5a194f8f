"""The pages of a validation: an index of ours over Great Expectations' Data Docs. Nothing in them is fetched.

Data Docs load styles, scripts and a picture from other hosts at each look, and their index is empty without. A report
about a company's documents should not: no host learns who reads it, and it opens without a network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from raftops.files import read_json, write_text

ROWS = 200
"""Bad rows that the index shows; report.json has all."""
_ELSEWHERE = r"""=\s*["'](?:https?:)?//[^"']*["']"""
_FETCHED = re.compile(
    rf"<script\b[^>]*\bsrc{_ELSEWHERE}[^>]*>\s*</script>|<(?:link|img)\b[^>]*\b(?:href|src){_ELSEWHERE}[^>]*/?>",
    re.IGNORECASE,
)
_STYLE = Path(__file__).with_name("pages.css")


def write_index(folder: Path) -> None:
    """`index.html` from the `report.json` in the folder: what was put aside and why, with links to every check."""
    report: dict[str, Any] = read_json(folder / "report.json")
    pages = {}
    for name in (table["name"] for table in report["tables"]):
        # Great Expectations puts a table's page below a folder for each run; a table without rows has none.
        found = sorted((folder / "validations" / name).rglob("*.html"))
        pages[name] = found[0].relative_to(folder).as_posix() if found else ""
    failed = [(t["name"], check) for t in report["tables"] for check in t["expectations"] if not check["success"]]
    template = Environment(
        loader=PackageLoader("raftops.validation", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("index.html.j2")  # fmt: skip
    aside, rows = (sum(table[name] for table in report["tables"]) for name in ("quarantined", "in"))
    page = template.render(report=report, pages=pages, failed=failed, aside=aside, rows=rows, most=ROWS)
    write_text(folder / "index.html", _styled(page))


def stand_alone(folder: Path) -> None:
    """Take out of every page below the folder what it would fetch, and give it our style."""
    for page in sorted(folder.rglob("*.html")):
        write_text(page, _styled(_FETCHED.sub("", page.read_text(encoding="utf-8"))))


def _styled(page: str) -> str:
    return page.replace("</head>", f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>", 1)
