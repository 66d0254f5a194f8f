"""The runner on a real engine: exit codes, limits, time, ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp.local import status

from pipelines.local.containers import Task
from pipelines.local.limits import Limits
from pipelines.local.sandbox import STORE_LABEL, Site, container_arguments, own

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
Ran = Callable[..., status.Status]


@pytest.fixture
def ran(engine: Any, base: str, tmp_path: Path) -> Ran:
    """Run a shell script as a task."""
    store = tmp_path / "project" / "store"
    store.mkdir(parents=True)
    for folder in (tmp_path.parent, tmp_path, store.parent):
        folder.chmod(0o755)
    site = Site(store.parent, store, own(store), cores=int(engine.info()["NCPU"]))

    def run(script: str, **limit: Any) -> status.Status:
        limits = Limits(base, **limit)
        arguments = container_arguments("train", limits, site, {"SCRIPT": "1"})
        return Task(engine, "train", ["sh", "-c", script], arguments, limits).run()

    return run


def test_a_failing_container_is_a_failed_step_eight_times_of_eight(ran: Ran) -> None:
    assert [ran("exit 3") for _ in range(8)] == [status.Status.FAILURE] * 8
    assert ran("exit 0") == status.Status.SUCCESS


def test_no_container_is_left(ran: Ran, engine: Any) -> None:
    ran("exit 3")
    assert engine.containers.list(all=True, filters={"label": STORE_LABEL}) == []


def test_what_it_says_is_heard_in_whole_lines(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    ran("printf 'on'; sleep 0.2; echo e; echo zwölf >&2; exit 4")
    out = capsys.readouterr().out.splitlines()
    assert sorted(out[:2]) == ["train | one", "train | zwölf"]
    assert out[2].endswith("(exit code 4)")


def test_memory_is_limited(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    hungry = "exec python3 -c 'b = bytearray(200 * 2**20)'"
    assert ran(hungry, memory=64 * 2**20) == status.Status.FAILURE
    assert "it was killed: it needed more than its 64 MiB of memory" in capsys.readouterr().out
    assert ran(hungry, memory=512 * 2**20) == status.Status.SUCCESS


def test_cores_and_shared_memory_are_what_was_asked_for(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    cores = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    assert (
        ran(f"{cores}; df -B1 --output=size /dev/shm | tail -1", cpu=0.5, shared_memory=2**27) == status.Status.SUCCESS
    )
    quota, size = (line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines())
    assert (quota, size) == ("50000", str(2**27))


def test_a_container_that_takes_too_long_is_stopped(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert ran("sleep 300", seconds=2) == status.Status.FAILURE
    assert time.monotonic() - began < 120
    assert "it was stopped: it ran longer than 2 s" in capsys.readouterr().out


def test_it_may_write_the_store_and_tmp_and_nothing_else(ran: Ran, tmp_path: Path) -> None:
    store = tmp_path / "project" / "store"
    assert ran(f"echo x > {store}/made && echo x > /tmp/made") == status.Status.SUCCESS
    assert (store / "made").read_text(encoding="utf-8") == "x\n"
    for place in (store.parent, "/", "/etc", "/app", "/usr"):
        assert ran(f"echo x > {place}/made") == status.Status.FAILURE


def test_it_is_not_root_and_has_no_capability_and_no_network(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("id -u; grep CapEff /proc/self/status; ls /sys/class/net") == status.Status.SUCCESS
    said = [line.removeprefix("train | ") for line in capsys.readouterr().out.splitlines()]
    assert said[0] != "0" and said[1].split()[1] == "0" * 16 and said[2:] == ["lo"]
