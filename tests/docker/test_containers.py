"""The runner on a real engine: exit codes, limits, time, ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.local.containers import TaskContainer
from pipelines.local.handler import Ending
from pipelines.local.limits import Limits
from pipelines.local.sandbox import STORE_LABEL, Site, container_arguments, own

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
Ran = Callable[..., Ending]


@pytest.fixture
def ran(engine: Any, base: str, tmp_path: Path) -> Ran:
    """Run a shell script as a task."""
    store = tmp_path / "project" / "store"
    store.mkdir(parents=True)
    for folder in (tmp_path.parent, tmp_path, store.parent):
        folder.chmod(0o755)
    site = Site(store.parent, store, own(store), cores=int(engine.info()["NCPU"]))

    def run(script: str, heard: list[bytes] | None = None, **limit: Any) -> Ending:
        limits = Limits(base, **limit)
        arguments = container_arguments("train", limits, site, {"SCRIPT": "1"})
        asked: Any = SimpleNamespace(
            name="train", command=["sh", "-c", script], stopped=threading.Event(),
            hear=(heard if heard is not None else []).append,
        )  # fmt: skip
        return TaskContainer(engine, arguments, limits).run(asked)

    return run


def lines(heard: list[bytes]) -> list[str]:
    return b"".join(heard).decode().splitlines()


def test_a_failing_container_is_a_failed_step_eight_times_of_eight(ran: Ran) -> None:
    assert [ran("exit 3") for _ in range(8)] == [Ending(3)] * 8
    assert ran("exit 0") == Ending(0)


def test_no_container_is_left(ran: Ran, engine: Any) -> None:
    ran("exit 3")
    assert engine.containers.list(all=True, filters={"label": STORE_LABEL}) == []


def test_what_it_says_is_heard(ran: Ran) -> None:
    heard: list[bytes] = []
    assert ran("printf 'on'; sleep 0.2; echo e; echo zwölf >&2; exit 4", heard) == Ending(4)
    assert sorted(lines(heard)) == ["one", "zwölf"]


def test_memory_is_limited(ran: Ran) -> None:
    hungry = "exec python3 -c 'b = bytearray(200 * 2**20)'"
    assert "it was killed: it needed more than its 64 MiB of memory" in ran(hungry, memory=64 * 2**20).message
    assert ran(hungry, memory=512 * 2**20) == Ending(0)


def test_cores_and_shared_memory_are_what_was_asked_for(ran: Ran) -> None:
    cores = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    heard: list[bytes] = []
    assert ran(f"{cores}; df -B1 --output=size /dev/shm | tail -1", heard, cpu=0.5, shared_memory=2**27) == Ending(0)
    assert [line.strip() for line in lines(heard)] == ["50000", str(2**27)]


def test_a_container_that_takes_too_long_is_stopped(ran: Ran) -> None:
    began = time.monotonic()
    assert "it was stopped: it ran longer than 2 s" in ran("sleep 300", seconds=2).message
    assert time.monotonic() - began < 120


def test_it_may_write_the_store_and_tmp_and_nothing_else(ran: Ran, tmp_path: Path) -> None:
    store = tmp_path / "project" / "store"
    assert ran(f"echo x > {store}/made && echo x > /tmp/made") == Ending(0)
    assert (store / "made").read_text(encoding="utf-8") == "x\n"
    for place in (store.parent, "/", "/etc", "/app", "/usr"):
        assert ran(f"echo x > {place}/made").code


def test_it_is_not_root_and_has_no_capability_and_no_network(ran: Ran) -> None:
    heard: list[bytes] = []
    assert ran("id -u; grep CapEff /proc/self/status; ls /sys/class/net", heard) == Ending(0)
    user, capabilities, *network = lines(heard)
    assert user != "0" and capabilities.split()[1] == "0" * 16 and network == ["lo"]
