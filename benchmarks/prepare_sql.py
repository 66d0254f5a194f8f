"""Make the inputs of specs/sql.yaml from Defog's sql-eval (Apache-2.0): questions, right queries, schemas with rows.

    python benchmarks/prepare_sql.py ../shared/data/behaviour/defog-sql
    raftops run specs/sql.yaml

A schema is a document, its tables are sections; a question about a database is a behaviour example whose evidence are
the tables that its query reads. Its check makes the database in SQLite, with the rows of the source, and compares what
the reply returns. Every column that has a description is a knowledge example. Prints one JSON line.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.files import write_jsonl, write_text
from raftops.forms.sql_rows import Database, SqlFault

OUT = Path("build/sql")
SOURCE = Path("../shared/data/behaviour/defog-sql")
COLUMNS = 12
"""Most columns of a database that become questions."""
TABLES = 3
"""Most tables of a query: a small model reads no more."""
ACCESS = """groups:
  analysts: Everyone who asks the databases
policies:
  open: {groups: [analysts]}
documents:
  - {match: "**", policy: open}
"""
_CREATE = re.compile(r"CREATE TABLE (?:public\.)?(?P<name>\w+) \((?P<columns>.*?)\n\);", re.DOTALL)
_FOREIGN = re.compile(r"\bpublic\.|::\w+(?:\([^)]*\))?|DEFAULT nextval\([^)]*\)")
"""What PostgreSQL says and SQLite does not."""


@dataclass(frozen=True)
class Schema:
    """One database."""

    name: str
    setup: str
    tables: Mapping[str, str]
    """CREATE TABLE in one line, by the table's name."""
    columns: tuple[tuple[str, str, str], ...]
    """(table, column, description)."""

    @property
    def file(self) -> str:
        """Its document."""
        return f"{self.name}.md"

    def document(self) -> str:
        """A section for each table: its statement, and what its columns are."""
        parts = [f"# The database {self.name}\n"]
        for table, statement in self.tables.items():
            told = [described(*row) for row in self.columns if row[0] == table]
            parts.append("\n".join([f"## Table {table}\n", statement, "", *(f"- {line}" for line in told), ""]))
        return "\n".join(parts)


def described(table: str, column: str, meaning: str) -> str:
    """What a column is, as its document says it."""
    plain = meaning.replace("`", "")  # marks of Markdown are no words of the document
    return f"{table}.{column}: {' '.join(plain.split())}"


def schemas(source: Path) -> Iterator[Schema]:
    """The databases that SQLite makes from the source as it is, but for PostgreSQL's own words."""
    for path in sorted((source / "schemas" / "defog_data").glob("*/*.sql")):
        setup = _FOREIGN.sub("", path.read_text(encoding="utf-8"))
        try:
            Database(setup).close()
        except SqlFault as fault:
            print(f"{path.stem}: left out, {fault}", file=sys.stderr)
            continue
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["table_metadata"]
        tables = {m["name"]: f"CREATE TABLE {m['name']} ({_line(m['columns'])});" for m in _CREATE.finditer(setup)}
        columns = tuple(
            (table, row["column_name"], row["column_description"])
            for table, rows in told.items() for row in rows if table in tables and row.get("column_description")
        )  # fmt: skip
        yield Schema(path.stem, setup, tables, columns)


def requests(source: Path, known: Mapping[str, Schema]) -> Iterator[dict[str, Any]]:
    """One behaviour example for each question whose first right query runs and reads few tables."""
    with (source / "data" / "questions_gen_sqlite.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        schema, queries = known.get(row["db_name"]), [q.strip() for q in row["query"].split(";") if q.strip()]
        if schema is None:
            continue
        read = [t for t in schema.tables if re.search(rf"\b{t}\b", queries[0], re.IGNORECASE)]
        right = [query for query in queries if _runs(schema, query)]
        if right[:1] == queries[:1] and 0 < len(read) <= TABLES:
            yield {
                "id": f"sql-{number:03}", "kind": "behaviour",
                "question": f"Write a SQL query for the database {schema.name}: {' '.join(row['question'].split())}",
                "answer": f"{right[0]};",
                "evidence": [{"doc_id": schema.file, "quote": schema.tables[table]} for table in read],
                "checks": {"sql": {"setup": schema.setup, "accepted": right[1:]}},
            }  # fmt: skip


def questions(schema: Schema) -> Iterator[dict[str, Any]]:
    """One knowledge example for each of the first columns."""
    for table, column, meaning in schema.columns[:COLUMNS]:
        yield {
            "id": f"{schema.name}-{table}-{column}", "kind": "knowledge", "answer": " ".join(meaning.split()),
            "question": f"What does the column {column} of the table {table} in the database {schema.name} hold?",
            "evidence": [{"doc_id": schema.file, "quote": described(table, column, meaning)}],
        }  # fmt: skip


def _runs(schema: Schema, query: str) -> bool:
    database = Database(schema.setup)
    try:
        return bool(database.rows(query))
    except SqlFault:
        return False
    finally:
        database.close()


def _line(columns: str) -> str:
    return re.sub(r"\s+", " ", columns).strip()


def main(source: Path) -> None:
    """Write documents, access file and examples below build/sql."""
    if not source.is_dir():
        sys.exit(f"{source}: not there; sql-eval is read where it lies (github.com/defog-ai/sql-eval, Apache-2.0)")
    known = {schema.name: schema for schema in schemas(source)}
    for schema in known.values():
        write_text(OUT / "documents" / schema.file, schema.document())
    write_text(OUT / "access.yaml", ACCESS)
    asked = list(requests(source, known))
    told = [row for schema in known.values() for row in questions(schema)]
    write_jsonl(OUT / "examples.jsonl", [*told, *asked])
    print(json.dumps({"figure": "sql.examples", "value": len(asked), "databases": len(known), "columns": len(told)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
