"""A chain of lines: each has a hash over the one before and itself, so that none is changed or taken away unnoticed.

What a line is, how a chain is checked, and how it is read. Nothing is written here: `ledger.py` does. The end of a
chain can be cut off without a trace in what is left: whoever wants to notice that keeps its head elsewhere (`heads`).
Without a key, whoever may write the files can also make the whole chain again; with one, only who has it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from raftops.errors import ServiceError

BEGINNING = "0" * 64
"""What the first line of a chain goes on from."""
SEGMENT = re.compile(r"(?P<chain>[A-Za-z0-9_-]{1,80})\.(?P<first>\d{12})\.jsonl")
"""Name of a file: its chain, and the place of its first line."""
LONGEST_LINE = 1 << 20
Line = dict[str, Any]
Digest = Callable[[str], str]


def digest_with(key: str = "") -> Digest:
    """SHA-256 of a text; with a key, HMAC-SHA-256."""
    if not key:
        return lambda text: hashlib.sha256(text.encode()).hexdigest()
    return lambda text: hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def linked(line: Mapping[str, Any], before: str, digest: Digest) -> Line:
    """A line with its place behind another."""
    body = {**line, "prev": before}
    return {**body, "hash": digest(before + canonical(body))}


def canonical(line: Mapping[str, Any]) -> str:
    """The one form of a line, without its end."""
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


@dataclass
class Checked:
    """What a check of one chain found."""

    chain: str
    lines: int = 0
    first: int = 0
    last: int = 0
    head: str = BEGINNING
    """Hash of the last line."""
    problems: list[str] = field(default_factory=list)
    """Each with its file and line."""
    notes: list[str] = field(default_factory=list)
    """What the chain itself tells of: a crash, files whose time was over."""


def segments(path: Path) -> dict[str, list[Path]]:
    """The files of each chain in a folder, in order. A file of another name is a log that was collected."""
    files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    found: dict[str, list[Path]] = {}
    for file in files:
        if named := SEGMENT.fullmatch(file.name):
            found.setdefault(named["chain"], []).append(file)
        elif file == path:
            found[file.stem] = [file]
    return found


def check(chain: str, files: Iterable[Path], digest: Digest, heads: Iterable[tuple[int, str]] = ()) -> Checked:
    """Look at every line of a chain: whether it is as it was written, and follows the one before.

    `heads` are places and hashes that were kept elsewhere: a chain that has none of them any more was cut.
    """
    found, gone, wanted = Checked(chain), dict[int, str](), dict(heads)
    for where, text, line in _lines(files):
        if line is None:
            found.problems.append(f"{where}: {text}")
            continue
        if not found.lines and isinstance(line.get("seq"), int) and line["seq"] > 1:
            gone[line["seq"] - 1] = str(line.get("prev"))  # their time was over, if a later line says so
            found.last, found.head = line["seq"] - 1, str(line.get("prev"))
        fault, place = _fault(line, text, found, digest)
        if fault:
            found.problems.append(f"{where}: {fault}")
        if place <= found.last:
            continue
        found.first, found.last, found.lines = found.first or place, place, found.lines + 1
        found.head = str(line.get("hash"))
        if wanted.pop(place, found.head) != found.head:
            found.problems.append(f"{where}: line {place} is not the one that was there before")
        through = [line.get("through"), line.get("through_hash")]  # of whatever type: lines may be changed
        if line.get("event") == "retention" and any(through == [*one] for one in gone.items()):
            gone.clear()
        if line.get("event") in ("recovered", "retention"):
            found.notes.append(f"{where}: {line['event']}: {line.get('note', '')}")
    lost = "are missing, and no line says that their time was over"
    found.problems += [f"{chain}: lines up to {at} {lost}" for at in gone]
    cut = [place for place in sorted(wanted) if place >= found.first]
    found.problems += [f"{chain}: line {place} was there before and is not: the end was cut off" for place in cut]
    return found


def _fault(line: Line, text: str, found: Checked, digest: Digest) -> tuple[str, int]:
    """What is wrong with a line behind those that were looked at, and its place."""
    body = {key: value for key, value in line.items() if key != "hash"}
    place, before = line.get("seq"), str(line.get("prev"))
    if not isinstance(place, int) or canonical(line) != text or digest(before + canonical(body)) != line.get("hash"):
        return f"line {found.last + 1} was changed, or made with another key", found.last + 1  # whatever it says now
    if place <= found.last:
        return f"line {place} is out of order, or stands twice", place
    if place > found.last + 1:
        return f"lines {found.last + 1} to {place - 1} are missing before it", place
    if before != found.head:
        return f"line {place} does not follow line {found.last}, which was replaced", place
    return "", place


def read(files: Iterable[Path]) -> Iterator[Line]:
    """The lines of a chain that can be read, unchecked."""
    return (line for _, _, line in _lines(files) if line is not None)


def is_a_request(line: Line) -> bool:
    """Whether a line has what a request's line has: one that somebody changed may hold anything."""
    who, shown = line.get("principal") or {}, line.get("documents") or []
    texts = [line.get(name) for name in ("time", "decision", "request")]
    if not (isinstance(who, dict) and isinstance(shown, list) and all(isinstance(text, str) for text in texts)):
        return False
    rows = [one for one in shown if isinstance(one, dict) and isinstance(one.get("as"), list)]
    return len(rows) == len(shown) and all(isinstance(one.get(key), str) for one in rows for key in ("doc", "version"))


@dataclass(frozen=True)
class Wanted:
    """Which lines of requests are asked for; an empty field asks for all."""

    principal: str = ""
    """Subject, or whatever stands for it."""
    document: str = ""
    """Id of a document that was shown."""
    since: str = ""
    """ISO 8601 time in UTC."""
    request: str = ""

    def fits(self, line: Mapping[str, Any]) -> bool:
        """Whether a line is meant."""
        who, shown = line.get("principal") or {}, line.get("documents") or ()
        return (
            line.get("event") == "request"
            and (not self.principal or self.principal in who.values())
            and (not self.document or any(one["doc"] == self.document for one in shown))
            and (not self.request or line.get("request") == self.request)
            and (not self.since or _moment(str(line["time"])) >= _moment(self.since))
        )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ServiceError(f"{text}: not a time", next_step="write it as 2026-11-30 or 2026-11-30T08:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.fromisoformat("2000-01-01T00:00:00Z").tzinfo)


def _lines(files: Iterable[Path]) -> Iterator[tuple[str, str, Line | None]]:
    """Place, text and content of each line; of one that cannot be read, what is wrong and None.

    In the output of a service other lines stand between: those that hold no chain are passed over there.
    """
    for path in files:
        collected = SEGMENT.fullmatch(path.name) is None
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE):
                number += 1
                where = f"{path}:{number}"
                if collected:
                    start = raw.find(b'{"audit":')
                    if start < 0:
                        continue
                    raw = raw[start:]
                if not raw.endswith(b"\n"):
                    yield where, "ends in its middle: a crash, or something cut it off", None
                    continue
                text = raw[:-1].decode("utf-8", "replace")
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):
                    line = None
                yield (where, text, line) if isinstance(line, dict) else (where, "is no line of an audit", None)
