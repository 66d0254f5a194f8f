"""Examples checked without a run: every mistake of their files at file and line, and what a person should know.

The checks are those of the step validate, judged here in plain Python: nothing is written. A
document is parsed only where a quote needs its text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.data.listing import example_files, list_documents
from raftops.data.records import Example
from raftops.errors import StepError
from raftops.spec.model.assistant import Spec
from raftops.validation.examples import ExampleRows, example_checks, rows_of
from raftops.validation.rows import Bad, Check, Outcome, Row, bad_rows
from raftops.validation.splits import draw_splits

OF_DOCUMENTS = frozenset({"evidence_exists", "evidence_is_accepted", "quote_is_verbatim"})
"""Checks of an example against the documents as they are now."""
FEW = 20
"""Answerable examples below which figures say little; that is said."""


@dataclass(frozen=True)
class Linted:
    """What examples are: those that will do, the mistakes of the others, and notes."""

    rows: int
    examples: Sequence[Example]
    mistakes: Sequence[Bad]
    notes: Sequence[str] = field(default=())
    outdated: frozenset[str] = frozenset()
    """Places of the mistakes that a changed or deleted document may have made of good examples."""


class Documents(Mapping[str, str]):
    """Texts of the documents of a spec by id; each is parsed when it is asked for. One that cannot be read is empty."""

    def __init__(self, spec: Spec, root: Path) -> None:
        self._paths = dict(list_documents(spec.data.documents, root))
        self._texts: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        """Why, by id, a document has no text."""

    @cached_property
    def ids(self) -> frozenset[str]:
        """Every document that the globs take."""
        return frozenset(self._paths)

    def path(self, doc_id: str) -> Path:
        """Where a document is."""
        return self._paths[doc_id]

    def __getitem__(self, doc_id: str) -> str:
        if doc_id not in self._texts:
            path, parsing = self._paths[doc_id], import_module("raftops.parsing.parse")
            try:
                self._texts[doc_id] = parsing.parse_document(path, parsing.media_type_of(path)).text
            except (StepError, OSError) as error:
                self._texts[doc_id], self.unread[doc_id] = "", str(error)
        return self._texts[doc_id]

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def lint(
    spec: Spec, root: Path, files: Sequence[Path] = (), access: AccessPolicies | None = None,
    documents: Documents | None = None,
) -> Linted:  # fmt: skip
    """Look at the examples of a spec, or at files of examples about its documents.

    Raises:
        ModuleNotFoundError: a quote is to be looked up, and what parses documents is not installed.
    """
    texts = documents or Documents(spec, root)
    paths = [Path(os.path.relpath(path)) for path in files or example_files(spec.data, root)]
    config = spec.validate_
    found = rows_of(paths, config, texts.ids, texts)
    checks = [check for check in example_checks(config) if (check.column, check.condition) != ("id", "not_null")]
    outcomes = [judged(found.rows, check) for check in checks]  # an id is a part of the form
    mistakes = bad_rows(found.rows, outcomes)
    itself = {where for one in outcomes if one.check.column not in OF_DOCUMENTS for where in one.failed}
    outdated = frozenset(row.where for row in mistakes) - itself
    cited = {one.doc_id for example in found.examples.values() for one in example.evidence}  # others are no example's
    unread = [(doc_id, texts.path(doc_id), why) for doc_id, why in sorted(texts.unread.items()) if doc_id in cited]
    mistakes += [Bad(str(path), doc_id, why.removeprefix(f"{path}: ")) for doc_id, path, why in unread]
    bad = {row.where for row in mistakes}
    good = [found.examples[row.where] for row in found.rows if row.where not in bad]
    return Linted(len(found.rows), good, mistakes, list(_notes(spec, paths, found, good, access)), outdated)


def judged(rows: Sequence[Row], check: Check) -> Outcome:
    """What comes of one check: as Great Expectations judges it, whose nulls are no values either."""
    cells = [(row.where, row.columns.get(check.column)) for row in rows]
    if check.condition == "not_null":
        return Outcome(check, len(cells), tuple(where for where, value in cells if value is None))
    there = [(where, value) for where, value in cells if value is not None]
    counts = Counter(value for _, value in there) if check.condition == "unique" else Counter()

    def holds(value: object) -> bool:
        match check.condition:
            case "unique":
                return counts[value] == 1
            case "true":
                return value is True
            case "zero":
                return value == 0
            case "in_set":
                return value in check.values
            case "between":
                least, most = check.values
                return (least is None or value >= least) and (most is None or value <= most)
            case _:
                return bool(re.search(check.values[0], str(value)))

    return Outcome(check, len(there), tuple(where for where, value in there if not holds(value)))


def _notes(
    spec: Spec, paths: Sequence[Path], found: ExampleRows, good: Sequence[Example], access: AccessPolicies | None
) -> Iterable[str]:
    """What is no mistake, and is better known before a run than after it."""
    written = {row.where.rpartition(":")[0] for row in found.rows}
    yield from (f"{path}: holds no example" for path in paths if str(path) not in written)
    answerable = [e for e in good if e.kind == "knowledge" and not e.unanswerable]
    if not good:
        yield "no examples: nothing is trained or measured, and answers are quotes of the documents"
        return
    split = draw_splits(good, spec.data.splits)
    held = sum(split[e.id] == "test" for e in answerable)
    if answerable and not held:
        yield f"none of {len(answerable)} answerable examples is held out (data.splits): nothing can be measured"
    elif len(answerable) < FEW:
        yield f"{len(answerable)} answerable examples, {held} of them held out: their figures will say little"
    readable = access.readable_by_all(spec.train.audience) if access else None
    if access and readable is not None:
        closed = [e for e in answerable if any(access.policy_of(v.doc_id) not in readable for v in e.evidence)]
        if closed:
            yield (
                f"{len(closed)} examples, such as {closed[0].id}, rest on documents that not all of train.audience "
                "may read: nothing is trained on them"
            )
