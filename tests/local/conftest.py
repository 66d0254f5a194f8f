"""One run of a small project, which the tests of this folder share."""

import pytest

from tests.local.project import init, parts, run


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The project's folder, and the record of its first run."""
    folder = init(tmp_path_factory.mktemp("project"))
    statuses, record = run(folder)
    assert set(statuses.values()) == {"done"}
    return folder, record


@pytest.fixture(scope="session")
def unbroken(project):
    """The parts of the release of that run, which nobody disturbed: its hash is over the bytes, and they hold times."""
    return parts(project[0])
