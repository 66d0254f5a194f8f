"""The images themselves: what is in them, who runs in them, that Kubeflow's executor does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from pipelines.wiring.code import Code
from raftops import __version__

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
SEARCH = (
    "for tool in pip pip3 gcc cc make ld; do command -v $tool; done;"
    " find / -xdev \\( -name 'pip' -o -name 'setuptools' -o -name '*.whl'"
    " -o -name 'id_rsa' -o -name '.netrc' -o -name '.git' \\) -not -path '/proc/*' 2>/dev/null; true"
)


@pytest.fixture(scope="module", params=["validate", "ingest", "train"])
def step_image(request: pytest.FixtureRequest, built: Callable[..., list[str]]) -> tuple[str, str]:
    [name] = built(request.param)
    return request.param, name


def said(engine: docker.DockerClient, name: str, *command: str) -> str:
    """What a command prints in a container that may write nothing but /tmp, without a network."""
    out: bytes = engine.containers.run(
        name, list(command), remove=True, read_only=True, network_mode="none", tmpfs={"/tmp": "size=64m"},
        cap_drop=["ALL"], security_opt=["no-new-privileges:true"],
    )  # fmt: skip
    return out.decode()


def test_nobody_is_root_and_labels_say_what_it_is(engine: Any, step_image: tuple[str, str]) -> None:
    step, name = step_image
    assert said(engine, name, "id", "-u").strip() == "10001"
    labels = engine.images.get(name).labels
    assert labels["org.opencontainers.image.title"] == f"raftops {step}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["io.raftops.code"] == Code().hash_of(f"components.{step}.component")


def test_nothing_that_builds_or_downloads_is_left_and_no_secret(engine: Any, step_image: tuple[str, str]) -> None:
    assert said(engine, step_image[1], "sh", "-c", SEARCH).split() == []
    told = " ".join(engine.images.get(step_image[1]).attrs["Config"]["Env"]).lower()
    assert not any(word in told for word in ("token", "secret", "password", "key="))


def test_the_executor_of_kubeflow_and_the_step_are_imported_from_the_environment(
    engine: Any, step_image: tuple[str, str]
) -> None:
    step, name = step_image
    program = (
        f"import kfp.dsl.executor_main, raftops.steps.{step} as step, shutil;"
        " print(step.__file__, shutil.which('python3'))"
    )
    command = ["env", "_KFP_RUNTIME=true", "python3", "-c", program]
    file, python = said(engine, name, *command).split()[-2:]
    assert file.startswith("/opt/raftops/") and python == "/opt/raftops/bin/python3"


def test_kubeflows_client_and_the_command_line_are_not_in_it(engine: Any, step_image: tuple[str, str]) -> None:
    names = "kfp_server_api typer google.cloud.storage docker"
    program = f"import importlib.util as u; print([n for n in '{names}'.split() if u.find_spec(n.split('.')[0])])"
    assert "'docker'" not in (found := said(engine, step_image[1], "python3", "-c", program))
    assert "kfp_server_api" not in found


def test_its_bill_of_materials_names_every_package_python_itself_and_the_system(
    engine: Any, step_image: tuple[str, str]
) -> None:
    program = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    found = {_plain(line) for line in said(engine, step_image[1], "python3", "-c", program).split()}
    command = [
        Path(sys.executable).parent / "syft",
        "scan",
        "--quiet",
        f"docker:{step_image[1]}",
        "-o",
        "cyclonedx-json",
    ]
    bill = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    parts = [part for part in bill["components"] if part.get("purl")]
    assert {
        _plain(f"{part['name']}=={part['version']}") for part in parts if part["purl"].startswith("pkg:pypi/")
    } == found
    assert any(name.startswith("raftops==") for name in found)
    assert any(part["name"] == "libc6" for part in parts)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
