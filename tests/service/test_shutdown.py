"""A real `raftops serve` on a real release that is told to end, or killed, with questions at work: who is left?"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import psutil
import pytest

from raftops.service.connections import HEADER_SECONDS
from raftops.service.launch import free_port

pytestmark = [pytest.mark.local, pytest.mark.model, pytest.mark.skipif(os.name != "posix", reason="signals")]


@pytest.fixture
def project(deployed, tmp_path):
    """A project whose release is the deployed one."""
    (tmp_path / "store" / "releases").mkdir(parents=True)
    (tmp_path / "store" / "releases" / "handbook").symlink_to(deployed.releases)
    command = [sys.executable, "-m", "raftops", "init", str(tmp_path), "--name", "handbook"]
    subprocess.run(command, check=True, capture_output=True)
    spec = tmp_path / "raftops.yaml"
    spec.write_text(spec.read_text() + "\n  platform:\n    store: store\n")
    return spec


class Served:
    """`raftops serve`, ready, and the processes that it is made of."""

    def __init__(self, spec):
        self.port = free_port()
        command = [sys.executable, "-m", "raftops", "serve", str(spec), "--port", str(self.port)]
        self.log = spec.with_name("serve.log")
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=spec.parent)
        self.answers: Counter[int | str] = Counter()
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        tokens = json.loads((spec.parent / ".raftops" / "dev-tokens.json").read_text())
        self.token = tokens["users"]["employees"]["token"]
        self.family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self):
        body = json.dumps({"messages": [{"role": "user", "content": "How many days of leave in Norway?"}]}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.answers[answer.status] += 1
        except urllib.error.HTTPError as error:
            self.answers[error.code] += 1
        except OSError as error:
            self.answers[type(error).__name__] += 1

    def left(self, seconds):
        """Who of the family still runs after some seconds."""
        _, alive = psutil.wait_procs(self.family, timeout=seconds)
        return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_with_questions_at_work_nobody_is_left_and_every_caller_is_told(project, end):
    served = Served(project)
    try:
        assert len(served.family) >= 3, "the command, BentoML, and its worker"
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", served.port)) as idle:
            idle.settimeout(3 * HEADER_SECONDS)
            assert idle.recv(1) == b"" and time.monotonic() - began < 2 * HEADER_SECONDS
        asked = [threading.Thread(target=served.ask) for _ in range(12)]
        for thread in asked:
            thread.start()
        time.sleep(0.5)
        served.process.send_signal(end)
        assert served.left(30) == []
        for thread in asked:
            thread.join()
        assert set(served.answers) <= {200, 429, 503} and sum(served.answers.values()) == 12, served.answers
        if end == signal.SIGTERM:
            assert served.process.returncode == 0 or served.process.wait() == 0, served.log.read_text()
            assert "the service is stopped" in served.log.read_text()
        log = (project.parent / "store" / "service.log").read_text()
        assert not re.search("Traceback|ERROR", log), log
    finally:
        for process in served.family:
            if process.is_running():
                process.kill()
        served.process.wait()
