import pytest

from raftops.release.current import promote
from raftops.release.release import write_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from tests.release.test_signing import Keys
from tests.service.release_files import fake_parts


@pytest.fixture
def keys(project):
    return Keys(project.root)


@pytest.fixture
def released(project, keys):
    """A project with two releases, the second current, whose spec requires signatures."""
    project.spec["spec"]["deploy"] = {"signing": {"required": True, "public_key": keys.public.name}}
    project.save()
    folder, made = project.root / ".raftops" / "releases" / "tiny", []
    for name in "ab":
        parts = fake_parts(project.root / name, weights=name)
        made.append(write_release(Deploy(), Prompt(), Router(), parts, folder))
        promote(folder, made[-1].hash)
    return made


def test_a_release_is_signed_and_verified_by_two_commands(raftops, project, keys, released):
    ended = raftops("release", "verify", project.path)
    assert ended.code == 1 and "is not signed" in ended.err
    ended = raftops("release", "sign", project.path, "--key", keys.private)
    assert ended.code == 0 and f"release {released[1].short} is signed: release.sig, adapter.sig" in ended.out
    ended = raftops("release", "verify", project.path)
    assert ended.code == 0 and "every file of it is as it was signed" in ended.out


def test_a_key_may_be_named_by_the_environment_and_a_release_by_its_hash(raftops, project, keys, released, monkeypatch):
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(keys.private))
    assert raftops("release", "sign", project.path, released[0].short).code == 0
    named = ("release", "verify", project.path, released[0].short, "--public-key", keys.public)
    assert raftops(*named).code == 0
    (released[0].path / "prompt.json").write_text("{}")
    assert raftops(*named).code == 1


def test_without_a_key_the_next_step_makes_one(raftops, project, released, monkeypatch):
    monkeypatch.delenv("RAFTOPS_SIGNING_KEY", raising=False)
    ended = raftops("release", "sign", project.path)
    assert ended.code == 1 and "no private key" in ended.err and "openssl ecparam" in ended.err


def test_nobody_rolls_back_to_what_the_service_would_refuse(raftops, project, keys, released):
    ended = raftops("release", "rollback", project.path)
    assert ended.code == 1 and "is not signed" in ended.err
    raftops("release", "sign", project.path, released[0].short, "--key", keys.private)
    assert raftops("release", "rollback", project.path).code == 0
