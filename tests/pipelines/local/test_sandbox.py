from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipelines.local.limits import Limits
from pipelines.local.sandbox import NOBODY, Site, container_arguments, is_remote, named_outside, own

SITE = Site(Path("/project"), Path("/project/.raftops"), "1000:1000", cores=8)


NO_LIMITS = Limits("image")


def given(limit: Limits = NO_LIMITS, site: Site = SITE, **environment: str) -> dict[str, Any]:
    return container_arguments("train", limit, site, environment)


def test_a_container_can_change_nothing_but_the_store() -> None:
    arguments = given()
    assert arguments["read_only"] is True and arguments["user"] == "1000:1000"
    assert arguments["cap_drop"] == ["ALL"] and "no-new-privileges:true" in arguments["security_opt"]
    modes = {path: mount["mode"] for path, mount in arguments["volumes"].items()}
    assert modes == {"/project": "ro", "/project/.raftops": "rw"}


def test_paths_are_those_of_the_laptop_so_that_results_are_shared() -> None:
    arguments = given()
    assert arguments["working_dir"] == "/project"
    assert all(path == mount["bind"] for path, mount in arguments["volumes"].items())


def test_limits_are_applied() -> None:
    arguments = given(Limits("image", cpu=1.5, memory=2**30, shared_memory=2**28))
    assert arguments["nano_cpus"] == 1_500_000_000
    assert arguments["mem_limit"] == arguments["memswap_limit"] == 2**30
    assert arguments["shm_size"] == 2**28
    assert arguments["environment"]["OMP_NUM_THREADS"] == "1"


def test_no_limit_is_set_where_the_file_has_none_or_the_machine_has_fewer_cores() -> None:
    assert not {"nano_cpus", "mem_limit", "shm_size", "device_requests"} & set(given())
    assert "nano_cpus" not in given(Limits("image", cpu=16))


def test_gpus_are_asked_for_by_count() -> None:
    [request] = given(Limits("image", accelerator="nvidia.com/gpu", accelerators=2))["device_requests"]
    assert (request.count, request.capabilities) == (2, [["gpu"]])


def test_exit_codes_can_be_read_because_the_engine_does_not_remove_containers() -> None:
    assert not given().get("auto_remove") and not given().get("remove")


def test_secrets_are_taken_from_the_environment_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_TOKEN", "hidden")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("UNRELATED", "x")
    assert given(Limits("image", secrets=("HF_TOKEN", "MILVUS_TOKEN")), A="b")["environment"] == {
        "A": "b", "MILVUS_TOKEN": "hidden",
    }  # fmt: skip


def test_the_network_is_there_only_where_something_is_remote() -> None:
    assert given()["network_mode"] == "none"
    assert given(site=Site(SITE.root, SITE.store, "1:1", cores=8, remote=True))["network_mode"] == "bridge"


def test_a_spec_is_remote_by_its_models_or_milvus_and_not_by_what_citations_link_to(project: Any) -> None:
    assistant = project.load().assistant
    linked = _with(assistant, "data", documents=assistant.spec.data.documents.model_copy(update={"uri": "https://x/"}))
    assert not is_remote(linked)
    assert is_remote(_with(assistant, "models", base="hf://org/name@0123456789012345678901234567890123456789"))
    milvus = assistant.spec.platform.milvus.model_copy(update={"uri": "http://milvus:19530"})
    assert is_remote(_with(assistant, "platform", milvus=milvus))


def test_what_lies_outside_the_project_is_mounted_too(project: Any, tmp_path: Path) -> None:
    shared = tmp_path / "elsewhere"
    (shared / "rows").mkdir(parents=True)
    loaded = project.load()
    assert named_outside(loaded.assistant, loaded.root) == ()
    outside = _with(loaded.assistant, "data", examples=(f"{shared}/rows/*.jsonl", f"{shared}/not-there.jsonl"))
    assert named_outside(outside, loaded.root) == (shared / "rows",)


def _with(assistant: Any, section: str, **changes: Any) -> Any:
    changed = getattr(assistant.spec, section).model_copy(update=changes)
    return assistant.model_copy(update={"spec": assistant.spec.model_copy(update={section: changed})})


@pytest.mark.skipif(os.getuid() == 0, reason="runs as root")
def test_a_step_runs_as_the_person(tmp_path: Path) -> None:
    assert own(tmp_path) == f"{os.getuid()}:{os.getgid()}"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_no_step_runs_as_root_and_the_store_becomes_the_users_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    before = os.stat("/etc/hostname").st_uid
    assert own(tmp_path) == f"{NOBODY}:{NOBODY}"
    assert (tmp_path / "artifacts").stat().st_uid == NOBODY
    assert os.stat("/etc/hostname").st_uid == before
