import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from raftops.errors import ServiceError
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.model.serving import Identity

pytestmark = pytest.mark.slow


def test_the_environment_says_what_to_serve_and_nothing_left_over(tmp_path, monkeypatch):
    monkeypatch.setenv("RAFTOPS_RELEASE", "/elsewhere")
    monkeypatch.setenv("RAFTOPS_IDENTITY", "{}")
    monkeypatch.setenv("RAFTOPS_METRICS", "127.0.0.1:1")
    told = Launch(tmp_path, host="127.0.0.1", timeout_seconds=9).environment()
    assert (
        told["RAFTOPS_RELEASES"] == str(tmp_path) and "RAFTOPS_RELEASE" not in told and "RAFTOPS_IDENTITY" not in told
    )
    assert "RAFTOPS_METRICS" not in told, "two services of one machine would want one port"
    assert told["BENTOML_DO_NOT_TRACK"] == "true" and told["RAFTOPS_HOST"] == "127.0.0.1"
    fixed = Launch(None, tmp_path, identity=Identity(jwks="k.json")).environment()
    assert fixed["RAFTOPS_RELEASE"] == str(tmp_path) and "RAFTOPS_RELEASES" not in fixed
    assert Identity.model_validate_json(fixed["RAFTOPS_IDENTITY"]).jwks == "k.json"


def test_a_file_of_the_user_beside_the_spec_is_no_module_of_the_service(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('the user')\n")
    command = [sys.executable, "-c", "import json; print(json.__file__)"]
    told = Launch(tmp_path).environment()
    done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, check=True)
    assert str(tmp_path) not in done.stdout


def test_the_address_is_one_that_this_machine_reaches():
    assert Launch(None, host="0.0.0.0", port=7).url == "http://127.0.0.1:7"
    assert Launch(None, host="::1", port=7).url == "http://[::1]:7"


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServiceError, match="cannot be listened on"):
            Service(Launch(tmp_path, port=taken.getsockname()[1]), tmp_path / "log")
    assert not (tmp_path / "log").exists()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def gone(pids, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(alive, pids)):
        time.sleep(0.1)
    return not any(map(alive, pids))


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in found.split()]


def test_a_service_without_a_release_is_live_not_ready_and_ends_when_told(tmp_path):
    with Service(Launch(tmp_path, port=free_port()), tmp_path / "log") as service:
        with pytest.raises(ServiceError, match="no release is current"):
            service.wait_ready(120)
        pids = [service.pid, *children(service.pid)]
    assert gone(pids) and len(pids) > 1


def test_a_service_that_ends_by_itself_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("raftops.service.launch.SERVICE", "raftops.nothing:Here")
    service = Service(Launch(tmp_path, port=free_port()), tmp_path / "log")
    with service, pytest.raises(ServiceError, match="it ended with code"):
        service.wait_ready(120)


def test_a_system_that_denies_a_signal_to_a_dead_session_ends_the_service_all_the_same(tmp_path, monkeypatch):
    def denied(session, signal_):  # as macOS does while a zombie is in it
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(sys, "executable", "/usr/bin/true")
    monkeypatch.setattr(os, "killpg", denied)
    Service(Launch(tmp_path, port=free_port()), tmp_path / "log").stop()


PARENT = """
    import sys, time
    from pathlib import Path
    from raftops.service.launch import Launch, Service, free_port
    service = Service(Launch(Path(sys.argv[1]), port=free_port()), Path(sys.argv[1]) / "log")
    print(service.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system cannot tie a child to its parent")
def test_a_killed_parent_leaves_no_service_behind(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        while not children(pid) and alive(pid):
            time.sleep(0.1)
        pids = [pid, *children(pid)]
        parent.send_signal(signal.SIGKILL)
    assert gone(pids)
