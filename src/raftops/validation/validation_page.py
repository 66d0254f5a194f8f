"""The page of a validation, from its `report.json`: what was put aside or left out and why, and every check.

One file that fetches nothing and runs no script: no host learns who reads about a company's documents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from raftops.files import read_json, write_text
from raftops.svg import palette

ROWS = 200
"""Bad rows and files left out that the page shows; report.json has all."""


def write_page(folder: Path) -> None:
    """`index.html` from the `report.json` in the folder."""
    report: dict[str, Any] = read_json(folder / "report.json")
    failed = [(t["name"], check) for t in report["tables"] for check in t["expectations"] if not check["success"]]
    template = Environment(
        loader=PackageLoader("raftops.validation", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("index.html.j2")  # fmt: skip
    aside, rows = (sum(table[name] for table in report["tables"]) for name in ("quarantined", "in"))
    page = template.render(
        report=report, failed=failed, aside=aside, rows=rows, most=ROWS, asks=asks,
        palette={"light": palette(), "dark": palette(dark=True)},
    )  # fmt: skip
    write_text(folder / "index.html", page)


def asks(check: dict[str, Any]) -> str:
    """What a check asks of its column, in words."""
    values = check["values"]
    match check["expectation"]:
        case "between":
            low, high = values
            least = "" if low is None else f"at least {low:,}"
            most = "" if high is None else f"at most {high:,}"
            return f"is {least}{' and ' if least and most else ''}{most}"
        case "in_set":
            return f"is one of: {', '.join(map(str, values))}" if values else "is of an empty set"
        case "regex":
            return f"has the form {values[0]}"
        case condition:
            return {"not_null": "is there", "unique": "stands once", "true": "is true", "zero": "is 0"}[condition]
