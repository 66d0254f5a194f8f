"""Model sources: found without importing anything, told apart by content, never a pickle."""

import json
import os
import sys

import pytest

from raftops.errors import ModelError
from raftops.models import resolve


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "a_packaged_model"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "model" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_a_folder_is_found_by_address_absolute_or_below_the_root(model, tmp_path):
    assert resolve(f"file://{model}").path == model
    assert resolve("file://model", root=tmp_path) == resolve(f"file://{model}")


def test_a_packaged_model_is_found_without_importing_the_package(package):
    assert resolve("package://a_packaged_model").path == package / "model"
    assert "a_packaged_model" not in sys.modules


def test_a_package_with_one_gguf_is_that_file(package):
    (package / "model" / "config.json").unlink()
    (package / "tiny.gguf").write_bytes(b"GGUF")
    assert resolve("package://a_packaged_model").path == package / "tiny.gguf"
    assert resolve("package://a_packaged_model/tiny.gguf").digest == resolve("package://a_packaged_model").digest
    (package / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"not one model \(other.gguf, tiny.gguf\)"):
        resolve("package://a_packaged_model")


def test_the_digest_follows_content_and_names_alone(model, tmp_path):
    first = resolve(f"file://{model}").digest
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert resolve(f"file://{copy}").digest == first
    (copy / "model.safetensors").write_bytes(b"other w")
    assert resolve(f"file://{copy}").digest != first


def test_a_remembered_digest_is_not_believed_once_a_file_changes(model, tmp_path):
    cache = tmp_path / "cache"
    first = resolve(f"file://{model}", cache)
    assert resolve(f"file://{model}", cache) == first == resolve(f"file://{model}")
    (model / "model.safetensors").write_bytes(b"WEIGHTS")
    os.utime(model / "model.safetensors", ns=(1, 1))
    assert resolve(f"file://{model}", cache).digest == resolve(f"file://{model}").digest != first.digest


def test_the_memory_is_used(model, tmp_path):
    cache = tmp_path / "cache"
    resolve(f"file://{model}", cache)
    memo = next((cache / "digests").iterdir())
    memo.write_text(json.dumps({**json.loads(memo.read_text()), "digest": "remembered"}))
    assert resolve(f"file://{model}", cache).digest == "remembered"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "sub/x.pkl", "W.PTH"])
def test_pickled_weights_are_refused(model, name):
    (model / "sub").mkdir()
    (model / name).write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match="is a pickle"):
        resolve(f"file://{model}")


def test_links_that_lead_outside_or_nowhere_are_refused(model, tmp_path):
    (tmp_path / "secret").write_text("s")
    (model / "inside.json").symlink_to("config.json")
    assert resolve(f"file://{model}").path == model
    for target in ("../secret", "/etc/hostname", "missing"):
        (model / "link.json").symlink_to(target)
        with pytest.raises(ModelError, match="outside the model"):
            resolve(f"file://{model}")
        (model / "link.json").unlink()


def test_a_linked_folder_that_leads_outside_is_refused(model, tmp_path):
    (tmp_path / "other").mkdir()
    (model / "sub").symlink_to(tmp_path / "other")
    with pytest.raises(ModelError, match="outside the model"):
        resolve(f"file://{model}")


@pytest.mark.parametrize(
    ("source", "message", "step"),
    [
        ("file:///nowhere/model", "nothing at /nowhere/model", "check the path"),
        ("package://no_such_module_here", "no package 'no_such_module_here' is installed", "pip install"),
        ("package://a_packaged_model/../../secret", "leads out of the package", ""),
        ("hf://org/name", "needs a pinned revision", "hf://org/name@<commit>"),
        ("hf://org/name@main", "needs a pinned revision", "hf://org/name@<commit>"),
        ("s3://bucket/model", "not a model source", "file://"),
    ],
)
def test_a_source_that_leads_nowhere_says_what_to_do(package, source, message, step):
    with pytest.raises(ModelError, match=message) as caught:
        resolve(source)
    assert step in caught.value.next_step


def test_a_hub_model_without_network_says_how_to_bring_it(monkeypatch):
    import huggingface_hub

    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ModelError, match="no route to host") as caught:
        resolve("hf://org/name@0123456789abcdef0123456789abcdef01234567")
    assert "file://" in caught.value.next_step


def test_a_hub_snapshot_may_link_to_its_own_blobs_only(tmp_path, monkeypatch):
    import huggingface_hub

    snapshot = tmp_path / "models--org--name" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    blob = tmp_path / "models--org--name" / "blobs" / "b"
    blob.parent.mkdir()
    blob.write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/b")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(snapshot))
    assert resolve("hf://org/name@v1").path == snapshot
    (snapshot / "x.json").symlink_to("/etc/hostname")
    with pytest.raises(ModelError, match="outside the model"):
        resolve("hf://org/name@v1")
