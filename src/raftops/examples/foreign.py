"""Files of other formats to questions and answers, each with the line it stands on. Places no quote; drops no row.

OpenAI chat (JSON Lines with `messages`), CSV or TSV with a header row, SQuAD 1.1 and 2.0 (JSON), and the rows of RAFT's
authors (Zhang et al. 2024; `raft.py` of the Gorilla repository).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.errors import StepError, plainly
from raftops.files import not_utf8

FORMATS = ("openai", "csv", "squad", "raft")
MAX_BYTES = 256 << 20
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "uid"),
    "question": ("question", "query", "q", "prompt", "input", "user", "frage"),
    "answer": (
        "answer", "response", "a", "output", "completion", "expected", "expected_answer", "ground_truth", "reference",
        "antwort",
    ),
    "quote": ("quote", "evidence", "proof", "citation", "source_text", "context", "passage", "zitat"),
    "document": ("document", "doc", "doc_id", "file", "filename", "source", "path", "dokument"),
    "accepted": ("accepted", "also_right", "alternatives"),
    "unanswerable": ("unanswerable", "is_impossible"),
    "language": ("language", "lang", "sprache"),
}  # fmt: skip
"""Header names of each column, case and punctuation aside."""
YES = ("true", "yes", "1", "x", "ja")
_BEGIN, _END = "##begin_quote##", "##end_quote##"
_RAFT_ANSWER = re.compile(r"(?:##Answer:|<ANSWER>:|##\s*Answer\s*:)\s*(.*)\Z", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Foreign:
    """A row of another format: what it asks and says, and what is known of its proof."""

    where: str
    """`file:line`."""
    id: str = ""
    question: str = ""
    answer: str = ""
    quotes: tuple[str, ...] = ()
    """Words that prove the answer."""
    document: str = ""
    """What the row calls its document: an id, a file's name or a title."""
    context: str = ""
    """A longer text in which the proof stands."""
    accepted: tuple[str, ...] = ()
    unanswerable: bool = False
    near_miss: bool = False
    language: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    """Role and text of what was said before the answer, where that is more than one question."""
    problem: str = ""
    """Why it cannot be an example."""


def read_foreign(path: Path, format: str = "auto") -> Iterator[Foreign]:
    """Every row of a file, the unusable ones with their problem.

    Raises:
        StepError: the file cannot be read, or its format is not known.
    """
    chosen = detected(path) if format == "auto" else format
    return {"openai": read_openai, "csv": read_csv, "squad": read_squad, "raft": read_raft}[chosen](path)


def detected(path: Path) -> str:
    """The format of a file by its name and its first row.

    Raises:
        StepError: it is none that is known, or it is ours already.
    """
    if path.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    text = _text(path).lstrip()
    rows = _whole_json(path, text) if path.suffix.lower() == ".json" or text.startswith("[") else None
    first = rows if isinstance(rows, dict) else next(iter(rows or ()), None)
    if first is None:
        try:
            first = json.loads(text.partition("\n")[0] or "null")
        except ValueError:
            first = None
    keys = set(first) if isinstance(first, dict) else set()
    if "data" in keys or "paragraphs" in keys:
        return "squad"
    if keys & {"oracle_context", "cot_answer"}:
        return "raft"
    if {"id", "kind"} <= keys:
        raise StepError(f"{path}: holds examples of ours already", next_step=f"raftops examples lint {path}")
    if "messages" in keys:
        return "openai"
    raise StepError(f"{path}: of no format that is known", next_step=f"--format {'|'.join(FORMATS)} says which")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StepError(f"{path}: larger than {MAX_BYTES >> 20} MiB", next_step="split the file")
        data = path.read_bytes()
        if wrong := not_utf8(data):
            raise StepError(f"{path}: {wrong}")
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise StepError(f"{path}: cannot be read ({error.strerror})") from error


def _whole_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise StepError(f"{path}: nested too deep") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # JSON Lines under another name
            return None
        raise StepError(f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})") from error
    except ValueError as error:
        raise StepError(f"{path}: not valid JSON ({plainly(error)})") from error


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """`file:line` and the row, or what is wrong with it; of a JSON list its members."""
    text = _text(path)
    rows = _whole_json(path, text) if text.lstrip().startswith("[") else None
    if isinstance(rows, list):
        for number, row in enumerate(rows):
            yield f"{path}:1 [{number}]", row if isinstance(row, dict) else "a row must be a JSON object"
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                row = f"is not valid JSON ({plainly(error)})"
            yield f"{path}:{number}", row if isinstance(row, dict | str) else "a row must be a JSON object"


def read_openai(path: Path) -> Iterator[Foreign]:
    """Rows of OpenAI's chat format: the last assistant turn is the answer; system turns are left out."""
    for where, row in _lines(path):
        if isinstance(row, str):
            yield Foreign(where, problem=row)
            continue
        said = row.get("messages")
        turns = (
            [(m.get("role"), m.get("content")) for m in said if isinstance(m, dict)] if isinstance(said, list) else []
        )
        spoken = [(str(role), text) for role, text in turns if isinstance(text, str) and text.strip()]
        if len(spoken) < len(turns) or not spoken:
            yield Foreign(where, problem="messages: each needs a role and a content that is text")
            continue
        if spoken[-1][0] != "assistant" or not any(role == "user" for role, _ in spoken):
            yield Foreign(where, problem="messages: needs a user turn, and an assistant turn as the last one")
            continue
        before, name = tuple(turn for turn in spoken[:-1] if turn[0] in ("user", "assistant")), str(row.get("id") or "")
        if len(before) == 1:
            yield Foreign(where, name, question=before[0][1].strip(), answer=spoken[-1][1].strip())
        elif before[-1][0] == "user":
            yield Foreign(where, name, answer=spoken[-1][1].strip(), turns=before)
        else:
            yield Foreign(where, problem="messages: the turn before the answer must be the user's")


def read_csv(path: Path) -> Iterator[Foreign]:
    """Rows of a table with a header; a quote with several lines is several quotes."""
    text = _text(path)
    sample = text[:8192]
    try:
        dialect: Any = csv.Sniffer().sniff(sample.partition("\n")[0], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    began, reader = 0, csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True)
    try:
        header = next(reader, [])
        columns = _columns(header)
        if "question" not in columns:
            said = ", ".join(header) or "nothing"
            names = ", ".join(COLUMNS["question"])
            raise StepError(
                f"{path}:1: no column is the question; the header has {said}", next_step=f"name one {names}"
            )
        began = reader.line_num
        for cells in reader:
            where, began = f"{path}:{began + 1}", reader.line_num
            if any(cell.strip() for cell in cells[len(header) :]):
                many = f"{len(cells)} cells under a header of {len(header)}: a cell with a {dialect.delimiter!r} in it"
                yield Foreign(where, problem=f'{many} stands in "quotation marks"')
            elif any(cell.strip() for cell in cells):
                yield _of_cells(where, {k: cells[n].strip() if n < len(cells) else "" for k, n in columns.items()})
    except csv.Error as error:
        # a quotation mark that nothing closes takes everything behind it along: its row is where it began
        raise StepError(f"{path}:{began + 1}: not readable as CSV ({error})") from error


def _columns(header: list[str]) -> dict[str, int]:
    """Where each of our columns is; of several that would do, the one whose name comes first in the table."""
    places = {
        re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_"): n for n, name in reversed(list(enumerate(header)))
    }
    found = {column: next((places[n] for n in names if n in places), None) for column, names in COLUMNS.items()}
    return {column: place for column, place in found.items() if place is not None}


def _of_cells(where: str, cells: Mapping[str, str]) -> Foreign:
    question, answer = cells.get("question", ""), cells.get("answer", "")
    unanswerable = cells.get("unanswerable", "").lower() in YES
    problem = "" if question else "the question is empty"
    if not problem and not answer and not unanswerable:
        problem = "the answer is empty; a question that nothing answers has yes in a column unanswerable"
    return Foreign(
        where, cells.get("id", ""), question, "" if unanswerable else answer,
        quotes=tuple(part.strip() for part in cells.get("quote", "").split("\n") if part.strip()),
        document=cells.get("document", ""),
        accepted=tuple(part.strip() for part in cells.get("accepted", "").split("|") if part.strip()),
        unanswerable=unanswerable, language=cells.get("language", ""), problem=problem,
    )  # fmt: skip


def read_squad(path: Path) -> Iterator[Foreign]:
    """Questions of SQuAD: the sentence around an answer is its quote, an impossible one is a near miss."""
    text = _text(path)
    body = _whole_json(path, text)
    articles = body.get("data") if isinstance(body, dict) else None
    if not isinstance(articles, list):
        raise StepError(f"{path}: no SQuAD: it has no list under data")
    at = 0
    for a, article in enumerate(articles):
        for p, paragraph in enumerate(_members(article, "paragraphs")):
            for q, asked in enumerate(_members(paragraph, "qas")):
                place = f"(data[{a}].paragraphs[{p}].qas[{q}])"
                if not isinstance(asked, dict):
                    yield Foreign(f"{path}:1 {place}", problem="a question must be a JSON object")
                    continue
                # JSON keeps no lines: the question's id is looked for behind the one before it
                found = text.find(json.dumps(str(asked.get("id", "")), ensure_ascii=False), at)
                at = found if found >= 0 else at
                where = f"{path}:{text.count(chr(10), 0, at) + 1}" if found >= 0 else f"{path}:1"
                yield _of_squad(f"{where} {place}", asked, paragraph, article)


def _members(part: Any, name: str) -> list[Any]:
    """A list of SQuAD's; one in another shape counts as one member, which is then named as wrong."""
    members = part.get(name, []) if isinstance(part, dict) else [part]
    return members if isinstance(members, list) else [members]


def _of_squad(
    where: str, asked: Mapping[str, Any], paragraph: Mapping[str, Any], article: Mapping[str, Any]
) -> Foreign:
    name, question, context = (str(v or "") for v in (asked.get("id"), asked.get("question"), paragraph.get("context")))
    answers = [a for a in asked.get("answers") or () if isinstance(a, dict) and str(a.get("text", "")).strip()]
    impossible = bool(asked.get("is_impossible"))
    if not question.strip() or (not answers and not impossible):
        problem = "has no question" if not question.strip() else "has neither an answer nor is_impossible"
        return Foreign(where, name, problem=problem)
    if impossible:
        return Foreign(where, name, question.strip(), unanswerable=True, near_miss=True)
    texts = list(dict.fromkeys(str(a["text"]).strip() for a in answers))
    start = answers[0].get("answer_start")
    proof = _line_around(context, start, len(texts[0])) if isinstance(start, int) else ""
    quotes = (proof,) if proof and texts[0] in proof else ()
    title = str(article.get("title") or "")
    return Foreign(where, name, question.strip(), texts[0], quotes, title, context=context, accepted=tuple(texts[1:]))


def _line_around(context: str, start: int, length: int) -> str:
    """The sentence of a context that an answer stands in, by the punctuation around it."""
    if not 0 <= start < len(context):
        return ""
    before = [m.end() for m in re.finditer(r"[.!?]\s+(?=[A-Z0-9\"'(])|\n+", context[:start])]
    after = re.search(r"[.!?](?=\s+[A-Z0-9\"'(]|\s*\Z)|\n", context[start + length :])
    end = start + length + after.end() if after else len(context)
    return context[before[-1] if before else 0 : end].strip()


def read_raft(path: Path) -> Iterator[Foreign]:
    """Rows of RAFT's authors: the answer stands behind a mark in the reasoning, quotes between marks."""
    for where, row in _lines(path):
        if isinstance(row, str):
            yield Foreign(where, problem=row)
            continue
        question, reasoned = str(row.get("question") or "").strip(), str(row.get("cot_answer") or "")
        answer = _RAFT_ANSWER.search(reasoned)
        said = " ".join((answer[1] if answer else "").split())
        quotes = [part.partition(_END)[0].strip() for part in reasoned.split(_BEGIN)[1:] if _END in part]
        problem = "" if question else "has no question"
        if not problem and not said:
            problem = "cot_answer has no part behind ##Answer: or <ANSWER>:"
        yield Foreign(
            where, str(row.get("id") or ""), question, said, tuple(q for q in quotes if q),
            context=str(row.get("oracle_context") or ""), problem=problem,
        )  # fmt: skip
