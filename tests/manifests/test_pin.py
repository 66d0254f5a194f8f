"""Digests that were recorded stand in the overlay afterwards, and production passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.manifests import check, pin, read, recorded
from raftops.errors import ManifestError
from tests.manifests.samples import FOLDER

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DEPLOY, MILVUS = "ghcr.io/raftops/deploy", "docker.io/milvusdb/milvus"
ENTRIES = "images:\n  - name: a/b  # ours\n  - {name: c/d, digest: sha256:0}\n# the end\n"


@pytest.fixture
def production(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "manifests")
    return tmp_path / "manifests" / "overlays" / "production"


def written(folder: Path, text: str) -> Path:
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    return folder


def images(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["images"]
    return found


def test_production_passes_once_it_is_pinned(production: Path) -> None:
    pinned = pin(production, [f"{DEPLOY}@{ONE}", f"{MILVUS}@{TWO}"])
    assert pinned.images == {DEPLOY: f"{DEPLOY}@{ONE}", MILVUS: f"{MILVUS}@{TWO}"} and pinned.unset == ()
    assert check(read(production), production=True) == []


def test_an_image_in_ones_own_registry_takes_the_place_of_ours(production: Path) -> None:
    assert pin(production, [f"registry.example:5000/team/deploy@{ONE}"]).unset == (MILVUS,)
    [found] = [r for r in read(production) if (r.kind, r.name) == ("Deployment", "raftops-service")]
    [container] = found.body["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example:5000/team/deploy@{ONE}"


def test_a_second_digest_takes_the_place_of_the_first_and_nothing_else_changes(production: Path) -> None:
    file = production / "kustomization.yaml"
    pin(production, [f"mine/deploy@{ONE}"])
    first = file.read_text(encoding="utf-8")
    pin(production, [f"mine/deploy@{TWO}"])
    assert file.read_text(encoding="utf-8") == first.replace(ONE, TWO)
    pin(production, [f"{DEPLOY}@{ONE}"])
    assert images(production)[0] == {"name": DEPLOY, "newName": DEPLOY, "digest": ONE}


def test_comments_and_flow_entries_stay_as_they_are(tmp_path: Path) -> None:
    pin(written(tmp_path, ENTRIES), [f"a/b:v1@{ONE}", f"x/d@{TWO}"])
    assert (tmp_path / "kustomization.yaml").read_text(encoding="utf-8") == (
        f"images:\n  - name: a/b\n    digest: {ONE}  # ours\n"
        f"  - {{name: c/d, newName: x/d, digest: {TWO}}}\n# the end\n"
    )


def test_a_name_that_two_images_end_in_is_not_guessed(tmp_path: Path) -> None:
    written(tmp_path, "images:\n  - name: a/b\n  - name: c/b\n")
    with pytest.raises(ManifestError, match="none of x/b@"):
        pin(tmp_path, [f"x/b@{ONE}"])
    assert pin(tmp_path, [f"c/b@{ONE}"]).unset == ("a/b",)


@pytest.mark.parametrize(
    ("text", "image", "message"),
    [
        (ENTRIES, "a/b:v1", "a/b:v1: not an image by digest"),
        (ENTRIES, "a/b@sha256:" + "0" * 64, "not an image by digest"),
        ("resources: []\n", f"a/b@{ONE}", "has no images:"),
        ("images:\n  - digest: x\n", f"a/b@{ONE}", ":2: an image without a name"),
        ("images: [", f"a/b@{ONE}", "not valid YAML"),
    ],
)
def test_what_cannot_be_pinned_is_told_and_left(tmp_path: Path, text: str, image: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        pin(written(tmp_path, text), [image])
    assert (tmp_path / "kustomization.yaml").read_text(encoding="utf-8") == text


def test_a_folder_without_a_kustomization_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no kustomization"):
        pin(tmp_path, [f"a/b@{ONE}"])


def test_what_a_push_recorded_is_read(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(f"spec:\n  platform:\n    images:\n      deploy: {DEPLOY}@{ONE}\n", encoding="utf-8")
    assert recorded(path) == [f"{DEPLOY}@{ONE}"]
    path.write_text("spec: {}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="records no image") as caught:
        recorded(path)
    assert caught.value.next_step == "make images PUSH=1"
