import json

import pytest

from raftops.errors import ReleaseError, ServiceError
from raftops.files import sha256_file
from raftops.release.current import promote, read_current
from raftops.release.release import write_release
from raftops.release.seal import canonical, sealed
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router
from raftops.steps.deploy import READY_SECONDS, check_shape, deploy, release_and_promote
from tests.release.test_signing import Keys
from tests.service.release_files import fake_parts, tree_digest

ANSWER = {
    "choices": [{"message": {"content": "27 days [1]"}}], "citations": [{"marker": 1}], "route": {"name": "knowledge"},
    "grounded": True, "abstained": False, "release": "x", "usage": {}, "timings": {},
}  # fmt: skip


def answers(release, questions, timeout_seconds):
    return {"questions": float(len(questions))}


def refuses(release, questions, timeout_seconds):
    raise ServiceError("500, something went wrong here\n    the last line of the log")


def run(folder, smoke, config=None, weights="w"):
    parts = fake_parts(folder / f"parts{len(list(folder.glob('parts*')))}", weights=weights)
    out = folder / "artifact"
    return release_and_promote(config or Deploy(), Prompt(), Router(), parts, folder / "releases", out, smoke)


def test_a_release_that_answers_becomes_current_and_the_artifact_points_to_it(tmp_path):
    figures = run(tmp_path, answers)
    current = read_current(tmp_path / "releases")
    pointer = json.loads((tmp_path / "artifact" / "release.json").read_text())
    assert pointer["hash"].startswith(current.hash) and pointer["path"].endswith(current.hash)
    assert figures["questions"] == 1 and figures["sources_trained"] == 1


def test_the_questions_of_the_spec_are_asked_and_one_of_ours_if_it_has_none(tmp_path):
    asked = []

    def notes(release, questions, timeout_seconds):
        asked.append((tuple(questions), timeout_seconds))
        return {}

    run(tmp_path, notes, Deploy(smoke_questions=("a?", "b?"), timeout_seconds=7))
    run(tmp_path, notes, weights="other")
    assert asked == [(("a?", "b?"), 7.0), (("What is the handbook?",), 30.0)]


def test_a_release_that_does_not_answer_leaves_the_old_one_current(tmp_path):
    run(tmp_path, answers, weights="old")
    old = read_current(tmp_path / "releases")
    with pytest.raises(ReleaseError, match="what was served stays: 500.*\n.*last line of the log"):
        run(tmp_path, refuses, weights="new")
    assert read_current(tmp_path / "releases") == old
    (aside,) = (tmp_path / "releases").glob("*.failed")
    assert (aside / "release.json").is_file() and not (tmp_path / "releases" / aside.stem).exists()


def test_what_failed_may_be_tried_again_and_fail_again_and_pass(tmp_path):
    for _ in range(2):
        with pytest.raises(ReleaseError):
            run(tmp_path, refuses)
    run(tmp_path, answers)
    assert read_current(tmp_path / "releases")


def test_the_same_parts_are_released_and_asked_once(tmp_path):
    run(tmp_path, answers)
    before = tree_digest(tmp_path / "releases")
    run(tmp_path, refuses)
    assert tree_digest(tmp_path / "releases") == before


def test_a_release_written_by_a_killed_run_is_asked_before_it_is_promoted(tmp_path):
    write_release(Deploy(), Prompt(), Router(), fake_parts(tmp_path / "killed"), tmp_path / "releases")
    with pytest.raises(ReleaseError):
        run(tmp_path, refuses, weights="weights")
    assert read_current(tmp_path / "releases") is None


def test_where_signatures_are_required_the_release_is_signed_before_it_is_asked(tmp_path, monkeypatch):
    keys = Keys(tmp_path)
    signed = []

    def notes(release, questions, timeout_seconds):
        signed.append((release.path / "release.sig").is_file())
        return {}

    config = Deploy(signing=keys.wanted)
    with pytest.raises(ReleaseError, match="is not signed") as raised:
        run(tmp_path, notes, config)
    assert read_current(tmp_path / "releases") is None and "raftops release sign" in raised.value.next_step
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(keys.private))
    run(tmp_path, notes, config)
    assert signed == [True] and read_current(tmp_path / "releases")


def test_a_signed_release_needs_no_key_to_be_deployed_again(tmp_path, monkeypatch):
    keys = Keys(tmp_path)
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(keys.private))
    run(tmp_path, answers)
    monkeypatch.delenv("RAFTOPS_SIGNING_KEY")
    run(tmp_path, answers, Deploy(signing=keys.wanted))


def test_another_key_than_the_specs_deploys_nothing(tmp_path, monkeypatch):
    ours, theirs = Keys(tmp_path, "ours"), Keys(tmp_path, "theirs")
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(theirs.private))
    with pytest.raises(ReleaseError):
        run(tmp_path, answers, Deploy(signing=ours.wanted))
    assert read_current(tmp_path / "releases") is None


def test_a_key_does_not_sign_what_somebody_put_into_the_store(tmp_path, monkeypatch):
    """The parts are known before a run; a release of the same parts with another index would be taken and signed."""
    run(tmp_path, answers)
    made = tmp_path / "releases" / read_current(tmp_path / "releases").hash
    record = json.loads((made / "release.json").read_text())
    (made / "index" / "bm25.json").unlink()
    (made / "index" / "bm25.json").write_text('{"poison": 1}')
    record["files"]["index/bm25.json"] = sha256_file(made / "index" / "bm25.json")
    again = sealed({key: value for key, value in record.items() if key not in ("hash", "seal")})
    (made / "release.json").write_text(canonical(again))
    planted = made.rename(made.with_name(again["hash"][:16]))
    keys = Keys(tmp_path)
    monkeypatch.setenv("RAFTOPS_SIGNING_KEY", str(keys.private))
    run(tmp_path, answers, Deploy(signing=keys.wanted))
    served = tmp_path / "releases" / read_current(tmp_path / "releases").hash
    assert served.name == record["hash"][:16] and (served / "release.sig").is_file()
    assert not (planted / "release.sig").exists()


def test_old_releases_go_and_the_one_before_stays(tmp_path):
    for name in "abcd":
        run(tmp_path, answers, Deploy(keep_releases=1), weights=name)
    current = read_current(tmp_path / "releases")
    kept = {path.name for path in (tmp_path / "releases").iterdir() if len(path.name) == 16}
    assert kept >= {current.hash, current.previous[0]} and len(kept) <= 3


@pytest.mark.parametrize(
    "broken",
    [
        None, [], "x", {}, ANSWER | {"choices": []}, ANSWER | {"citations": []},
        {k: v for k, v in ANSWER.items() if k != "route"}, ANSWER | {"choices": [{"message": {"content": ""}}]},
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_does_not_pass(broken):
    with pytest.raises(ServiceError, match="an answer without"):
        check_shape(broken)


@pytest.mark.parametrize(
    "good",
    [ANSWER, ANSWER | {"citations": [], "abstained": True}, ANSWER | {"citations": [], "route": {"name": "behaviour"}}],
)
def test_a_cited_answer_an_abstention_and_an_answer_about_form_pass(good):
    check_shape(good)


@pytest.mark.slow
def test_a_service_that_cannot_open_the_release_says_why_at_once(tmp_path):
    """The real service on made-up bytes: it starts, cannot open the index, and says so; nothing waits for a timeout."""
    old = write_release(Deploy(), Prompt(), Router(), fake_parts(tmp_path / "old"), tmp_path / "releases")
    promote(tmp_path / "releases", old.hash)
    parts = fake_parts(tmp_path / "new", weights="new")
    with pytest.raises(ReleaseError, match="what was served stays: the service cannot serve: .*index") as raised:
        deploy(Deploy(), Prompt(), Router(), parts, tmp_path / "releases", tmp_path / "artifact")
    assert str(READY_SECONDS) not in str(raised.value)
    assert read_current(tmp_path / "releases").hash == old.short
    assert list((tmp_path / "releases").glob("*.failed")) and not (tmp_path / "artifact").exists()
