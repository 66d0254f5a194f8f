from types import SimpleNamespace

import pytest

from raftops.service.dev_tokens import ensure_dev_tokens
from raftops.service.launch import Launch, Service, free_port
from raftops.spec.model.serving import Audit, Deploy, Identity, Router
from raftops.steps.deploy import deploy
from tests.service.release_files import UNTUNED, real_parts


@pytest.fixture(scope="session")
def deployed(tmp_path_factory):
    """A release of the packaged models on three documents, deployed for real: the folder, its parts and the figures."""
    folder = tmp_path_factory.mktemp("deployed")
    parts = real_parts(folder, folder / "cache")
    config = Deploy(smoke_questions=("How large is the bonus pool?",))
    figures = deploy(config, UNTUNED, Router(), parts, folder / "releases", folder / "artifact")
    return SimpleNamespace(folder=folder, parts=parts, releases=folder / "releases", figures=figures, config=config)


@pytest.fixture(scope="session")
def running(deployed):
    """The service on that release: its address, the tokens, its process."""
    identity = Identity(dev_tokens=str(deployed.folder / "tokens.json"))
    users = ensure_dev_tokens(deployed.folder / "tokens.json", ("employees", "managers"))
    metrics, audit = f"127.0.0.1:{free_port()}", Audit(folder=str(deployed.folder / "audit"))
    launch = Launch(deployed.releases, port=free_port(), identity=identity, metrics=metrics, audit=audit)
    with Service(launch, deployed.folder / "log") as service:
        seconds = service.wait_ready(180)
        yield SimpleNamespace(
            url=service.url,
            metrics=f"http://{metrics}/metrics",
            users=users,
            service=service,
            seconds=seconds,
            log=deployed.folder / "log",
        )
