"""Lines of an audit on the disk: chained, rotated, kept for a while, and whole after a crash or a full disk."""

from __future__ import annotations

import json
import random
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from raftops.errors import ServiceError
from raftops.service import ledger as ledgers
from raftops.service.chain import Checked, Wanted, canonical, check, digest_with, linked, read, segments
from raftops.service.ledger import FileLedger, StdoutLedger, open_ledger
from raftops.spec.model.serving import Audit

LINE = {
    "event": "request",
    "principal": {"subject": "ann"},
    "documents": [{"doc": "a.md", "version": "1", "as": ["cited"]}],
}


OPEN: list[FileLedger] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def opened(folder: Path, key: str = "", **settings: Any) -> FileLedger:
    OPEN.append(FileLedger(Audit(folder=str(folder), **settings), folder, key))
    return OPEN[-1]


def filled(folder: Path, lines: int = 9, key: str = "", **settings: Any) -> list[Path]:
    """The files of a chain with some lines."""
    ledger = opened(folder, key, **settings)
    for number in range(lines):
        ledger.write({**LINE, "number": number})
    ledger.close()
    return chain(folder)


def chain(folder: Path) -> list[Path]:
    [files] = segments(folder).values()
    return files


def checked(folder: Path, key: str = "", heads: Any = ()) -> Checked:
    [(name, files)] = segments(folder).items()
    return check(name, files, digest_with(key), heads)


def test_lines_follow_each_other_and_a_restart_goes_on(tmp_path: Path) -> None:
    filled(tmp_path / "audit", 3)
    files = filled(tmp_path / "audit", 2)
    assert [line["seq"] for line in read(files)] == [1, 2, 3, 4, 5]
    found = checked(tmp_path / "audit")
    assert (found.problems, found.lines, found.last) == ([], 5, 5)
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


def without(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at] + lines[at + 1 :]


def edited(lines: list[bytes], at: int, again: bool = False) -> list[bytes]:
    """Somebody else asked; `again`: and the hash of that line fits."""
    line = json.loads(lines[at])
    line["principal"] = {"subject": "bob"}
    if again:
        line = linked({k: v for k, v in line.items() if k not in ("hash", "prev")}, line["prev"], digest_with())
    return [*lines[:at], canonical(line).encode() + b"\n", *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda lines: edited(lines, 4), [":5: line 5 was changed"]),
        (lambda lines: edited(lines, 4, again=True), [":6: line 6 does not follow line 5, which was replaced"]),
        (lambda lines: without(lines, 4), [":5: lines 5 to 5 are missing before it"]),
        (lambda lines: lines[:2] + lines[6:], [":3: lines 3 to 6 are missing before it"]),
        (lambda lines: lines[3:], ["lines up to 3 are missing, and no line says that their time was over"]),
        (
            lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
            ["lines 5 to 5 are missing", "line 5 is out of order"],
        ),
        (lambda lines: [*lines, lines[3]], [":10: line 4 is out of order, or stands twice"]),
        (lambda lines: [*lines[:4], lines[4].replace(b":", b": ", 1), *lines[5:]], [":5: line 5 was changed"]),
        (lambda lines: [*lines[:4], b"hello\n", *lines[4:]], [":5: is no line of an audit"]),
        (lambda lines: [*lines[:8], lines[8][:40]], [":9: ends in its middle"]),
        (lambda lines: [*lines[:4], b"[" * 50_000 + b"\n", *lines[4:]], [":5: is no line of an audit"]),
    ],
)
def test_what_was_changed_is_named(tmp_path: Path, tamper: Any, said: list[str]) -> None:
    [file] = filled(tmp_path)
    file.write_bytes(b"".join(tamper(file.read_bytes().splitlines(keepends=True))))
    problems = checked(tmp_path).problems
    assert len(problems) == len(said), problems
    assert all(words in problem for words, problem in zip(said, problems, strict=True))


def test_a_line_of_another_shape_is_a_fault_and_stops_no_check(tmp_path: Path) -> None:
    [file] = filled(tmp_path)
    lines = file.read_text().splitlines()[2:]
    event = {**json.loads(lines[0]), "event": "retention", "through": [2], "through_hash": {}}
    file.write_text("\n".join([json.dumps(event), *lines[1:]]) + "\n")
    assert any("was changed" in said for said in checked(tmp_path).problems)


def test_no_byte_of_a_line_can_be_changed_unseen(tmp_path: Path) -> None:
    [file] = filled(tmp_path, 3)
    body = file.read_bytes()
    for place in range(len(body)):
        file.write_bytes(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
        assert checked(tmp_path).problems, f"byte {place}"


def test_a_cut_end_is_seen_by_a_head_that_was_kept_elsewhere(tmp_path: Path) -> None:
    [file] = filled(tmp_path)
    head = checked(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:6]))
    assert checked(tmp_path).problems == [], "the chain alone does not know"
    [problem] = checked(tmp_path, heads=[(head.last, head.head)]).problems
    assert "line 9 was there before and is not: the end was cut off" in problem
    filled(tmp_path, 5)
    [problem] = checked(tmp_path, heads=[(head.last, head.head)]).problems
    assert "line 9 is not the one that was there before" in problem


def test_with_a_key_nobody_else_can_make_the_chain_again(tmp_path: Path) -> None:
    [file] = filled(tmp_path, key="secret")
    assert checked(tmp_path, "secret").problems == []
    assert checked(tmp_path, "guessed").problems and checked(tmp_path).problems
    before, made = "0" * 64, []
    for line in read([file]):
        line = linked(
            {**{k: v for k, v in line.items() if k not in ("hash", "prev")}, "number": 0}, before, digest_with()
        )
        before = line["hash"]
        made.append(canonical(line) + "\n")
    file.write_text("".join(made))
    assert checked(tmp_path).problems == [], "without a key it would pass"
    assert checked(tmp_path, "secret").problems


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_after_a_crash_in_a_line_the_chain_goes_on_and_says_so(tmp_path: Path, cut: int) -> None:
    [file] = filled(tmp_path, 3)
    torn = file.read_bytes() + (canonical({"audit": 1, "chain": "x", "seq": 4, "time": "2026"}) * 3).encode()[:cut]
    file.write_bytes(torn)
    files = filled(tmp_path, 2)
    found = checked(tmp_path)
    assert found.problems == [] and found.lines == 6
    [note] = found.notes
    assert f"recovered: {cut} bytes of a line that a crash left were taken off" in note
    assert [line["event"] for line in read(files)][3] == "recovered"


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_chain(tmp_path: Path) -> None:
    program = (
        "import sys, threading, os, time; from pathlib import Path\n"
        "from raftops.service.ledger import FileLedger; from raftops.spec.model.serving import Audit\n"
        "ledger = FileLedger(Audit(sync='never'), Path(sys.argv[1]))\n"
        "threading.Timer(0.3, lambda: os.kill(os.getpid(), 9)).start()\n"
        "while True: ledger.write({'event': 'request', 'text': 'x' * 2000})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path], check=False, stderr=subprocess.PIPE)
    assert ended.returncode == -9, ended.stderr
    filled(tmp_path, 1)
    found = checked(tmp_path)
    assert found.problems == [] and found.lines > 10


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file grows beyond `size`: to the ledger, a disk that is full in the middle of a line."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_a_line_is_refused_and_the_next_with_room_follows_the_last_whole_one(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.write(LINE)
    size = chain(tmp_path)[0].stat().st_size
    for room in (1, size // 2, size - 1):
        with small_files(size + room), pytest.raises(OSError):
            ledger.write(LINE)
    ledger.write(LINE)
    ledger.close()
    assert checked(tmp_path).problems == [] and checked(tmp_path).lines == 2


class Clock:
    """A clock that a test sets."""

    at = datetime(2026, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, zone: Any) -> datetime:
        return cls.at

    fromisoformat = datetime.fromisoformat


def test_files_are_turned_each_day_and_by_size_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "datetime", Clock)
    ledger = opened(tmp_path, max_mib=1)
    for day in range(3):
        Clock.at = datetime(2026, 1, 1 + day, tzinfo=UTC)
        for _ in range(4):
            ledger.write({**LINE, "text": "x" * 300_000})
    ledger.close()
    assert [file.name.split(".")[1] for file in chain(tmp_path)] == [f"{n:012d}" for n in (1, 5, 9)]
    for _ in range(3):
        filled(tmp_path, 2, max_mib=1)
    found = checked(tmp_path)
    assert found.problems == [] and found.lines == 18


def test_files_whose_time_is_over_go_and_a_check_knows_who_took_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "datetime", Clock)
    for day in range(6):
        Clock.at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        filled(tmp_path, 2, keep_days=2)
    files = chain(tmp_path)
    assert [line["time"][:10] for line in read(files[:1])][0] == "2026-01-04"
    found = checked(tmp_path)
    assert found.problems == [] and found.first > 1
    assert all("were deleted after 2 days" in note for note in found.notes) and found.notes
    files[0].unlink()  # somebody else takes one more
    assert "are missing, and no line says that their time was over" in checked(tmp_path).problems[0]


@pytest.mark.parametrize("last", ["", "garbage", "[]", '{"seq": 2}', '{"seq": 2, "time": "yesterday"}'])
def test_an_old_file_whose_last_line_was_changed_is_kept_and_stops_nothing(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "datetime", Clock)
    for day in range(3):
        Clock.at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        filled(tmp_path, 2, keep_days=365)
    files = chain(tmp_path)
    files[0].write_text(f"{last}\n" if last else "")
    Clock.at += timedelta(days=1)
    assert filled(tmp_path, 2, keep_days=1)[: len(files)] == files
    assert checked(tmp_path).problems


def test_a_clock_that_jumps_takes_not_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "datetime", Clock)
    for year in (2026, 2026, 2100):
        Clock.at = datetime(year, 1, 1, tzinfo=UTC)
        filled(tmp_path, 2, keep_days=30)
    assert len(chain(tmp_path)) == 2 and checked(tmp_path).problems == []


def test_two_services_on_one_machine_have_a_chain_each(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    for ledger in random.Random(1).choices([one, two], k=20):
        ledger.write(LINE)
    one.close()
    two.close()
    found = segments(tmp_path)
    assert len(found) == 2
    assert all(check(name, files, digest_with()).problems == [] for name, files in found.items())


def test_a_last_line_that_was_changed_is_followed_by_nothing(tmp_path: Path) -> None:
    [file] = filled(tmp_path, 2)
    file.write_bytes(file.read_bytes().replace(b'"seq":2', b'"seq":"'))
    with pytest.raises(ServiceError, match="so nothing can follow it") as refused:
        opened(tmp_path)
    assert "raftops audit verify" in refused.value.next_step


def test_strangers_are_counted_where_they_are_too_many_to_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody without a token fills the disk; whoever is known has every line."""
    monkeypatch.setattr(ledgers, "STRANGERS_A_SECOND", 0.0)
    ledger = opened(tmp_path)
    for _ in range(500):
        ledger.write({"event": "request", "status": 401}, listed=False)
    for _ in range(300):
        ledger.write({"event": "request", "status": 200})
    ledger.close()
    lines = list(read(chain(tmp_path)))
    assert [line["status"] for line in lines].count(401) == 200 and [line["status"] for line in lines].count(200) == 300
    assert sum(line.get("not_listed", {}).get("401", 0) for line in lines) == 300
    assert checked(tmp_path).problems == []


def test_what_pods_print_is_checked_between_other_lines_of_their_log(tmp_path: Path) -> None:
    out = StringIO()
    ledger = StdoutLedger(Audit(to="stdout"), out=out)
    for _ in range(3):
        ledger.write(LINE)
    lines = out.getvalue().splitlines(keepends=True)
    log = tmp_path / "pod.log"
    log.write_text("starting\n" + f"2026-01-01T00:00:00Z stdout F {lines[0]}" + "serving\n" + "".join(lines[1:]))
    found = check("pod", [log], digest_with())
    assert found.problems == [] and found.lines == 3
    log.write_text("".join([lines[0], lines[2]]))
    assert "lines 2 to 2 are missing" in check("pod", [log], digest_with()).problems[0]


@pytest.mark.parametrize(("kept", "said"), [("none", {}), ("text", {"question": "why?"}), ("hash", {"question_hash"})])
def test_of_a_question_is_kept_what_the_settings_say(tmp_path: Path, kept: Any, said: Any) -> None:
    noted = opened(tmp_path, "key", question=kept).question("why?")
    assert noted == said if isinstance(said, dict) else set(noted) == said and "why" not in str(noted)


def test_a_hash_of_a_question_is_the_same_with_the_same_key_only(tmp_path: Path) -> None:
    noted = [opened(tmp_path / str(n), key, question="hash").question("why?") for n, key in enumerate("aab")]
    assert noted[0] == noted[1] != noted[2]
    assert opened(tmp_path / "x", question="hash").question("a") != opened(tmp_path / "y", question="hash").question(
        "a"
    )


def test_settings_choose_where_lines_go(tmp_path: Path) -> None:
    assert open_ledger(Audit(to="off")) is None
    assert isinstance(open_ledger(Audit(to="stdout")), StdoutLedger)
    ledger = open_ledger(Audit(folder=str(tmp_path)))
    assert isinstance(ledger, FileLedger)
    ledger.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="the audit cannot be written"):
        open_ledger(Audit(folder=str(tmp_path / "file")))


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        (Wanted(), [0, 1, 2]),
        (Wanted(principal="ann"), [0, 2]),
        (Wanted(principal="https://id"), [1]),
        (Wanted(document="b.md"), [1, 2]),
        (Wanted(since="2026-01-02"), [1, 2]),
        (Wanted(since="2026-01-02T12:00:00+01:00"), [2]),
        (Wanted(principal="ann", document="b.md"), [2]),
        (Wanted(request="r1"), [1]),
    ],
)
def test_lines_are_found_by_who_asked_what_was_shown_and_when(wanted: Wanted, lines: list[int]) -> None:
    rows = [
        {"event": "request", "time": f"2026-01-0{n + 1}T10:00:00.000Z", "principal": who, "request": f"r{n}",
         "documents": [{"doc": doc, "version": "1", "as": ["cited"]} for doc in docs]}
        for n, (who, docs) in enumerate(
            [({"subject": "ann"}, ["a.md"]), ({"subject": "bob", "issuer": "https://id"}, ["b.md"]),
             ({"subject": "ann"}, ["a.md", "b.md"])]
        )
    ]  # fmt: skip
    assert [n for n, row in enumerate(rows) if wanted.fits(row)] == lines
    assert not wanted.fits({"event": "recovered", "time": "2027-01-01T00:00:00Z"})
