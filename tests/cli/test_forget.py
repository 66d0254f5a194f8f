"""A document is forgotten: nobody reads it, nothing of the project holds it, and that is proven and not said."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from raftops.files import read_jsonl, sha256_file, write_json, write_jsonl
from raftops.release.current import promote
from raftops.release.in_force import read_in_force, take_release
from raftops.release.release import Release, write_release
from raftops.release.store import push_release
from raftops.spec.model.knowledge import Index, Ingest
from raftops.spec.model.learning import Prompt
from raftops.spec.model.platform import Milvus
from raftops.spec.model.serving import Deploy, Router
from raftops.steps.index import index
from raftops.steps.ingest import ingest
from tests.retrieval.tiny import tiny_encoder
from tests.service.release_files import fake_parts
from tests.storage import KEYS, Storage, storage_fixture

__all__ = ["storage_fixture"]
Run = Callable[..., Any]
DOC = "leave/parental.md"
CANARY = "Parents have 16 weeks of paid leave."


class Kept:
    """A project with a store as runs leave it: results, caches, releases, logs."""

    def __init__(self, project: Any, folder: Path) -> None:
        self.project, self.store = project, project.root / ".raftops"
        self.releases = self.store / "releases" / "tiny"
        self.encoder = tiny_encoder(folder, self.store / "cache")

    def run(self, name: str) -> Release:
        """The steps that read documents, for real, and a release of what they made, with made-up weights."""
        documents = self.project.root / "data/documents"
        there = sorted(path.relative_to(documents).as_posix() for path in documents.rglob("*.md"))
        parts = fake_parts(self.project.root.parent / f"parts-{name}", weights=name)
        rows = [
            {
                "doc_id": doc_id, "version": sha256_file(documents / doc_id), "media_type": "text/markdown",
                "policy_id": "managers-only" if doc_id.startswith("managers/") else "all", "uri": "",
                "path": str(documents / doc_id), "size": (documents / doc_id).stat().st_size,
            }
            for doc_id in there
        ]  # fmt: skip
        accepted = self.store / "artifacts" / name / "validate" / "accepted"
        write_jsonl(accepted / "documents.jsonl", rows)
        write_json(accepted / "access.json", self.project.access)
        passages = self.store / "artifacts" / name / "ingest" / "passages"
        built = self.store / "artifacts" / name / "index" / "built"
        ingest(Ingest(), self.encoder, accepted, passages, self.store / "cache")
        index(Index(), self.encoder, Milvus(), "tiny", passages, built, self.store / "cache")
        sources = [{"doc_id": DOC, "version": "v", "policy": "all"}] if DOC in there else []
        write_jsonl(parts.adapters / "sources.jsonl", [{"id": "1", "sources": sources}])
        parts = replace(parts, name="tiny", accepted=accepted, built=built)
        made = write_release(Deploy(), Prompt(), Router(), parts, self.releases)
        take_release(self.releases, made)
        promote(self.releases, made.short)
        return made

    def holding(self) -> list[str]:
        """Every file of the project in which the sentence, the id as data or a vector of it still stands."""
        found = []
        for path in self.project.root.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            content = path.read_bytes()
            held = CANARY.encode() in content
            if path.name in ("documents.parquet", "passages.parquet"):
                held = any(CANARY in str(row["text"]) for row in parquet.read_table(path).to_pylist())
            if held:
                found.append(path.relative_to(self.project.root).as_posix())
        return found


@pytest.fixture
def kept(project: Any, tmp_path: Path) -> Kept:
    project.save()
    store = Kept(project, tmp_path / "encoder")
    store.run("one")
    cache = store.store / "cache"
    write_jsonl(cache / "augment" / "found.jsonl", [{"units": [{"doc_id": DOC, "text": CANARY}]}])
    write_jsonl(cache / "generations" / "kept.jsonl", [{"messages": f"[1] {CANARY}"}])
    write_jsonl(cache / "generations" / "other.jsonl", [{"messages": "nothing of it"}])
    (cache / "train" / "x").mkdir(parents=True)
    (cache / "train" / "x" / "adapter_model.safetensors").write_bytes(b"weights that learned it")
    (store.store / "runs" / "one").mkdir(parents=True)
    (store.store / "runs" / "one" / "index.log").write_text(f"read: {CANARY}\n")
    return store


def remove(kept: Kept) -> None:
    """The owner deletes the document."""
    (kept.project.root / "data/documents" / DOC).unlink()


def test_a_document_is_forgotten_everywhere_and_a_probe_proves_it(raftops: Run, kept: Kept) -> None:
    vectors = sum(path.stat().st_size for path in (kept.store / "cache" / "embeddings").glob("*.sqlite"))
    assert vectors and len(kept.holding()) >= 6
    remove(kept)
    kept.run("two")
    done = raftops("--output", "json", "forget", kept.project.path, DOC)
    told = json.loads(done.out.splitlines()[-1])
    assert done.code == 0 and told["complete"] and told["asked"] and not told["found"], done.err
    assert kept.holding() == []
    what = {row["what"].partition(" ")[2] or row["what"] for row in told["deleted"]}
    assert {"vectors", "of the step ingest", "of the step index", "of the cache"} <= what
    assert (kept.store / "cache" / "generations" / "other.jsonl").is_file(), "what is not of it stays"
    kept_rows = [row["id"] for _, row in read_jsonl(kept.project.root / "data/examples.jsonl")]
    assert told["examples"] == 1 and kept_rows == ["k1", "u1", "b1"]
    now = read_in_force(kept.releases)
    assert now and now.withdrawn[DOC].why == "forgotten" and now.policy_of(DOC, "any") is None


def test_what_is_served_still_holds_it_and_that_is_said_and_nobody_finds_it(raftops: Run, kept: Kept) -> None:
    remove(kept)
    done = raftops("--output", "json", "forget", kept.project.path, DOC)
    told = json.loads(done.out.splitlines()[0])
    assert done.code == 1 and not told["complete"] and told["found"] == [], "nobody finds or cites it any more"
    [left] = told["left"]
    assert "(release)" in left and "it is not gone everywhere" in done.err and "raftops run" in done.err
    kept.run("two")
    assert json.loads(raftops("--output", "json", "forget", kept.project.path, DOC).out.splitlines()[0])["complete"]


def test_a_document_that_is_still_in_its_folder_is_not_said_to_be_gone(raftops: Run, kept: Kept) -> None:
    done = raftops("forget", kept.project.path, DOC)
    assert done.code == 1 and "the document itself: remove it, and from git" in done.err


@pytest.mark.parametrize("name", ["leave/parentel.md", "Leave/parental.md", f"data/documents/{DOC}", "nosuch.md"])
@pytest.mark.parametrize("dry", [True, False])
def test_a_name_that_no_document_has_forgets_nothing(raftops: Run, kept: Kept, name: str, dry: bool) -> None:
    before = read_in_force(kept.releases)
    done = raftops("forget", kept.project.path, name, *(["--dry-run"] if dry else []))
    assert done.code == 1 and "nothing was forgotten" in done.err
    assert (f"did you mean {DOC}?" in done.err) is (name != "nosuch.md")
    assert read_in_force(kept.releases) == before


def test_a_name_in_another_form_of_unicode_is_the_same_document(raftops: Run, kept: Kept) -> None:
    decomposed = unicodedata.normalize("NFD", "leave/m\u00fctter.md")
    (kept.project.root / "data/documents" / decomposed).write_text("# Leave\n\nMothers have 14 weeks of leave.\n")
    done = raftops("forget", kept.project.path, decomposed)
    assert done.code == 1 and "the document itself: remove it" in done.err
    now = read_in_force(kept.releases)
    assert now and "leave/m\u00fctter.md" in now.withdrawn and decomposed not in now.withdrawn


def test_a_dry_run_says_what_would_go_and_changes_nothing(raftops: Run, kept: Kept) -> None:
    remove(kept)
    kept.run("two")
    before = kept.holding()
    done = raftops("forget", kept.project.path, DOC, "--dry-run")
    assert done.code == 0 and "nothing was changed" in done.out and "result of the step index" in done.out
    assert kept.holding() == before
    assert read_in_force(kept.releases).withdrawn[DOC].why == "deleted"  # type: ignore[union-attr]


def test_the_bucket_forgets_it_and_keeps_what_other_releases_need(
    raftops: Run, kept: Kept, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    overlay = kept.project.write(
        "specs/env/s3.yaml", json.dumps({"spec": {"platform": {"artifacts": storage.section()}}})
    )
    [first] = [path for path in kept.releases.iterdir() if path.is_dir()]
    from raftops.release.release import open_release

    push_release(open_release(first), storage.bucket())
    remove(kept)
    second = kept.run("two")
    push_release(second, storage.bucket())
    done = raftops("--output", "json", "forget", kept.project.path, DOC, "-f", overlay)
    assert done.code == 0, done.err
    bodies = [storage.client.get_object(Bucket="team", Key=name)["Body"].read() for name in storage.names()]
    assert bodies and not any(CANARY.encode() in body for body in bodies)
    pulled = raftops("release", "pull", kept.project.path, "-f", overlay)
    assert pulled.code == 0 and second.short in pulled.out
    assert first.name not in " ".join(storage.names())
