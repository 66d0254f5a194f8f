"""Who may read what now: beside `current`, by a counter, whatever release is served."""

import json
from dataclasses import replace

import pytest

from raftops.access import AccessPolicies
from raftops.errors import ReleaseError
from raftops.files import read_jsonl, write_json, write_jsonl
from raftops.release.access_changes import roll_back, would_change, would_reopen
from raftops.release.current import IN_FORCE, mark_bad, promote, read_current, rollback
from raftops.release.in_force import apply_access, lift, read_in_force, withdraw
from raftops.release.release import write_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from raftops.steps.deploy import release_and_promote
from tests.service.release_files import ACCESS, fake_parts

OPEN = AccessPolicies.model_validate(ACCESS)
CLOSED = AccessPolicies.model_validate(
    ACCESS | {"documents": [{"match": "leave.md", "policy": "managers-only"}, *ACCESS["documents"]]}
)


def parts_of(folder, name, without=(), access=None):
    """The parts of a run, as `fake_parts`, without some documents."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    parts = fake_parts(folder / f"{name}{len(list(folder.glob(f'{name}[0-9]')))}", weights=name)
    rows = [row for _, row in read_jsonl(parts.accepted / "documents.jsonl") if row["doc_id"] not in without]
    write_jsonl(parts.accepted / "documents.jsonl", rows)
    table = [{key: row[key] for key in ("doc_id", "version", "policy_id")} for row in rows]
    parquet.write_table(pa.Table.from_pylist(table), parts.built / "documents.parquet")
    if access:
        write_json(parts.accepted / "access.json", access.model_dump(mode="json"))
    return parts


def run(folder, name, **more):
    """A run that ends with a promoted release, without its smoke test."""
    releases, parts = folder / "releases", parts_of(folder, name, **more)
    (folder / "pointer").mkdir(exist_ok=True)
    release_and_promote(
        Deploy(), Prompt(), Router(), parts, releases, folder / "pointer", lambda release, questions, seconds: {}
    )
    return write_release(Deploy(), Prompt(), Router(), parts, releases)


def version_of(release, doc_id):
    from raftops.release.in_force import documents_of

    return next(iter(documents_of(release.path)[doc_id]))


def test_a_document_that_a_run_found_gone_is_read_by_nobody_after_a_rollback(tmp_path):
    first, releases = run(tmp_path, "a"), tmp_path / "releases"
    run(tmp_path, "b", without=("leave.md",))
    roll_back(releases)
    now = read_in_force(releases)
    assert read_current(releases).hash == first.short
    assert now.policy_of("leave.md", version_of(first, "leave.md")) is None
    assert now.policy_of("travel.md", version_of(first, "travel.md")) == "all-staff"
    assert now.withdrawn["leave.md"].why == "deleted" and now.withdrawn["leave.md"].trained


def test_a_document_that_comes_back_is_read_by_its_new_version_or_by_a_run_that_has_it_again(tmp_path):
    first = run(tmp_path, "a")
    run(tmp_path, "b", without=("leave.md",))
    releases, old = tmp_path / "releases", version_of(first, "leave.md")
    assert read_in_force(releases).policy_of("leave.md", "another version") == "all-staff"
    assert read_in_force(releases).policy_of("leave.md", old) is None
    run(tmp_path, "c")
    assert read_in_force(releases).policy_of("leave.md", old) == "all-staff"


def test_what_a_person_withdrew_no_run_gives_back(tmp_path):
    run(tmp_path, "a")
    releases = tmp_path / "releases"
    withdraw(releases, "leave.md", OPEN)
    run(tmp_path, "b")
    assert read_in_force(releases).policy_of("leave.md", "any version") is None
    lift(releases, "leave.md")
    assert read_in_force(releases).policy_of("leave.md", "any version") == "all-staff"


def test_the_run_after_a_document_was_forgotten_takes_the_releases_that_hold_it(tmp_path):
    first, releases = run(tmp_path, "a"), tmp_path / "releases"
    withdraw(releases, "leave.md", OPEN)
    assert first.path.is_dir(), "it is the one that is served"
    run(tmp_path, "b", without=("leave.md",))
    assert not first.path.is_dir()


def test_rollback_says_what_stays_closed_and_marks_what_it_leaves(tmp_path):
    first, releases = run(tmp_path, "a"), tmp_path / "releases"
    second = run(tmp_path, "b", without=("travel.md",))
    apply_access(releases, CLOSED)
    closed = {change.doc_id: change.opened for change in would_reopen(releases, first)}
    assert closed == {"leave.md": ("employees",), "travel.md": ("employees",)}
    assert roll_back(releases).bad == {second.short: f"rolled back to {first.short}"}
    assert not read_in_force(releases).may_read(["employees"], "leave.md", version_of(first, "leave.md"))


def test_no_run_serves_a_release_again_that_was_rolled_back_unless_asked(tmp_path):
    first = run(tmp_path, "a")
    second = run(tmp_path, "b")
    releases = tmp_path / "releases"
    roll_back(releases)
    with pytest.raises(ReleaseError, match=f"release {second.short} is marked bad .rolled back to {first.short}"):
        run(tmp_path, "b")
    assert read_current(releases).hash == first.short
    roll_back(releases, second.short)  # asked for by name: the mark is gone, and going forth marks nothing
    assert read_current(releases).hash == second.short and read_current(releases).bad == {}
    roll_back(releases, keep=True)
    assert run(tmp_path, "b").short == read_current(releases).hash == second.short


def test_the_release_that_is_served_is_not_marked_bad(tmp_path):
    first = run(tmp_path, "a")
    with pytest.raises(ReleaseError, match="is the one that is served"):
        mark_bad(tmp_path / "releases", first.short, "x")


def test_a_store_of_an_older_version_puts_its_current_policies_in_force_when_it_rolls_back(tmp_path):
    releases = tmp_path / "releases"
    old = write_release(Deploy(), Prompt(), Router(), parts_of(tmp_path, "a"), releases)
    new = write_release(Deploy(), Prompt(), Router(), parts_of(tmp_path, "b", ("travel.md",), CLOSED), releases)
    for release in (old, new):
        promote(releases, release.short)
    assert read_in_force(releases) is None
    assert {change.doc_id for change in would_reopen(releases, old)} >= {"leave.md"}
    roll_back(releases)
    now = read_in_force(releases)
    assert read_current(releases).hash == old.short and not now.may_read(["employees"], "leave.md", "")
    assert now.policy_of("travel.md", version_of(old, "travel.md")) is None


def test_a_run_that_began_before_a_change_does_not_undo_it_whatever_the_clock_says(tmp_path, monkeypatch):
    releases = tmp_path / "releases"
    apply_access(releases, OPEN, "run")  # the run begins
    monkeypatch.setattr("raftops.release.in_force.timestamp", lambda: "1999-01-01T00:00:00+00:00")
    apply_access(releases, CLOSED)  # meanwhile somebody revokes
    made = run(tmp_path, "a", access=OPEN)  # the run ends
    assert not read_in_force(releases).may_read(["employees"], "leave.md", version_of(made, "leave.md"))
    apply_access(releases, OPEN, "run")  # the next run begins, with the file as it was: that is the newest word
    run(tmp_path, "b", access=OPEN)
    assert read_in_force(releases).may_read(["employees"], "leave.md", version_of(made, "leave.md"))


def test_the_counter_goes_up_with_each_change_and_the_same_again_is_none(tmp_path):
    first = apply_access(tmp_path, OPEN)
    assert apply_access(tmp_path, OPEN) == first == read_in_force(tmp_path)
    second = apply_access(tmp_path, CLOSED)
    assert (first.sequence, second.sequence) == (1, 2) and first.version != second.version


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"access": {"policies": 5}}', '{"sequence": 3}', "[" * 100_000])
def test_a_broken_file_is_an_error_and_is_written_again_only_when_asked(tmp_path, broken):
    run(tmp_path, "a")
    run(tmp_path, "b", without=("leave.md",))
    releases = tmp_path / "releases"
    (releases / IN_FORCE).write_text(broken)
    with pytest.raises(ReleaseError, match=f"{IN_FORCE}: cannot be read"):
        read_in_force(releases)
    with pytest.raises(ReleaseError):
        apply_access(releases, OPEN)
    now = apply_access(releases, OPEN, anew=True)
    assert set(now.withdrawn) == {"leave.md"}, "what the current release does not hold counts as deleted"
    assert read_in_force(releases) == now and now.sequence == 1


def test_a_lost_file_opens_nothing(tmp_path):
    run(tmp_path, "a")
    releases = tmp_path / "releases"
    (releases / IN_FORCE).unlink()
    with pytest.raises(ReleaseError, match="is gone, so nobody may read anything"):
        read_in_force(releases)
    rollback_marker = json.loads((releases / "current").read_text())
    assert rollback_marker["has_access"]


def test_what_an_apply_would_change_is_said_document_by_document(tmp_path):
    run(tmp_path, "a")
    found = would_change(tmp_path / "releases", CLOSED)
    assert [(change.doc_id, change.opened, change.closed) for change in found] == [
        ("leave.md", ("managers",), ("employees",))
    ]


def test_other_policies_of_the_pointer_stay_when_it_moves(tmp_path):
    run(tmp_path, "a")
    second = run(tmp_path, "b")
    releases = tmp_path / "releases"
    rollback(releases)
    mark_bad(releases, second.short, "wrong answers")
    run(tmp_path, "c")
    current = read_current(releases)
    assert current.has_access and current.bad == {second.short: "wrong answers"}
    assert replace(current, bad={}) != current
