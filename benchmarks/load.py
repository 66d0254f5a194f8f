"""What the service does under load: throughput and waiting by clients, an overload, fairness, memory over time.

    python -m benchmarks.load specs/handbook.yaml               1, 8, 32 and 100 clients that heed Retry-After
    python -m benchmarks.load specs/handbook.yaml --overload    ten times what it can do, for a minute
    python -m benchmarks.load specs/handbook.yaml --fair        one caller with 40 loops beside one with 8 questions
    python -m benchmarks.load specs/handbook.yaml --soak 60     steady load, and the slope of the memory

Starts `raftops serve` on the current release and asks the held-out questions of its report, as several callers who may
read everything; prints one JSON line per figure, with the machine's load average. Baselines: one client (the engine
generates one reply at a time, so that no number of clients can get more out of it), and, for `--fair`, the same 8
questions asked alone. `--url` measures a service that runs already, such as an earlier version's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

import psutil

from pipelines.cli.authoring import releases_folder
from raftops.files import read_jsonl
from raftops.release.current import current_release
from raftops.service.dev_tokens import EVERYONE, dev_user_with, ensure_dev_tokens, load_dev_tokens
from raftops.service.launch import free_port
from raftops.spec.load import LoadedSpec, load_spec

CLIENTS = (1, 8, 32, 100)
TIMES = 10
"""How many times what it can do an overload is."""
LOOPS, CALM = 40, 8
CALLERS = 10
RECOVERED_SECONDS = 10
SAMPLE_SECONDS = 2.0
BLOCKS = 20
"""The slope is fitted to the means of so many stretches: samples of a moment's memory hang together."""
T_18 = 2.101
"""97.5 % quantile of Student's t with BLOCKS - 2 degrees of freedom."""
MIB = 1024 * 1024


@dataclass
class Seen:
    """What callers saw; several threads write."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of the answered ones."""
    lock: Lock = field(default_factory=Lock)

    def add(self, status: str, seconds: float) -> None:
        """One answer."""
        with self.lock:
            self.statuses[status] += 1
            if status == "200":
                self.seconds.append(seconds)


class Under:
    """A service under load: where it is, who may ask it, what is asked."""

    def __init__(self, url: str, tokens: list[str], questions: list[str], worker: psutil.Process) -> None:
        self.address, self.tokens, self.questions, self.worker = urlsplit(url).netloc, tokens, questions, worker
        self._next = count()

    def ask(self, seen: Seen, token: str, timeout: float = 120) -> float:
        """Put the next question; returns the seconds to wait before another try."""
        question = self.questions[next(self._next) % len(self.questions)]
        body = json.dumps({"messages": [{"role": "user", "content": question}]})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        began = time.monotonic()
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
            seen.add(str(answer.status), time.monotonic() - began)
            return float(answer.getheader("retry-after") or 0)
        except OSError as error:
            seen.add(type(error).__name__, time.monotonic() - began)
            return 0.1
        finally:
            connection.close()

    def counted(self) -> Counter[str]:
        """The service's own count of chats by status."""
        begin, counts = 'raftops_requests_total{endpoint="chat",status="', Counter[str]()
        for line in self._get("/metrics").splitlines():
            if line.startswith(begin):
                status, _, value = line.removeprefix(begin).partition('"} ')
                counts[status] = round(float(value))
        return counts

    def queue(self) -> float:
        """How many questions it says are in the queue."""
        lines = self._get("/metrics").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("raftops_questions_in_queue "))

    def ready(self) -> bool:
        """Whether it says that it is ready."""
        connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def memory(self) -> float:
        """MiB that the worker has in memory."""
        return float(self.worker.memory_info().rss) / MIB


@contextmanager
def looping(what: Callable[[Event], None], times: int) -> Iterator[None]:
    """So many threads that do something until the block ends; what is begun is waited for."""
    done = Event()
    threads = [Thread(target=what, args=(done,), daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def clients(service: Under, number: int, seconds: float) -> Seen:
    """Clients that ask again when they were answered, and wait as long as they are told to."""
    seen, tokens = Seen(), count()

    def client(done: Event) -> None:
        token = service.tokens[next(tokens) % len(service.tokens)]
        while not done.is_set():
            done.wait(service.ask(seen, token))

    with looping(client, number):
        time.sleep(seconds)
    return seen


def by_clients(service: Under, numbers: tuple[int, ...], seconds: float) -> None:
    """Throughput, waiting and errors by the number of clients."""
    for number in numbers:
        began = time.monotonic()
        seen = clients(service, number, seconds)
        _say(
            "load.clients",
            clients=number,
            **_figures(seen, time.monotonic() - began),
            memory_mib=round(service.memory()),
        )


def overload(service: Under, seconds: float) -> None:
    """Ten times what the service can do, whoever is refused or not; then, when is it as it was?"""
    calm = Seen()
    for _ in range(5):
        service.ask(calm, service.tokens[0])
    before, memory = service.counted(), service.memory()
    quiet = statistics.median(calm.seconds)
    rate, seen, ready, most = TIMES / quiet, Seen(), Counter[bool](), memory
    threads: list[Thread] = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if len(threads) < rate * now:
            token = service.tokens[1 + len(threads) % (len(service.tokens) - 1)]
            threads.append(Thread(target=service.ask, args=(seen, token), daemon=True))
            threads[-1].start()
        else:
            time.sleep(0.01)
        if len(threads) % 20 == 0:
            ready[service.ready()] += 1
            most = max(most, service.memory())
    ended = time.monotonic()
    recovered = math.inf
    after = Seen()
    while recovered == math.inf and time.monotonic() - ended < 120:
        asked = time.monotonic()
        service.ask(after, service.tokens[0])
        if after.statuses["200"] and time.monotonic() - asked <= 3 * quiet:
            recovered = time.monotonic() - ended
    for thread in threads:
        thread.join()
    drained = time.monotonic() - ended
    theirs, ours = service.counted() - before, seen.statuses + after.statuses
    _say(
        "load.overload",
        asked_per_second=round(rate, 1),
        seconds=seconds,
        **_figures(seen, ended - began),
        counted_alike=all(theirs[status] == ours[status] for status in {*theirs, *ours}),
        ready_share=round(ready[True] / max(1, sum(ready.values())), 3),
        memory_before_mib=round(memory),
        memory_most_mib=round(most),
        same_process=service.worker.is_running(),
        recovered_seconds=round(recovered, 1),
        recovered=recovered <= RECOVERED_SECONDS,
        last_answer_seconds=round(drained, 1),
        queue_after=service.queue(),
    )


def fair(service: Under) -> None:
    """Eight questions one after the other: alone, and beside one caller with forty loops that heed nothing."""
    for crowd in (0, LOOPS):
        loops, calm = Seen(), Seen()

        def loop(done: Event, loops: Seen = loops) -> None:
            while not done.is_set():
                service.ask(loops, service.tokens[1])
                done.wait(0.05)

        with looping(loop, crowd):
            if crowd:
                time.sleep(3)
            began = time.monotonic()
            for _ in range(CALM):
                service.ask(calm, service.tokens[0])
            took = time.monotonic() - began
        _say("load.fair", loops=crowd, answered=calm.statuses["200"], of=CALM, **_figures(calm, took),
             loops_saw=dict(loops.statuses))  # fmt: skip


def soak(service: Under, minutes: float) -> None:
    """Four clients for so long: what became of the memory."""
    samples: list[tuple[float, float]] = []
    seen, tokens = Seen(), count()

    def client(done: Event) -> None:
        token = service.tokens[next(tokens) % len(service.tokens)]
        while not done.is_set():
            done.wait(service.ask(seen, token))

    began = time.monotonic()
    with looping(client, 4):
        while (now := time.monotonic() - began) < minutes * 60:
            samples.append((now / 3600, service.memory()))
            time.sleep(SAMPLE_SECONDS)
    steady = samples[len(samples) // 5 :]  # what a service takes at first is its size
    slope, error = _slope(steady)
    _say(
        "load.soak",
        minutes=minutes,
        **_figures(seen, minutes * 60),
        memory_first_mib=round(samples[0][1]),
        memory_last_mib=round(samples[-1][1]),
        slope_mib_per_hour=round(slope, 1),
        plus_minus=round(error, 1),
        flat=abs(slope) <= error,
    )


def _slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """MiB an hour by least squares over means of stretches, and half of its 95 % interval."""
    size = len(samples) / BLOCKS
    parts = [samples[round(n * size) : round((n + 1) * size)] for n in range(BLOCKS)]
    hours = [statistics.fmean(hour for hour, _ in part) for part in parts]
    memory = [statistics.fmean(mib for _, mib in part) for part in parts]
    slope, intercept = statistics.linear_regression(hours, memory)
    left = sum((mib - intercept - slope * hour) ** 2 for hour, mib in zip(hours, memory, strict=True))
    spread = sum((hour - statistics.fmean(hours)) ** 2 for hour in hours)
    return slope, T_18 * math.sqrt(left / (BLOCKS - 2) / spread)


def _figures(seen: Seen, seconds: float) -> dict[str, object]:
    ranked = sorted(seen.seconds)
    quantiles = {
        f"p{q}": round(ranked[min(len(ranked) - 1, len(ranked) * q // 100)], 2) for q in (50, 95, 99) if ranked
    }
    errors = sum(n for status, n in seen.statuses.items() if status not in ("200", "429"))
    rate = round(len(ranked) / seconds, 2)
    return {"answered_per_second": rate, **quantiles, "statuses": dict(seen.statuses), "errors": errors}


def _say(figure: str, **values: object) -> None:
    print(json.dumps({"figure": figure, **values, "load_average": round(os.getloadavg()[0], 1)}), flush=True)


@contextmanager
def served(loaded: LoadedSpec, tokens: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`raftops serve` on a free port with these tokens, until the block ends; its address and its process."""
    port = free_port()
    overlay = tokens.with_name("overlay.yaml")
    overlay.write_text(f"spec: {{deploy: {{identity: {{dev_tokens: {tokens}}}}}}}\n")
    command = [sys.executable, "-m", "raftops", "serve", str(loaded.path), "-f", str(overlay), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            began = time.monotonic()
            probe = Under(f"http://127.0.0.1:{port}", [], [], psutil.Process())
            while not probe.ready():
                if process.poll() is not None or time.monotonic() - began > 180:
                    sys.exit("the service did not start")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()


def main() -> None:
    """Start, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("spec", nargs="?", type=Path, default=Path("specs/handbook.yaml"))
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)), help="numbers of clients")
    parser.add_argument("--seconds", type=float, default=60, help="of each number of clients, and of the overload")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--fair", action="store_true")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--url", default="", help="a service that runs already, with --pid and --tokens")
    parser.add_argument("--pid", type=int, default=0, help="of its `raftops serve`")
    parser.add_argument("--tokens", type=Path, help="its development tokens")
    given = parser.parse_args()
    loaded = load_spec(given.spec)
    release = current_release(releases_folder(loaded))
    rows = (row for _, row in read_jsonl(release.path / "report" / "answers.jsonl"))
    questions = list(dict.fromkeys(str(row["question"]) for row in rows))

    def measure(url: str, process: psutil.Process, tokens: list[str]) -> None:
        worker = max(process.children(recursive=True), key=lambda child: child.memory_info().rss)
        service = Under(url, tokens, questions, worker)
        if given.overload:
            overload(service, given.seconds)
        if given.fair:
            fair(service)
        if given.soak:
            soak(service, given.soak)
        if not (given.overload or given.fair or given.soak):
            by_clients(service, tuple(map(int, given.clients.split(","))), given.seconds)

    with tempfile.TemporaryDirectory() as folder:
        file = given.tokens or Path(folder, "tokens.json")
        users = ensure_dev_tokens(file, tuple(release.access.groups))
        callers = []
        for number in range(CALLERS):
            callers.append(dev_user_with(file, users, EVERYONE, {"caller": str(number)}).token)
            users = load_dev_tokens(file)
        if given.url:
            measure(given.url, psutil.Process(given.pid), callers)
        else:
            with served(loaded, file) as (url, process):
                measure(url, process, callers)


if __name__ == "__main__":
    main()
