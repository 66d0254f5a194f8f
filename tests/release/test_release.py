import json
import os
import shutil
import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path

import pytest

from raftops.errors import ReleaseError
from raftops.files import write_json
from raftops.release import release
from raftops.release.current import current_release, find_release, list_releases, promote, prune, read_current, rollback
from raftops.release.parts import steady
from raftops.release.release import open_release, write_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from tests.service.release_files import fake_parts, tree_digest


def write(folder, config=None, prompt=None, router=None, **more):
    """A release of fresh parts; the parts of two calls are alike and lie elsewhere."""
    where = folder / f"parts{len(list(folder.glob('parts*')))}"
    parts = fake_parts(where, **more)
    return write_release(config or Deploy(), prompt or Prompt(), router or Router(), parts, folder / "releases")


def test_a_release_opens_as_it_was_written(tmp_path):
    made = write(tmp_path)
    again = open_release(made.path)
    assert again == made and made.path.name == made.hash[:16] == made.short
    assert made.arm == "raft" and made.model.read_bytes() == b"raft weights" and made.adapter.is_dir()
    assert made.sources_trained == 1 and made.trained_policies == {"all-staff"}
    assert made.access.readable(["managers"]) == {"managers-only"} and (made.index / "index.json").is_file()
    assert json.loads((made.path / "sources.jsonl").read_text())["doc_id"] == "leave.md"


def test_the_same_parts_make_the_same_release_wherever_they_lie(tmp_path):
    one, two = write(tmp_path / "a"), write(tmp_path / "b")
    assert one.hash == two.hash and one.parts == two.parts


def test_what_differs_from_run_to_run_is_not_part_of_the_hash(tmp_path):
    first = write(tmp_path)
    parts = fake_parts(tmp_path / "b")
    write_json(parts.report / "report.json", {"winner": "raft", "metrics": {"raft.f1": 0.5, "seconds": 99.0}})
    config = {"target_modules": ["k_proj", "q_proj"], "r": 8, "base_model_name_or_path": "/tmp/elsewhere"}
    write_json(parts.adapters / "raft" / "adapter_config.json", config)
    (parts.built / "milvus.db").mkdir()
    (parts.built / "milvus.db" / "segment").write_bytes(os.urandom(8))
    made = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
    assert made == first, "the next run over the same inputs makes no new release"
    elsewhere = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "b" / "releases")
    assert elsewhere.parts == first.parts, "what it means is the same wherever it was made"
    assert elsewhere.hash != first.hash, "and every byte that is served counts for the hash"


def test_a_report_with_an_identity_is_that_identity(tmp_path):
    hashes = []
    for name, body in enumerate([{"identity": "i", "page": 1}, {"identity": "i", "page": 2}, {"identity": "j"}]):
        parts = fake_parts(tmp_path / str(name))
        write_json(parts.report / "report.json", body | {"winner": "raft"})
        hashes.append(write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases").hash)
    assert hashes[0] == hashes[1] != hashes[2]


def chosen(folder, answering, prompt=None):
    """A release whose report says how to answer."""
    parts = fake_parts(folder)
    write_json(parts.report / "report.json", {"winner": "raft", "answering": answering})
    return write_release(Deploy(), prompt or Prompt(), Router(), parts, folder / "releases")


def test_what_the_evaluation_chose_on_dev_is_what_is_served(tmp_path):
    answering = {"policy": "quote", "least_confidence": 0.9, "on": 40, "chosen_by": "40 questions of the dev split"}
    made = chosen(tmp_path / "a", answering)
    assert (made.prompt.answer, made.prompt.least_confidence) == ("quote", 0.9)
    assert open_release(made.path).prompt == made.prompt
    other = chosen(tmp_path / "b", answering | {"policy": "both"})
    assert other.hash != made.hash and other.parts["prompt"] != made.parts["prompt"]


@pytest.mark.parametrize("answering", [None, {}])
def test_a_report_that_chose_nothing_leaves_the_prompt_as_the_spec_says(tmp_path, answering):
    prompt = Prompt(answer="short", least_confidence=0.5)
    assert chosen(tmp_path, answering, prompt).prompt == prompt


def changed_weights(folder):
    return write(folder, weights="other")


def changed_document(folder):
    parts = fake_parts(folder / "x")
    about = json.loads((parts.built / "index.json").read_text()) | {"built_from": "other"}
    write_json(parts.built / "index.json", about)
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


def changed_policy(folder):
    parts = fake_parts(folder / "x")
    access = json.loads((parts.accepted / "access.json").read_text())
    access["policies"]["all-staff"]["groups"] = ["managers"]
    write_json(parts.accepted / "access.json", access)
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


def changed_sources(folder):
    parts = fake_parts(folder / "x")
    (parts.adapters / "sources.jsonl").write_text('{"id": "1", "sources": []}\n')
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


@pytest.mark.parametrize(
    "change",
    [
        changed_weights,
        changed_document,
        changed_policy,
        changed_sources,
        lambda folder: write(folder, winner="base+rag"),
        lambda folder: write(folder, prompt=Prompt(units=4)),
        lambda folder: write(folder, router=Router(margin=0.5)),
        lambda folder: write(folder, config=Deploy(max_new_tokens=50)),
        lambda folder: write(folder, config=Deploy(identity={"jwks": "keys.json"})),
    ],
)
def test_whatever_changes_an_answer_changes_the_hash(tmp_path, change):
    assert change(tmp_path / "b").hash != write(tmp_path / "a").hash


def test_the_router_that_was_calibrated_with_the_report_is_the_released_one(tmp_path):
    parts = fake_parts(tmp_path / "a")
    calibrated = Router(margin=0.3, knowledge={"questions": ["who approves travel?"]})
    write_json(parts.report / "router.json", calibrated.model_dump(mode="json"))
    made = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
    assert made.router == calibrated == open_release(made.path).router
    assert made.hash != write(tmp_path / "b").hash


def test_how_a_release_is_made_does_not_change_it(tmp_path):
    config = Deploy(smoke_questions=("a?",), keep_releases=2)
    assert write(tmp_path / "a", config).hash == write(tmp_path / "b").hash


def test_writing_twice_gives_the_folder_that_is_there(tmp_path):
    made = write(tmp_path)
    before = tree_digest(tmp_path / "releases")
    assert write(tmp_path).path == made.path and tree_digest(tmp_path / "releases") == before


def test_big_files_are_linked_not_copied(tmp_path):
    made = write(tmp_path)
    assert made.model.stat().st_ino == (tmp_path / "parts0" / "adapters" / "served" / "raft.gguf").stat().st_ino


@pytest.mark.parametrize("winner", ["raft", "base+rag", "fine-tuned+rag"])
def test_the_winner_of_the_report_is_served(tmp_path, winner):
    made = write(tmp_path, winner=winner)
    name = {"raft": "raft", "base+rag": "base", "fine-tuned+rag": "plain"}[winner]
    assert made.model.read_bytes() == f"{name} weights".encode()
    assert (made.adapter is None) == (winner == "base+rag") == (made.trained_policies == frozenset())


def test_an_arm_without_citations_cannot_be_released(tmp_path):
    with pytest.raises(ReleaseError, match="the winner is fine-tuned, which answers without citations"):
        write(tmp_path, winner="fine-tuned")


@pytest.mark.parametrize(
    "gone",
    [
        "adapters/served/raft.gguf", "adapters/raft/adapter_model.safetensors", "adapters/sources.jsonl",
        "adapters/train.json", "built/index.json", "built/documents.parquet", "report/report.json",
        "accepted/access.json",
    ],
)  # fmt: skip
def test_a_missing_part_is_named_and_leaves_nothing_behind(tmp_path, gone):
    parts = fake_parts(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(ReleaseError, match=Path(gone).name):
        write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
    assert not list((tmp_path / "releases").glob("*")) if (tmp_path / "releases").exists() else True


def test_a_base_without_gguf_form_is_released_by_its_source(tmp_path):
    parts = fake_parts(tmp_path)
    shutil.rmtree(parts.adapters / "served")
    write_json(parts.adapters / "train.json", {"base": "hf://a/b@1", "base_digest": "d", "not_served": "why"})
    made = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
    assert made.model is None and (made.base, made.base_digest) == ("hf://a/b@1", "d") and made.adapter


@pytest.mark.parametrize(
    "name", ["access.json", "prompt.json", "model/raft.gguf", "index/bm25.json", "report/report.json"]
)
@pytest.mark.parametrize("how", ["changed", "gone", "added"])
def test_a_release_that_was_touched_does_not_open(tmp_path, name, how):
    made = write(tmp_path)
    file = made.path / name
    content = file.read_bytes()
    file.unlink()  # a new file: the linked original stays
    if how != "gone":
        file.write_bytes(content + (b" " if how == "changed" else b""))
    if how == "added":
        file.with_name("more.txt").write_text("x")
    with pytest.raises(ReleaseError, match="is not what was written|missing|was not written with the release"):
        open_release(made.path)


def test_a_record_whose_parts_were_edited_does_not_open(tmp_path):
    made = write(tmp_path)
    record = json.loads((made.path / "release.json").read_text())
    record["parts"]["policies"] = "0" * 64
    write_json(made.path / "release.json", record)
    with pytest.raises(ReleaseError, match="the hash is not that of the parts and files"):
        open_release(made.path)


def test_promote_and_roll_back(tmp_path):
    releases = tmp_path / "releases"
    one, two, three = (write(tmp_path, weights=name) for name in "abc")
    assert read_current(releases) is None
    for made in (one, two, three):
        promote(releases, made.hash)
    assert current_release(releases) == three
    assert promote(releases, three.short).previous == (two.short, one.short)
    assert rollback(releases).hash == two.short and rollback(releases).hash == one.short
    with pytest.raises(ReleaseError, match="no release to go back to"):
        rollback(releases)
    assert rollback(releases, three.hash[:6]).hash == three.short


def test_only_a_whole_release_is_promoted(tmp_path):
    releases = tmp_path / "releases"
    one, two = write(tmp_path, weights="a"), write(tmp_path, weights="b")
    promote(releases, one.hash)
    (two.path / "access.json").unlink()
    with pytest.raises(ReleaseError):
        promote(releases, two.hash)
    with pytest.raises(ReleaseError):
        promote(releases, "f" * 16)
    assert read_current(releases).hash == one.short


def test_list_and_find(tmp_path):
    releases = tmp_path / "releases"
    one, two = write(tmp_path, weights="a"), write(tmp_path, weights="b")
    promote(releases, two.hash)
    (releases / f"{one.short}.failed").mkdir()
    rows = list_releases(releases)
    assert {row["hash"]: row["current"] for row in rows} == {one.short: False, two.short: True}
    assert find_release(releases, one.hash[:8]) == one
    with pytest.raises(ReleaseError, match="several"):
        find_release(releases, "")
    with pytest.raises(ReleaseError, match="no release begins with zz"):
        find_release(releases, "zz")


class Clock:
    """A clock that a test sets."""

    day = 1

    @classmethod
    def now(cls, zone):
        return datetime(2026, 1, cls.day, tzinfo=zone)


def dated(folder, days):
    """Releases that were made on these days of a January, and promoted one after the other."""
    made = []
    for number, Clock.day in enumerate(days):
        made.append(write(folder, weights=str(number)))
        promote(folder / "releases", made[-1].hash)
    return made


def test_a_clock_that_was_set_back_deletes_nothing_that_the_last_run_made(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "datetime", Clock)
    made = dated(tmp_path, [28, 29, 30, 2, 1])
    assert [row["hash"] for row in list_releases(tmp_path / "releases")] == [one.short for one in reversed(made)]
    assert set(prune(tmp_path / "releases", keep=3)) == {made[0].short, made[1].short}
    Clock.day = 1
    pulled = write(tmp_path, weights="made, and not promoted yet")
    assert prune(tmp_path / "releases", keep=3) == [made[2].short]
    assert pulled.path.is_dir()


def test_pruning_keeps_the_newest_the_current_and_the_one_to_go_back_to(tmp_path, monkeypatch):
    releases = tmp_path / "releases"
    monkeypatch.setattr(release, "datetime", Clock)
    made = []
    for Clock.day in (1, 2, 3, 4, 5):
        made.append(write(tmp_path, weights=str(Clock.day)))
    promote(releases, made[0].hash)
    promote(releases, made[1].hash)
    gone = prune(releases, keep=1)
    assert set(gone) == {made[2].short, made[3].short}
    assert {row["hash"] for row in list_releases(releases)} == {made[0].short, made[1].short, made[4].short}


KILLED = """
    import os, sys
    from pathlib import Path
    from raftops.release import release
    from raftops.release import current as releases
    from raftops.spec.model.learning import Prompt
    from raftops.spec.model.serving import Deploy, Router
    sys.path.insert(0, sys.argv[3])
    from tests.service.release_files import fake_parts
    folder, point = Path(sys.argv[1]), sys.argv[2]

    def die(*args, **kwargs):
        os._exit(9)

    setattr(release if hasattr(release, point) else releases, point, die)
    made = release.write_release(Deploy(), Prompt(), Router(), fake_parts(folder / "parts-killed"), folder / "releases")
    releases.promote(folder / "releases", made.hash)
"""


@pytest.mark.parametrize("point", ["_lay_out", "write_jsonl", "_sync", "open_release", "_point"])
def test_after_a_kill_anywhere_the_old_release_is_served_and_the_next_run_makes_the_same(tmp_path, point):
    old = write(tmp_path, weights="old")
    promote(tmp_path / "releases", old.hash)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), point, root]
    assert subprocess.run(command, check=False).returncode == 9
    assert current_release(tmp_path / "releases") == old
    again = write(tmp_path)
    elsewhere = write(tmp_path / "calm")
    assert again.hash == elsewhere.hash
    assert promote(tmp_path / "releases", again.hash).previous == (old.short,)


def test_a_draft_of_a_killed_run_is_swept_away_later(tmp_path):
    write(tmp_path)
    draft = tmp_path / "releases" / ".draft-x"
    draft.mkdir()
    assert prune(tmp_path / "releases", 5) == []
    os.utime(draft, (0, 0))
    assert prune(tmp_path / "releases", 5) == [".draft-x"]


def test_volatile_figures_are_left_out_at_every_depth():
    value = {"f1": 1, "arms": [{"seconds": 2, "f1": 3}], "train": {"tokens_per_second": 4, "loss": 5}}
    assert steady(value) == {"f1": 1, "arms": [{"f1": 3}], "train": {"loss": 5}}


def test_a_figure_is_volatile_by_its_whole_name():
    kept = {
        "sentiment": 1, "pathology_f1": 2, "multimedia": 3, "memory_questions": 4, "overtime_policy": 5, "runtime": 6,
        "machines.f1": 7, "second_best": 8, "answer_contained": 9, "recreated": 10, "path_length": 11,
    }  # fmt: skip
    moved = {
        "raft.seconds": 1, "dev_seconds": 2, "Created": 3, "peak_memory_mib": 4, "latency": 5,
        "train.tokens_per_second": 6, "served.time": 7, "machine": "a", "path": "/tmp",
    }  # fmt: skip
    assert steady(kept | moved) == kept


def behind(folder, *rows, **access):
    """A release whose weights were trained on these documents, given as (id, version, policy of then)."""
    parts = fake_parts(folder)
    sources = [dict(zip(("doc_id", "version", "policy"), row, strict=False)) for row in rows]
    (parts.adapters / "sources.jsonl").write_text(json.dumps({"id": "1", "sources": sources}) + "\n")
    if access:
        write_json(parts.accepted / "access.json", json.loads((parts.accepted / "access.json").read_text()) | access)
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


NOBODY = {""}
"""The policy that nobody has."""


def test_who_talks_to_weights_may_read_what_they_learned_then_and_now(tmp_path):
    stayed = behind(tmp_path / "a", ("leave.md", "v", "all-staff"))
    assert stayed.trained_policies == {"all-staff"} and stayed.sources()[0]["policy"] == "all-staff"
    closed = behind(tmp_path / "b", ("managers/bonus.md", "v", "all-staff"))
    assert closed.trained_policies == {"all-staff", "managers-only"}, "the stricter of then and now: both"
    opened = behind(tmp_path / "c", ("leave.md", "v", "managers-only"))
    assert opened.trained_policies == {"all-staff", "managers-only"}


def test_weights_that_learned_a_document_that_is_gone_or_moved_talk_to_nobody(tmp_path):
    gone = behind(tmp_path / "a", ("gone.md", "v", "all-staff"))
    moved = behind(tmp_path / "b", ("leave-of-managers.md", "v", "all-staff"), ("leave.md", "v", "all-staff"))
    for made in (gone, moved):
        assert made.trained_policies >= NOBODY and not made.trained_policies <= made.access.readable(["managers"])
    assert gone.sources_trained == 1


def test_weights_that_learned_what_no_rule_matches_talk_to_nobody(tmp_path):
    closed = behind(tmp_path, ("leave.md", "v"), documents=[])
    assert closed.trained_policies - frozenset(closed.access.policies), "a policy that nobody has"


def test_an_adapter_of_an_older_version_counts_by_the_policies_of_now(tmp_path):
    assert behind(tmp_path, ("leave.md", "v")).trained_policies == {"all-staff"}


def test_what_chooses_the_evidence_is_a_part_and_the_account_of_it_is_not(tmp_path):
    hashes = []
    for name, (threshold, account) in enumerate([(0.5, "a"), (0.5, "b"), (0.6, "b")]):
        parts = fake_parts(tmp_path / str(name))
        write_json(parts.adapters / "evidence" / "judgement.json", {"threshold": threshold})
        write_json(parts.adapters / "evidence" / "evidence.json", {"why": account})
        made = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
        assert json.loads((made.evidence / "judgement.json").read_text()) == {"threshold": threshold}
        hashes.append(made.hash)
    assert hashes[0] == hashes[1] != hashes[2]
    without = write(tmp_path / "none")
    assert without.hash not in hashes and not without.evidence.exists()
