import json
import threading

import pytest

from raftops.errors import ModelError, ReleaseError
from raftops.release.current import promote, rollback
from raftops.release.release import write_release
from raftops.release.signing import sign_release
from raftops.service.live import Live, Refused
from raftops.service.metrics import Metrics
from raftops.service.serving import ReleaseServing
from raftops.service.settings import Settings
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Identity, Router, Signing
from tests.release.test_signing import Keys
from tests.service.release_files import fake_parts


class Loads:
    """Opens any release; remembers what was opened and closed; refuses what it is told to."""

    def __init__(self):
        self.opened, self.closed, self.bad = [], [], set()

    def __call__(self, release):
        if release.short in self.bad:
            raise ModelError("cannot load")
        self.opened.append(release.short)
        live = Live(release.name, release.short, 0, release.access, None)
        return live, lambda: self.closed.append(release.short)


@pytest.fixture
def releases(tmp_path):
    made = []
    for name in "abc":
        parts = fake_parts(tmp_path / name, weights=name)
        made.append(write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases"))
    return made


@pytest.fixture
def serving(tmp_path):
    settings = Settings(tmp_path / "releases", None, "127.0.0.1", Identity(dev_tokens=str(tmp_path / "tokens.json")))
    return ReleaseServing(settings, Metrics(), Loads())


def served(serving):
    with serving.lease() as live:
        return live.release


def test_before_anything_was_promoted_nothing_is_served(serving, tmp_path):
    (tmp_path / "releases").mkdir()
    serving.look()
    assert not serving.ready
    with pytest.raises(Refused, match="being opened"), serving.lease():
        pass
    with pytest.raises(Refused):
        _ = serving.verifier


def test_current_is_followed_forth_and_back(serving, releases, tmp_path):
    folder = tmp_path / "releases"
    seen = []
    for made in releases:
        promote(folder, made.hash)
        serving.look()
        seen.append(served(serving))
    rollback(folder)
    serving.look()
    assert [*seen, served(serving)] == [releases[n].short for n in (0, 1, 2, 1)]
    assert serving._load.closed == [releases[n].short for n in (0, 1, 2)]


def test_looking_again_opens_nothing_again(serving, releases, tmp_path):
    promote(tmp_path / "releases", releases[0].hash)
    for _ in range(3):
        serving.look()
    assert serving._load.opened == [releases[0].short]


def test_a_release_that_cannot_be_opened_changes_nothing_and_is_not_tried_again(serving, releases, tmp_path, capsys):
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    serving._load.bad = {releases[1].short}
    promote(tmp_path / "releases", releases[1].hash)
    for _ in range(3):
        serving.look()
    assert served(serving) == releases[0].short and capsys.readouterr().out.count("cannot load") == 1
    promote(tmp_path / "releases", releases[2].hash)
    serving.look()
    assert served(serving) == releases[2].short


def test_what_could_not_be_opened_is_tried_again_after_a_while(serving, releases, tmp_path, monkeypatch):
    serving._load.bad = {releases[0].short}
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    serving._load.bad = set()
    serving.look()
    assert not serving.ready
    monkeypatch.setattr("raftops.service.serving.RETRY_SECONDS", 0.0)
    serving.look()
    assert served(serving) == releases[0].short


def test_a_broken_pointer_changes_nothing(serving, releases, tmp_path):
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    (tmp_path / "releases" / "current").write_text("{")
    serving.look()
    assert served(serving) == releases[0].short


def test_an_answer_under_way_keeps_its_release_open(serving, releases, tmp_path):
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    with serving.lease() as old:
        promote(tmp_path / "releases", releases[1].hash)
        serving.look()
        assert served(serving) == releases[1].short and old.release == releases[0].short
        assert serving._load.closed == []
    assert serving._load.closed == [releases[0].short]


def test_many_askers_during_many_swaps_never_meet_a_closed_release(serving, releases, tmp_path):
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            closed_before = list(serving._load.closed)
            with serving.lease() as live:
                # a release may be opened and closed several times: its closings must stay below its openings
                if serving._load.closed.count(live.release) >= serving._load.opened.count(live.release):
                    wrong.append((live.release, closed_before))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for turn in range(30):
        promote(tmp_path / "releases", releases[turn % 3].hash)
        serving.look()
    stop.set()
    for asker in askers:
        asker.join()
    assert not wrong


def test_one_fixed_release_is_served_whatever_is_current(releases, tmp_path):
    settings = Settings(None, releases[1].path, "127.0.0.1", Identity(dev_tokens=str(tmp_path / "t.json")))
    serving = ReleaseServing(settings, Metrics(), Loads())
    promote(tmp_path / "releases", releases[0].hash)
    serving.look()
    assert served(serving) == releases[1].short


def test_started_and_closed_it_opens_and_closes_what_it_serves(serving, releases, tmp_path):
    promote(tmp_path / "releases", releases[0].hash)
    serving.start()
    for _ in range(200):
        if serving.ready:
            break
        threading.Event().wait(0.05)
    serving.close()
    assert serving._load.opened == serving._load.closed == [releases[0].short]


def test_without_a_known_host_development_tokens_keep_it_from_serving(releases, tmp_path, capsys):
    promote(tmp_path / "releases", releases[0].hash)
    serving = ReleaseServing(Settings(tmp_path / "releases"), Metrics(), Loads())
    serving.look()
    assert not serving.ready and "not loopback" in capsys.readouterr().out


def test_an_unsigned_or_tampered_release_is_refused_and_what_is_served_stays(releases, tmp_path, capsys):
    keys = Keys(tmp_path)
    identity = Identity(dev_tokens=str(tmp_path / "t.json"))
    settings = Settings(tmp_path / "releases", None, "127.0.0.1", identity, signing=keys.wanted)
    serving = ReleaseServing(settings, Metrics(), Loads())
    good, unsigned, tampered = releases
    for made in (good, tampered):
        sign_release(made.path, keys.private)
    record = json.loads((tampered.path / "release.json").read_text()) | {"trained_policies": []}
    (tampered.path / "release.json").write_text(json.dumps(record))
    with pytest.raises(ReleaseError):
        promote(tmp_path / "releases", tampered.hash)
    promote(tmp_path / "releases", unsigned.hash)
    serving.look()
    assert not serving.ready and "is not signed" in capsys.readouterr().out
    for made in (good, unsigned):
        promote(tmp_path / "releases", made.hash)
        serving.look()
        assert served(serving) == good.short
    assert serving._load.opened == [good.short]


def test_whether_signatures_are_required_is_not_for_the_release_to_say(releases, tmp_path):
    """A release carries no `deploy.signing`: one that was tampered with could only ask for less."""
    assert releases[0].deploy.signing == Signing()
    told = {"RAFTOPS_SIGNING": Signing(required=True, public_key="k.pem").model_dump_json()}
    assert Settings.of(told).signing.required and not Settings.of({}).signing.required


def test_settings_come_from_the_environment(tmp_path):
    who = Identity(jwks="keys.json")
    found = Settings.of(
        {"RAFTOPS_RELEASE": "/r/x", "RAFTOPS_IDENTITY": json.dumps(who.model_dump()), "RAFTOPS_TIMEOUT": "9"}
    )
    assert str(found.release) == "/r/x" and found.releases is None and found.host == "" and found.identity == who
    assert found.timeout_seconds == 9 and str(Settings.of({}).releases) == ".raftops/releases"


def test_the_metrics_name_the_release_that_is_served(serving, releases, tmp_path):
    for made in releases[:2]:
        promote(tmp_path / "releases", made.hash)
        serving.look()
    text = serving._metrics.text().decode()
    assert f'release="{releases[1].short}"}} 1.0' in text and f'release="{releases[0].short}"}} 1.0' not in text
