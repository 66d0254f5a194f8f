"""Step 1: what may go in. Judges documents, access policies and examples; lets through what holds, names the rest.

Writes `accepted/` (documents.jsonl, examples.jsonl with splits, access.json, quarantine.jsonl, validate.json) and
`report/` (index.html, report.json, and expectations.json with the checks as Great Expectations reads them). Does not
chunk, embed or change any text.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raftops.access import AccessPolicies
from raftops.errors import DataRejected
from raftops.files import write_json, write_jsonl
from raftops.spec.access_file import read_access
from raftops.spec.model.knowledge import Data, Validate
from raftops.spec.rules import names_below, rule_doubts
from raftops.validation.documents import document_checks, document_rows
from raftops.validation.examples import example_checks, example_rows
from raftops.validation.expectations import Judge
from raftops.validation.policies import POLICY_CHECKS, idle_rules, policy_rows, without
from raftops.validation.report import Aside, Table, write_quarantine, write_report
from raftops.validation.rows import Check, Row, bad_rows
from raftops.validation.splits import ORDER, draw_splits
from raftops.validation.texts import TextsOnDisk
from raftops.validation.validation_page import write_page

Metrics = dict[str, float]
_LISTED = 20


def validate(config: Validate, data: Data, accepted: Path, report: Path) -> Metrics:
    """Judge the data of a spec. Raises `DataRejected` where the spec wants no bad row, or where nothing is left."""
    shutil.rmtree(report, ignore_errors=True)
    judge = Judge()
    file = read_access(Path(data.access))
    access = file.sound()
    doubts = list(rule_doubts(access, names_below(Path(data.documents.path)), data.documents.path))
    policies = policy_rows(file, access, doubts)
    tables = [_judged(judge, "access", policies, POLICY_CHECKS)]
    bad = _bad(tables[-1])
    access = without(access, frozenset(r.id for r in policies if r.where in bad and r.columns["kind"] == "policy"))
    with tempfile.TemporaryDirectory(prefix="raftops-validate-") as folder:
        texts = TextsOnDisk(Path(folder))
        manifest = document_rows(config, data, access, texts, doubts)
        tables.append(_judged(judge, "documents", manifest.rows, document_checks(config, access)))
        bad = _bad(tables[-1])
        documents = [manifest.documents[row.where] for row in manifest.rows if row.where not in bad]
        # An example may only quote an accepted document; that a rejected one exists is still told apart from a typo.
        texts.keep_only(frozenset(d.doc_id for d in documents))
        every = frozenset(row.columns["doc_id"] for row in manifest.rows)
        given = example_rows(config, data, every, texts)
        tables.append(_judged(judge, "examples", given.rows, example_checks(config)))
        bad = _bad(tables[-1])
        examples = [given.examples[row.where] for row in given.rows if row.where not in bad]

    documents.sort(key=lambda d: d.doc_id)
    split = draw_splits(sorted(examples, key=lambda e: e.id), data.splits)
    examples = [e.model_copy(update={"split": split[e.id]}) for e in sorted(examples, key=lambda e: e.id)]
    drawn = Counter(split.values())
    counts: dict[str, Any] = {
        **{table.name: table.counts for table in tables},
        "splits": {name: drawn[name] for name in ORDER},
        "files_left_out": len(manifest.left_out),
    }
    aside = Aside(manifest.left_out, list(idle_rules(file, access, doubts)))
    write_json(report / "expectations.json", judge.suites())
    write_quarantine(accepted / "quarantine.jsonl", tables)
    write_report(report / "report.json", tables, [*manifest.noted, *given.noted], counts, aside)
    write_page(report)
    _refuse(config, access, tables, report)

    write_json(accepted / "access.json", access.model_dump(mode="json"))
    write_jsonl(accepted / "documents.jsonl", (asdict(d) for d in documents))
    write_jsonl(accepted / "examples.jsonl", (e.model_dump(mode="json", exclude_none=True) for e in examples))
    write_json(accepted / "validate.json", counts)
    metrics = {f"{table.name}_{name}": float(n) for table in tables for name, n in table.counts.items()}
    metrics |= {f"examples_{name}": float(drawn[name]) for name in ORDER}
    metrics["warnings"] = float(sum(len(o.failed) for t in tables for o in t.outcomes if o.check.severity == "warning"))
    return {**metrics, "files_left_out": float(len(manifest.left_out))}


def _judged(judge: Judge, name: str, rows: Sequence[Row], checks: Sequence[Check]) -> Table:
    outcomes = judge.judge(name, rows, checks)
    return Table(name, len(rows), outcomes, bad_rows(rows, outcomes))


def _bad(table: Table) -> set[str]:
    """The places of its bad rows."""
    return {row.where for row in table.bad}


def _refuse(config: Validate, access: AccessPolicies, tables: Sequence[Table], report: Path) -> None:
    """Stop where the spec or the data say so; everything is already written for people to read."""
    bad = [b for table in tables for b in table.bad]
    lines = [f"  {b.where}: {b.reason}" for b in bad[:_LISTED]]
    lines += [f"  and {len(bad) - _LISTED} more"] if len(bad) > _LISTED else []
    _, documents, examples = tables
    left = {
        "access policies": bool(access.policies),
        "documents": bool(documents.accepted),
        "examples": not examples.rows or bool(examples.accepted),
    }
    missing = [name for name, there in left.items() if not there]
    where = f"open {report / 'index.html'}, or see the rows in {report / 'report.json'}"
    if missing:
        raise DataRejected("\n".join([f"no {' and no '.join(missing)} left to work with", *lines]), next_step=where)
    if bad and config.on_bad_row == "fail":
        rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
        raise DataRejected("\n".join([f"{rows}, and validate.on_bad_row is fail", *lines]), next_step=where)
