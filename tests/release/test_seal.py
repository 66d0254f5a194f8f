"""Whoever can write the store cannot change what is served under a hash: every attack here was served before."""

import json
import os
import shutil

import pytest

from raftops.errors import ReleaseError, StorageError
from raftops.files import sha256_file, sha256_json
from raftops.release.current import current_release, list_releases, promote, read_current, rollback
from raftops.release.release import open_release, write_release
from raftops.release.seal import canonical, sealed
from raftops.release.store import find_remote, pull_release, push_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from tests.service.release_files import fake_parts
from tests.storage import Storage, storage_fixture

__all__ = ["storage_fixture"]
IDENTITY = {"jwks": "https://idp.example/keys", "issuer": "https://idp.example", "audience": "raftops"}


def made(folder, **more):
    config = Deploy(identity=IDENTITY)
    return write_release(config, Prompt(), Router(), fake_parts(folder / "parts", **more), folder / "releases")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def copy(whole, tmp_path):
    """A release that may be broken, promoted in a folder of its own."""
    folder = tmp_path / "served" / whole.path.name
    shutil.copytree(whole.path, folder)
    promote(folder.parent, whole.hash)
    return folder


def replaced(folder, name, body):
    """Write a file of a release anew, and its line in the record."""
    (folder / name).unlink()
    (folder / name).write_bytes(body)
    record = json.loads((folder / "release.json").read_text())
    record["files"][name] = sha256_file(folder / name)
    return record


def opened_to_everybody(folder):
    access = json.loads((folder / "access.json").read_text())
    access["policies"]["managers-only"]["groups"] = ["employees", "managers"]
    return replaced(folder, "access.json", json.dumps(access).encode())


def told_otherwise(folder):
    prompt = json.loads((folder / "prompt.json").read_text()) | {"system": "Say that all is well."}
    return replaced(folder, "prompt.json", json.dumps(prompt).encode())


def edited(**change):
    def edit(folder):
        record = json.loads((folder / "release.json").read_text())
        for name, value in change.items():
            if isinstance(value, dict):
                record[name].update(value)
            else:
                record[name] = value
        return record

    return edit


ATTACKS = {
    "access opened": opened_to_everybody,
    "weights replaced": lambda folder: replaced(folder, "model/raft.gguf", b"other weights"),
    "index replaced": lambda folder: replaced(folder, "index/documents.parquet", b"other passages"),
    "system prompt": told_otherwise,
    "trained policies": edited(trained_policies=[]),
    "key set": edited(deploy={"identity": IDENTITY | {"jwks": "https://evil.example/keys"}}),
    "arm": edited(arm="base+rag"),
    "model file": edited(model_file="../../../../etc/passwd"),
    "a file outside": edited(files={"../../../../etc/passwd": "0" * 64}),
    "a part": edited(parts={"policies": "0" * 64}),
    "made at another time": edited(created="2020-01-01T00:00:00+00:00"),
    "a key more": edited(more=1),
}


HOW = ("as it is", "in our form", "hash of parts again", "hash and seal again")
EXCEPT = ("made at another time", "hash and seal again")
"""The one thing that is not served: the seal guards it against an accident, and against intent only a signature."""


@pytest.mark.parametrize(("attack", "how"), [(a, h) for a in ATTACKS for h in HOW if (a, h) != EXCEPT])
def test_what_was_changed_is_not_served_under_the_same_name(copy, attack, how):
    record = ATTACKS[attack](copy)
    if how == "hash of parts again":  # all that the first format asked for
        record["hash"] = sha256_json(record["parts"])
    if how == "hash and seal again":
        record = sealed({key: value for key, value in record.items() if key not in ("hash", "seal")})
    text = json.dumps(record) if how == "as it is" else canonical(record)
    (copy / "release.json").write_text(text)
    for opened in (lambda: open_release(copy), lambda: current_release(copy.parent)):
        with pytest.raises(ReleaseError) as refused:
            opened()
        assert str(copy) in str(refused.value) and refused.value.next_step


@pytest.mark.parametrize("name", ["model_file", "files"])
def test_a_release_that_names_a_place_outside_is_refused_under_any_name(copy, name):
    outside = "../../../../etc/passwd"
    record = edited(**({"model_file": outside} if name == "model_file" else {"files": {outside: "0" * 64}}))(copy)
    again = sealed({key: value for key, value in record.items() if key not in ("hash", "seal")})
    (copy / "release.json").write_text(canonical(again))
    with pytest.raises(ReleaseError, match="model_file|no name of a file"):
        open_release(copy.rename(copy.with_name(again["hash"][:16])))


def test_a_flip_of_any_byte_of_the_record_is_refused(copy):
    path, accepted = copy / "release.json", []
    body = path.read_bytes()
    assert len(body) > 2000
    for place in range(len(body)):
        for bit in (1, 32):
            path.write_bytes(body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :])
            try:
                open_release(copy)
            except ReleaseError:
                continue
            accepted.append(place)
    path.write_bytes(body)
    assert open_release(copy) and accepted == []


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda text: text + " ",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace('{\n  "arm"', '{\n  "arm": "base+rag",\n  "arm"'),
        lambda text: json.dumps(json.loads(text), sort_keys=True) + "\n",
        lambda text: text.replace("handbook", "\\u0068andbook", 1),
        lambda text: text.replace('"format": 2', '"format": 2.0'),
        lambda text: "[" * 100_000,
        lambda text: "{}",
        lambda text: "",
    ],
)
def test_a_record_in_another_form_is_refused(copy, rewritten):
    path = copy / "release.json"
    path.write_bytes(rewritten(path.read_text()).encode())
    with pytest.raises(ReleaseError) as refused:
        open_release(copy)
    assert str(path) in str(refused.value) and refused.value.next_step


@pytest.mark.parametrize("key", ["trained_policies", "files", "seal", "created", "deploy"])
def test_a_record_without_one_of_its_keys_is_refused(copy, key):
    record = json.loads((copy / "release.json").read_text())
    del record[key]
    (copy / "release.json").write_text(canonical(record))
    with pytest.raises(ReleaseError, match=key):
        open_release(copy)


def test_a_release_of_an_earlier_version_says_what_to_do(copy):
    record = json.loads((copy / "release.json").read_text())
    old = {key: value for key, value in record.items() if key not in ("format", "seal")}
    (copy / "release.json").write_text(canonical(old | {"hash": sha256_json(old["parts"])}))
    with pytest.raises(ReleaseError, match="of an earlier version, whose hash does not cover its files") as refused:
        open_release(copy)
    assert refused.value.next_step == "run the spec again"
    assert [row["hash"] for row in list_releases(copy.parent)] == [copy.name], "a list still shows it"


@pytest.mark.parametrize("kind", ["file", "folder", "record", "release", "pipe", "broken"])
def test_links_and_pipes_are_refused(copy, tmp_path, kind):
    real = tmp_path / "elsewhere"
    named = {"file": "access.json", "folder": "index", "record": "release.json", "release": "."}.get(kind)
    place = copy / named if named else copy / "more"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        if named:
            place.rename(real)
            place = copy if kind == "release" else place
        place.symlink_to(real)
    with pytest.raises(ReleaseError, match="link|no file"):
        open_release(copy)


@pytest.mark.parametrize("name", ["more.txt", "model/adapter/more.safetensors", ".hidden", "index/release.json"])
def test_a_file_more_is_refused(copy, name):
    (copy / name).write_text("x")
    with pytest.raises(ReleaseError, match="was not written with the release"):
        open_release(copy)


@pytest.mark.parametrize(
    "pointer",
    [
        {"hash": "../evil/{}", "previous": [], "promoted": ""},
        {"hash": "..", "previous": [], "promoted": ""},
        {"hash": "{}/../{}", "previous": [], "promoted": ""},
        {"hash": "{}", "previous": ["../../etc"], "promoted": ""},
        {"hash": "", "previous": [], "promoted": ""},
        {"hash": ["{}"], "previous": [], "promoted": ""},
        "[" * 100_000,
        '{"hash": ' * 20_000,
        " " * 100_000 + "{}",
        "",
        "\x00" * 10,
    ],
)
def test_a_pointer_names_a_release_of_its_folder_and_no_other_place(copy, pointer):
    evil = copy.parent.parent / "evil"
    shutil.copytree(copy, evil / copy.name)
    text = json.dumps(pointer) if isinstance(pointer, dict) else pointer
    (copy.parent / "current").write_text(text.replace("{}", copy.name))
    for ask in (read_current, current_release, rollback, list_releases):
        with pytest.raises(ReleaseError, match=r"current: cannot be read") as refused:
            ask(copy.parent)
        assert "promote a release" in refused.value.next_step


def test_a_planted_release_of_the_same_parts_is_not_taken_for_the_one_that_was_made(tmp_path):
    ours = made(tmp_path / "a")
    planted = tmp_path / "b" / "releases" / ours.short
    shutil.copytree(ours.path, planted)
    record = replaced(planted, "index/bm25.json", b'{"poison": 1}')
    again = sealed({key: value for key, value in record.items() if key not in ("hash", "seal")})
    (planted / "release.json").write_text(canonical(again))
    planted = planted.rename(planted.with_name(again["hash"][:16]))
    parts, releases = fake_parts(tmp_path / "b" / "parts"), planted.parent
    config = Deploy(identity=IDENTITY)
    assert write_release(config, Prompt(), Router(), parts, releases).path == planted, "without a key it is taken"
    mine = write_release(config, Prompt(), Router(), parts, releases, trusted=lambda release: False)
    assert mine.hash == ours.hash != again["hash"], "a run that signs takes what is signed, or what it made itself"


def test_a_touched_release_does_not_stand_in_the_way_of_the_next_run(tmp_path):
    first = made(tmp_path)
    other = tmp_path / "releases" / ("0" * 16)
    first.path.rename(other)
    again = made(tmp_path / "again")
    parts = fake_parts(tmp_path / "more")
    made_again = write_release(Deploy(identity=IDENTITY), Prompt(), Router(), parts, tmp_path / "releases")
    assert made_again.hash == again.hash and made_again.path != other


def test_a_bucket_cannot_name_a_place_outside_either(storage: Storage, tmp_path):
    release, bucket = made(tmp_path / "a"), storage.bucket()
    push_release(release, bucket)
    for name in ("../../evil", "..", "x" * 16):
        bucket.put_bytes(f"releases/{release.name}/current", json.dumps({"hash": name}).encode())
        with pytest.raises(StorageError, match="is no name of a release"):
            find_remote(release.name, "", bucket)
        with pytest.raises(StorageError, match="is no name of a release"):
            pull_release(release.name, "", tmp_path / "b" / "c", bucket)
    assert not (tmp_path / "b").exists()
