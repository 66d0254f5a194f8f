"""The examples as rows: well formed, asked once, within bounds, and proved by quotes that stand where they say.

Rows come from JSON Lines files, each with file and line. A line that cannot be read is a bad row, not an end.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raftops.answer.quotes import check_quotes
from raftops.data.listing import example_files
from raftops.data.records import Example
from raftops.errors import plainly
from raftops.files import not_utf8
from raftops.forms.checking import failed_checks
from raftops.spec.explain import did_you_mean
from raftops.spec.model.knowledge import Data, Validate
from raftops.validation.contradictions import Sentences
from raftops.validation.findings import Noted, note_personal_data, personal_data_checks
from raftops.validation.language import foreign_language
from raftops.validation.nearest import nearest
from raftops.validation.rows import Check, Row
from raftops.validation.splits import question_key

FOREIGN = "; rows of another format are made examples by: raftops examples import FILE -o data/examples/mine.jsonl"


@dataclass
class ExampleRows:
    """The examples before they are judged."""

    rows: list[Row] = field(default_factory=list)
    examples: dict[str, Example] = field(default_factory=dict)
    """By the place of their row; those that are well formed."""
    noted: list[Noted] = field(default_factory=list)


def example_checks(config: Validate) -> list[Check]:
    """What every example must satisfy."""
    question = f"a question has at most {config.question_chars_max} characters"
    answer = f"an answer has at most {config.answer_chars_max} characters"
    return [
        Check("is_well_formed", "true", "critical", "every line is an example with the fields of its kind"),
        Check("has_no_split", "true", "critical", "no example sets its split; validate draws it"),
        Check("id", "not_null", "critical", "every example has an id"),
        Check("id_is_new", "true", "critical", "an example with the id of an earlier one is not taken"),
        Check("id", "unique", "warning", "every id stands once over all files"),
        Check("kind", "in_set", "critical", "an example is of kind knowledge or behaviour", ("knowledge", "behaviour")),
        Check("question_chars", "between", "critical", question, (1, config.question_chars_max)),
        Check("answer_chars", "between", "critical", answer, (0, config.answer_chars_max)),
        Check("question_is_new", "true", "critical", "a question that was asked before is not taken"),
        Check("question_key", "unique", "warning", "no question is asked twice, whatever its case and punctuation"),
        Check("evidence_exists", "true", "critical", "every document of an evidence exists"),
        Check("evidence_is_accepted", "true", "critical", "every document of an evidence was accepted"),
        Check("quote_is_verbatim", "true", "critical", "every quote stands verbatim in its document"),
        Check("is_uncontradicted", "true", "warning", "no other document says another value in nearly a quote's words"),
        Check("answer_passes_checks", "true", "critical", "an answer about form passes the checks of its own example"),
        Check("is_in_language", "true", "critical", f"examples are in the language {config.language}"),
        *personal_data_checks(config.personal_data),
    ]  # fmt: skip


def example_rows(config: Validate, data: Data, documents: Collection[str], texts: Mapping[str, str]) -> ExampleRows:
    """Read and look at every example. `documents` are all ids there are; `texts` holds the accepted ones."""
    return rows_of(example_files(data, Path()), config, documents, texts)


def rows_of(
    files: Iterable[Path], config: Validate, documents: Collection[str], texts: Mapping[str, str]
) -> ExampleRows:
    """The same of files that are named."""
    found = ExampleRows()
    for path in files:
        unread: list[tuple[int, str]] = []
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if wrong := not_utf8(raw):
                    unread.append((number, wrong))
                    if "UTF-16" in wrong:  # no line of it can be told from the next
                        break
                    continue
                # Editors on Windows begin a file with a byte order mark.
                line = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).strip()
                if not line:
                    continue
                row = Row(f"{path}:{number}", "")
                found.rows.append(row)
                example = _parsed(row, line)
                if example:
                    found.examples[row.where] = example
                    found.noted += _look(row, example, config, documents, texts)
        if unread:
            found.rows.append(_not_utf8(path, unread))
    _quotes(found, texts)
    _repetitions(found)
    _contradictions(found, texts)
    return found


def _not_utf8(path: Path, unread: Sequence[tuple[int, str]]) -> Row:
    """One bad row for all lines of a file that was saved in another encoding: mending it mends them all."""
    (number, wrong), more = unread[0], len(unread) - 1
    row = Row(f"{path}:{number}", "")
    row.fail("is_well_formed", wrong + (f" ({more} more line{'s' * (more > 1)} like it)" if more else ""))
    return row


def _contradictions(found: ExampleRows, texts: Mapping[str, str]) -> None:
    """Say of each example with a quote whether another document says another value in nearly its words."""
    proved = [row for row in found.rows if row.where in found.examples and found.examples[row.where].evidence]
    every = Sentences(texts) if proved else None
    for row in proved:
        row.columns["is_uncontradicted"] = True
        against = every.against(found.examples[row.where]) if every else None
        if against:
            row.fail("is_uncontradicted", str(against))


def _parsed(row: Row, line: bytes) -> Example | None:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_unique_keys)
        if not isinstance(value, dict):
            raise TypeError("a row must be a JSON object")
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate could not be written again
        row.id = value["id"] if isinstance(value.get("id"), str) else ""
        row.columns |= {"id": row.id or None, "has_no_split": True}
        if value.pop("split", None) is not None:
            row.fail("has_no_split", "sets its split by hand; splits are drawn by validate: take the key out")
        example = Example.model_validate(value)
    except ValidationError as error:
        advice = FOREIGN if value.keys().isdisjoint(("id", "kind")) else ""
        row.fail("is_well_formed", "; ".join(map(_sentence, error.errors())) + advice)
    except json.JSONDecodeError as error:
        row.fail("is_well_formed", f"is not valid JSON ({error.msg} at character {error.colno})")
    except UnicodeError:
        row.fail("is_well_formed", "holds half a character, which no file can hold")
    except RecursionError:
        row.fail("is_well_formed", "is nested too deep")
    except (TypeError, ValueError) as error:
        row.fail("is_well_formed", plainly(error))
    else:
        row.id = example.id
        row.columns |= {"is_well_formed": True, "id": example.id, "kind": example.kind}
        return example
    return None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise TypeError(f"the key {repeated[0]!r} stands twice")
    return dict(pairs)


def _sentence(error: Any) -> str:
    """A pydantic error without jargon and without the value."""
    place = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            return f"{place}: unknown key{did_you_mean(str(error['loc'][-1]), tuple(Example.model_fields))}"
        case "literal_error":
            return f"{place} must be {error['ctx']['expected']}"
        case "tuple_type":
            return f"{place} must be a list, in [brackets]"
        case "string_type":
            return f"{place} must be text, in quotes"
        case "value_error":
            return f"{place}: {plainly(error['ctx']['error'])}" if place else plainly(error["ctx"]["error"])
        case _:
            return f"{place}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _look(
    row: Row, example: Example, config: Validate, documents: Collection[str], texts: Mapping[str, str]
) -> list[Noted]:
    """What can be said of an example by itself: its length, its language, its documents, its personal data."""
    row.columns |= {
        "question_chars": len(example.asked),
        "answer_chars": len(example.answer),
        "question_key": question_key(example),
        "is_in_language": True,
    }
    for name, most in (("question", config.question_chars_max), ("answer", config.answer_chars_max)):
        if row.columns[f"{name}_chars"] > most:
            row.explain(f"{name}_chars", f"the {name} has {row.columns[f'{name}_chars']} characters; at most {most}")
    row.columns |= {"answer_passes_checks": True}
    for failed in failed_checks(example.answer, example.checks) if example.checks else ():
        row.fail("answer_passes_checks", f"the answer does not pass its own checks: {failed}")
    foreign = foreign_language(f"{example.asked}\n{example.answer}", config.language)
    if foreign:
        row.fail("is_in_language", f"is in another language ({foreign}) than {config.language}")
    if example.evidence:
        row.columns |= {"evidence_exists": True, "evidence_is_accepted": True, "quote_is_verbatim": True}
    for number, evidence in enumerate(example.evidence, 1):
        if evidence.doc_id not in documents:
            close = did_you_mean(evidence.doc_id, tuple(documents))
            row.fail("evidence_exists", f"evidence {number}: there is no document {evidence.doc_id}{close}")
        elif evidence.doc_id not in texts:
            row.fail("evidence_is_accepted", f"evidence {number}: the document {evidence.doc_id} was not accepted")
    fields = [
        ("question", example.question),
        *((f"messages.{n}", m.content) for n, m in enumerate(example.messages)),
        ("answer", example.answer),
        *((f"evidence.{n}.quote", e.quote) for n, e in enumerate(example.evidence)),
    ]
    return note_personal_data(row, fields, config.personal_data)


def _quotes(found: ExampleRows, texts: Mapping[str, str]) -> None:
    """Check all quotes together: each text is read once for its own, whatever the order of the examples."""
    claims = [
        (row, number, evidence.quote, evidence.doc_id)
        for row in found.rows
        if row.where in found.examples
        for number, evidence in enumerate(found.examples[row.where].evidence, 1)
        if evidence.doc_id in texts
    ]
    verdicts = check_quotes([(quote, doc_id) for _, _, quote, doc_id in claims], texts)
    for (row, number, quote, doc_id), verdict in zip(claims, verdicts, strict=True):
        place = f"{verdict.doc_id}, characters {verdict.start} to {verdict.end}"
        match verdict.kind:
            case "found":
                continue
            case "misattributed":
                reason = f"the quote is misattributed: it does not stand in {doc_id} but in {place}"
            case "stitched":
                reason = f"the quote is stitched: its parts stand in {place}, but not one after the other"
            case _:
                reason = f"the quote does not stand (or no longer stands) in {doc_id} or another accepted document"
                reason += nearest(quote, texts[doc_id])
        row.fail("quote_is_verbatim", f"evidence {number}: {reason}")


def _repetitions(found: ExampleRows) -> None:
    """Among rows that are good so far, the first of an id and of a question stays."""
    ids: dict[str, str] = {}
    keys: dict[str, str] = {}
    for row in (r for r in found.rows if r.where in found.examples):
        row.columns |= {"id_is_new": True, "question_is_new": True}
        key = row.columns["question_key"]
        if row.id in ids:
            row.fail("id_is_new", f"has the same id as {ids[row.id]}")
        if key in keys:
            before, now = (found.examples[where].answer.strip().lower() for where in (keys[key], row.where))
            other = "" if before == now else ", and answers it differently"
            row.fail("question_is_new", f"asks the same question as {keys[key]}{other}")
        if not row.reasons:
            ids.setdefault(row.id, row.where)
            keys.setdefault(key, row.where)
