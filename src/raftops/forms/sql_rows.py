"""Whether a SQL query returns the rows of a right one: SQLite in memory, read only, within time and steps."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

SECONDS = 2.0
"""Longest that setup or a query may take."""
STEPS = 1000
"""Instructions of SQLite's machine between two looks at the clock."""
ROWS = 10_000
"""Most rows of a query."""
LENGTH = 250_000
"""Most bytes of a query or of one of its values, so that no instruction runs on: the clock is read between them."""
BYTES = 64_000_000
"""Most that the rows of a query, or the database of a setup, may hold."""
DIGITS = 6
"""Significant digits to which numbers are compared."""
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)
_SUBQUERY = re.compile(r"\([^()]*\)")
Rows = list[tuple[Any, ...]]


class SqlFault(Exception):  # noqa: N818  a finding about a reply, not an error of ours
    """What is wrong with a query or a setup, in words."""


class Database:
    """A database in memory that can only be read once it is made."""

    def __init__(self, setup: str) -> None:
        """Run the statements of a setup. Raises `SqlFault`."""
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 8 * LENGTH)
        self._database.execute(f"PRAGMA max_page_count = {BYTES // 4096}")
        try:
            self._within(lambda: self._database.executescript(setup))
        except (sqlite3.Error, ValueError) as error:  # a null character or half a character in it is a ValueError
            self.close()
            raise SqlFault(f"the setup does not run: {error}") from error
        self._database.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LENGTH)

    def rows(self, query: str) -> Rows:
        """What a query returns. Raises `SqlFault` where it is not one query, writes, fails or takes too long."""
        try:
            found: Rows = self._within(lambda: self._bounded(query))
        except sqlite3.Warning as error:
            raise SqlFault("more than one statement") from error
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise SqlFault(f"does not run: {error}") from error
        return found

    def _bounded(self, query: str) -> Rows:
        """The rows one by one, so that no more is held than may be."""
        rows: Rows = []
        held = 0
        for row in self._database.execute(query):
            held += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(rows) == ROWS:
                raise SqlFault(f"returns more than {ROWS} rows")
            if held > BYTES:
                raise SqlFault(f"returns more than {BYTES} bytes")
            rows.append(row)
        return rows

    def close(self) -> None:
        """Forget it."""
        self._database.close()

    def _within(self, work: Any) -> Any:
        end = time.monotonic() + SECONDS
        self._database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        try:
            return work()
        finally:
            self._database.set_progress_handler(None, 0)


def same_rows(said: Rows, wanted: Rows, ordered: bool) -> bool:
    """Whether two results are the same, their columns in whatever order: as lists, or as multisets of rows."""
    if len(said) != len(wanted) or (said and len(said[0]) != len(wanted[0])):
        return False
    if not said:
        return True
    mine, theirs = ([tuple(map(_plain, row)) for row in rows] for rows in (said, wanted))
    order = _columns(mine, theirs)
    if order is None:
        return False
    turned = [tuple(row[column] for column in order) for row in mine]
    return turned == theirs if ordered else Counter(turned) == Counter(theirs)


def is_ordered(query: str) -> bool:
    """Whether a query as a whole says ORDER BY; what stands in brackets does not count."""
    before = ""
    while before != query:
        before, query = query, _SUBQUERY.sub("", query)
    return bool(_ORDER.search(query))


def _columns(said: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> list[int] | None:
    """For each wanted column one of those said that holds the same values, each taken once; the first that fits."""
    left = list(range(len(said[0])))
    order = []
    for column in range(len(wanted[0])):
        values = Counter(row[column] for row in wanted)
        fits = sorted(
            (other for other in left if Counter(row[other] for row in said) == values), key=lambda n: n != column
        )
        if not fits:
            return None
        order.append(fits[0])
        left.remove(fits[0])
    return order


def _plain(value: Any) -> Any:
    """A value as it is compared: numbers to some digits, 2.0 as 2."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value
