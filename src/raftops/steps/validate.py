"""Step 1: what may go in. Judges documents, access policies and examples; lets through what holds, names the rest.

Writes `accepted/` (documents.jsonl, examples.jsonl with splits, access.json, quarantine.jsonl, validate.json) and
`report/` (index.html with Data Docs, report.json). Does not chunk, embed or change any text.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raftops.access import AccessPolicies, load_access
from raftops.data.records import Document, Example
from raftops.errors import DataRejected
from raftops.files import write_json, write_jsonl
from raftops.spec.model.knowledge import Data, Validate
from raftops.validation.documents import DocumentRows, document_checks, document_rows
from raftops.validation.examples import ExampleRows, example_checks, example_rows
from raftops.validation.expectations import Judge
from raftops.validation.pages import write_index
from raftops.validation.policies import POLICY_CHECKS, policy_rows, without
from raftops.validation.report import Table, write_quarantine, write_report
from raftops.validation.rows import Check, Row, bad_rows
from raftops.validation.splits import ORDER, draw_splits
from raftops.validation.texts import TextsOnDisk

Metrics = dict[str, float]
_LISTED = 20


def validate(config: Validate, data: Data, accepted: Path, report: Path) -> Metrics:
    """Judge the data of a spec. Raises `DataRejected` where the spec wants no bad row, or where nothing is left."""
    judge = Judge(report)
    access, policies = _policies(judge, data)
    with tempfile.TemporaryDirectory(prefix="raftops-validate-") as folder:
        texts = TextsOnDisk(Path(folder))
        manifest, documents, judged = _documents(judge, config, data, access, texts)
        every = frozenset(row.columns["doc_id"] for row in manifest.rows)
        texts.keep_only(frozenset(d.doc_id for d in documents))
        given, examples, asked = _examples(judge, config, data, every, texts)
    judge.write_docs()
    tables = [policies, judged, asked]
    split = draw_splits(examples, data.splits)
    counts = _counts(tables, manifest, Counter(split.values()))
    write_quarantine(accepted / "quarantine.jsonl", tables)
    write_report(report / "report.json", tables, [*manifest.noted, *given.noted], counts)
    write_index(report)
    _refuse(config, access, documents, tables, report)
    _write(accepted, access, documents, [e.model_copy(update={"split": split[e.id]}) for e in examples])
    write_json(accepted / "validate.json", counts)
    return _metrics(tables, counts)


def _table(judge: Judge, name: str, rows: Sequence[Row], checks: Sequence[Check]) -> Table:
    outcomes = judge.judge(name, rows, checks)
    return Table(name, len(rows), outcomes, bad_rows(rows, outcomes))


def _policies(judge: Judge, data: Data) -> tuple[AccessPolicies, Table]:
    access = load_access(Path(data.access))
    rows = policy_rows(access, data.access)
    table = _table(judge, "access", rows, POLICY_CHECKS)
    bad = {b.where for b in table.bad}
    return without(access, frozenset(r.id for r in rows if r.where in bad and r.columns["kind"] == "policy")), table


def _documents(
    judge: Judge, config: Validate, data: Data, access: AccessPolicies, texts: TextsOnDisk
) -> tuple[DocumentRows, list[Document], Table]:
    manifest = document_rows(config, data, access, texts)
    table = _table(judge, "documents", manifest.rows, document_checks(config, access))
    bad = {b.where for b in table.bad}
    kept = [manifest.documents[row.where] for row in manifest.rows if row.where not in bad]
    return manifest, sorted(kept, key=lambda d: d.doc_id), table


def _examples(
    judge: Judge, config: Validate, data: Data, documents: frozenset[str], texts: TextsOnDisk
) -> tuple[ExampleRows, list[Example], Table]:
    given = example_rows(config, data, documents, texts)
    table = _table(judge, "examples", given.rows, example_checks(config))
    bad = {b.where for b in table.bad}
    kept = [given.examples[row.where] for row in given.rows if row.where not in bad]
    return given, sorted(kept, key=lambda e: e.id), table


def _counts(tables: Sequence[Table], manifest: DocumentRows, splits: Counter[Any]) -> dict[str, Any]:
    return {
        **{table.name: table.counts for table in tables},
        "splits": {split: splits[split] for split in ORDER},
        "files_left_out": manifest.left_out,
    }


def _refuse(
    config: Validate, access: AccessPolicies, documents: Sequence[Document], tables: Sequence[Table], report: Path
) -> None:
    """Stop where the spec or the data say so; everything is already written for people to read."""
    bad = [b for table in tables for b in table.bad]
    lines = [f"  {b.where}: {b.reason}" for b in bad[:_LISTED]]
    lines += [f"  and {len(bad) - _LISTED} more"] if len(bad) > _LISTED else []
    examples = tables[-1]
    left = {
        "access policies": bool(access.policies),
        "documents": bool(documents),
        "examples": not examples.rows or bool(examples.accepted),
    }
    missing = [name for name, there in left.items() if not there]
    where = f"open {report / 'index.html'}, or see the rows in {report / 'report.json'}"
    if missing:
        raise DataRejected("\n".join([f"no {' and no '.join(missing)} left to work with", *lines]), next_step=where)
    if bad and config.on_bad_row == "fail":
        rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
        raise DataRejected("\n".join([f"{rows}, and validate.on_bad_row is fail", *lines]), next_step=where)


def _write(accepted: Path, access: AccessPolicies, documents: Sequence[Document], examples: Sequence[Example]) -> None:
    write_json(accepted / "access.json", access.model_dump(mode="json"))
    write_jsonl(accepted / "documents.jsonl", (asdict(d) for d in documents))
    write_jsonl(accepted / "examples.jsonl", (e.model_dump(mode="json", exclude_none=True) for e in examples))


def _metrics(tables: Sequence[Table], counts: dict[str, Any]) -> Metrics:
    metrics = {f"{table.name}_{name}": float(n) for table in tables for name, n in table.counts.items()}
    warnings = sum(len(o.failed) for t in tables for o in t.outcomes if o.check.severity == "warning")
    splits = {f"examples_{split}": float(n) for split, n in counts["splits"].items()}
    return {**metrics, **splits, "warnings": float(warnings), "files_left_out": float(counts["files_left_out"])}
