"""The service follows who may read what: at once, for every release, and for answers that are being made."""

import asyncio
import json
import os
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from raftops.access import AccessPolicies
from raftops.errors import AccessError
from raftops.release.access_changes import roll_back
from raftops.release.current import IN_FORCE
from raftops.release.in_force import apply_access, withdraw
from raftops.service.app import CHANGES, _stream, create_app, under_access_now
from raftops.service.identity import Caller
from raftops.service.live import Refused
from raftops.service.metrics import Metrics
from raftops.service.serving import ReleaseServing
from raftops.service.settings import Settings
from raftops.service.wire import Reply
from raftops.spec.model.serving import Identity
from tests.release.test_in_force import CLOSED, OPEN, run
from tests.retrieval.tiny import passage
from tests.service.doubles import Library, Says, Tokens
from tests.service.doubles import live as live_of
from tests.service.release_files import ACCESS, TEXTS

STAFF = {"Authorization": "Bearer employees"}
LEAVE = "How many days of annual leave in Norway?"
LEAK = "27 days"


def to_passages(release):
    """The documents of a release as passages, with the policy that the release indexed them under."""
    return [
        passage(n, text.replace("\n", " "), release.access.policy_of(doc_id), "Handbook", doc_id)
        for n, (doc_id, text) in enumerate(sorted(TEXTS.items()))
    ]


class Opens:
    """Opens any release over passages in memory; their versions are those that the release says."""

    def __init__(self, generator):
        self.generator, self.loaded = generator, []

    def __call__(self, release):
        from dataclasses import replace

        passages = [replace(p, version=version_of_any(release, p.doc_id)) for p in to_passages(release)]
        passages = [p for p in passages if p.version]
        live = live_of(passages, self.generator, release.access)
        self.loaded.append(release.short)
        index = live.answerer.library
        served = replace(live, name=release.name, release=release.short, index=index, sources=release.sources())
        return served, lambda: None


def version_of_any(release, doc_id):
    from raftops.release.in_force import documents_of

    return next(iter(documents_of(release.path).get(doc_id, [""])))


class House:
    """A service over a folder of releases, asked in process."""

    def __init__(self, folder, says="27 days [1]", access=None):
        identity = Identity(dev_tokens=str(folder / "tokens.json"))
        self.folder, self.releases, self.metrics = folder, folder / "releases", Metrics()
        self.settings = Settings(self.releases, None, "127.0.0.1", identity, access=access)
        self.says = Says(says)
        self.start()

    def start(self):
        """A process that begins now."""
        self.opens = Opens(self.says)
        self.serving = ReleaseServing(self.settings, self.metrics, self.opens)
        type(self.serving).verifier = property(lambda this: this._opened() and Tokens())
        self.serving.look()
        self.client = TestClient(create_app(self.serving, self.metrics), raise_server_exceptions=False)

    def ask(self, headers=STAFF, **body):
        messages = [{"role": "user", "content": LEAVE}]
        return self.client.post("/v1/chat/completions", json={"messages": messages, **body}, headers=headers)

    def found(self, headers=STAFF):
        answer = self.client.post("/v1/search", json={"query": "leave", "top_k": 50}, headers=headers)
        return {row["doc_id"] for row in answer.json()["data"]}


@pytest.fixture(autouse=True)
def verifier(monkeypatch):
    """Tokens by a table, put back afterwards."""
    monkeypatch.setattr(ReleaseServing, "verifier", ReleaseServing.verifier)


@pytest.fixture
def house(tmp_path):
    run(tmp_path, "a")
    return House(tmp_path)


def test_what_is_applied_counts_for_the_next_question_without_a_look_of_the_watcher(house):
    assert LEAK in house.ask().text and "leave.md" in house.found()
    apply_access(house.releases, CLOSED)
    closed = house.ask().json()
    assert closed["abstained"] and "leave.md" not in json.dumps(closed) and "leave.md" not in house.found()
    assert "leave.md" in house.found({"Authorization": "Bearer managers"})
    apply_access(house.releases, OPEN)
    assert LEAK in house.ask().text and house.opens.loaded == house.opens.loaded[:1], "nothing was opened again"


def test_a_document_that_moved_to_another_policy_is_cited_by_those_who_may_read_it_now(house):
    apply_access(house.releases, CLOSED)
    answer = house.ask({"Authorization": "Bearer managers"}).json()
    assert [citation["doc_id"] for citation in answer["citations"]] == ["leave.md"]


def test_after_a_rollback_what_was_revoked_and_deleted_stays_so_also_in_a_new_process(house, tmp_path):
    run(tmp_path, "b", without=("travel.md",))
    apply_access(house.releases, CLOSED)
    house.serving.look()
    roll_back(house.releases)
    for _ in range(2):
        house.serving.look()
        assert house.found() == set() and LEAK not in house.ask().text
        assert house.found({"Authorization": "Bearer managers"}) == {"leave.md", "managers/bonus.md"}
        house.start()


def test_a_withdrawn_document_vanishes_from_everything(house):
    withdraw(house.releases, "leave.md", OPEN)
    both = {"Authorization": "Bearer employees+managers"}
    assert "leave.md" not in house.found(both)
    answer = house.ask(both)
    assert LEAK not in answer.text and "leave.md" not in answer.text
    with house.serving.lease() as live:
        assert live.answerer.library.document_text("leave.md", version_of_any(run_of(house), "leave.md")) is None


def run_of(house):
    from raftops.release.current import current_release

    return current_release(house.releases)


class Revokes:
    """A generator that sees the access changed while it works: what nobody can time."""

    def __init__(self, change, text="27 days [1]"):
        self.change, self.text, self.times = change, text, 0

    def generate(self, messages, max_new_tokens):
        self.times += 1
        self.change()
        return Says(self.text).generate(messages, max_new_tokens)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_was_being_made_when_its_document_was_revoked_does_not_leave(house, stream):
    house.says.generate = Revokes(lambda: apply_access(house.releases, CLOSED)).generate
    answer = house.ask(stream=stream)
    assert answer.status_code == 200 and LEAK not in answer.text and "leave.md" not in answer.text
    assert '"abstained": true' in answer.text or answer.json()["abstained"]


def test_an_answer_that_rests_on_what_is_still_readable_is_made_once(house):
    other = AccessPolicies.model_validate(
        ACCESS | {"documents": [{"match": "travel.md", "policy": "managers-only"}, *ACCESS["documents"]]}
    )
    generator = Revokes(lambda: apply_access(house.releases, other))
    with_leave_only = generator.generate
    withdraw(house.releases, "travel.md", OPEN)  # so that the evidence is leave.md alone
    house.says.generate = with_leave_only
    assert LEAK in house.ask().text and generator.times == 1


def test_access_that_changes_under_every_attempt_ends_in_a_refusal_and_not_in_an_answer(house):
    with house.serving.lease() as live:
        answer = live.answerer.answer(LEAVE, live.access.readable(["employees"]))
    attempts = []

    def answered(now):
        attempts.append(now)
        groups = CLOSED.groups | {f"g{len(attempts)}": ""}  # it changes each time, and what it rests on stays revoked
        apply_access(house.releases, CLOSED.model_copy(update={"groups": groups}))
        return answer

    with pytest.raises(Refused, match="what you may read changed"):
        under_access_now(live, Caller(frozenset({"employees"})), answered)
    assert len(attempts) == CHANGES and answer.citations


def test_weights_that_learned_a_document_that_is_gone_answer_nobody_after_a_rollback(house, tmp_path):
    other = {"Authorization": "Bearer employees+managers"}
    assert LEAK in house.ask(other).text and len(house.says.asked) == 1  # they were trained on leave.md
    run(tmp_path, "b", without=("leave.md",))
    roll_back(house.releases)
    house.serving.look()
    answer = house.ask(other).json()
    assert len(house.says.asked) == 1, "the model is not asked"
    assert answer["reason"] in ("audience", "nothing found") and LEAK not in json.dumps(answer)


def test_weights_that_learned_a_document_answer_only_those_who_may_read_it_now(house):
    apply_access(house.releases, CLOSED)  # leave.md, which they were trained on, is for managers now
    house.ask()
    assert house.says.asked == [], "staff is answered by quotes"
    house.ask({"Authorization": "Bearer employees+managers"})
    assert len(house.says.asked) == 1, "who may read it then and now is answered by the weights"
    house.ask({"Authorization": "Bearer managers"})
    assert len(house.says.asked) == 1, "managers alone could not read it when it was learned"


def test_a_revocation_while_the_weights_answer_is_an_answer_without_them(house):
    generator = Revokes(lambda: apply_access(house.releases, CLOSED), "62 euros [1]")
    house.says.generate = generator.generate
    question = [{"role": "user", "content": "What is the daily allowance in Portugal?"}]
    house.client.post("/v1/chat/completions", json={"messages": question}, headers=STAFF)
    assert generator.times == 1, "made again, and the weights, which learned leave.md, are not asked again"


def test_a_search_that_was_under_way_when_its_document_was_revoked_does_not_show_it(house, monkeypatch):
    within = Library.within

    def revoked_meanwhile(self, question, scope, top_k):
        found = within(self, question, scope, top_k)
        apply_access(house.releases, CLOSED)
        return found

    monkeypatch.setattr(Library, "within", revoked_meanwhile)
    assert "leave.md" not in house.found() and "travel.md" in house.found()


def test_a_stream_that_is_read_slowly_ends_where_the_access_ends(house):
    with house.serving.lease() as live:
        answer = live.answerer.answer(LEAVE, live.access.readable(["employees"]))
    made = Reply("id", 0, "handbook", "r", answer)
    request = SimpleNamespace(state=SimpleNamespace(outcome=0))

    async def reply():
        return made, lambda: live.latest().still_answers(answer, live, ["employees"])

    async def read_slowly():
        lines = _stream(request, reply, {}, False)
        first = [await anext(lines), await anext(lines)]
        apply_access(house.releases, CLOSED)
        return first, [line async for line in lines]

    read, rest = asyncio.run(read_slowly())
    assert "27" in read[1] and "access_changed" in rest[0] and rest[1:] == ["data: [DONE]\n\n"]
    assert request.state.outcome == 503


@pytest.mark.parametrize("broken", [b"", b"{", b"\xff\xfe", b'{"access": 5}'])
def test_a_broken_file_leaves_the_last_good_access_and_says_so_once(house, broken, caplog):
    apply_access(house.releases, CLOSED)
    assert "leave.md" not in house.found()
    (house.releases / IN_FORCE).write_bytes(broken)
    for _ in range(3):
        assert "leave.md" not in house.found()
    assert caplog.text.count("the access in force stays as it was") == 1
    assert b'raftops_access_changes_total{outcome="refused"} 1.0' in house.metrics.text()
    house.start()
    assert not house.serving.ready, "a process that never saw a good one serves nobody"
    with pytest.raises(Refused), house.serving.lease():
        pass


def test_a_file_that_goes_away_opens_nothing_now_or_in_a_new_process(house):
    apply_access(house.releases, CLOSED)
    assert "leave.md" not in house.found()
    (house.releases / IN_FORCE).unlink()
    assert "leave.md" not in house.found()
    house.start()
    assert not house.serving.ready
    apply_access(house.releases, CLOSED, anew=True)
    house.serving._tried = ("", 0.0)
    house.serving.look()
    assert house.serving.ready and "leave.md" not in house.found()


def test_a_store_without_any_serves_each_release_by_its_own_policies(tmp_path):
    from raftops.release.current import promote
    from raftops.release.release import write_release
    from raftops.spec.model.learning import Prompt
    from raftops.spec.model.serving import Deploy, Router
    from tests.release.test_in_force import parts_of

    made = write_release(Deploy(), Prompt(), Router(), parts_of(tmp_path, "a", access=CLOSED), tmp_path / "releases")
    promote(tmp_path / "releases", made.short)
    assert House(tmp_path).found() == {"travel.md"}


def yaml_of(access):
    return json.dumps(access.model_dump(mode="json"))


def config_map(folder, text):
    """A mounted config map: the file is a link to a link, and the inner one is swapped."""
    new = folder / f"..{len(list(folder.iterdir()))}"
    new.mkdir()
    (new / "access.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(new.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    if not (folder / "access.yaml").is_symlink():
        (folder / "access.yaml").symlink_to("..data/access.yaml")
    return folder / "access.yaml"


def test_a_mounted_config_map_is_followed_and_decides_instead_of_what_was_applied(tmp_path):
    run(tmp_path, "a")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    house = House(tmp_path, access=config_map(mounted, yaml_of(OPEN)))
    assert "leave.md" in house.found()
    config_map(mounted, yaml_of(CLOSED))
    assert "leave.md" not in house.found()
    apply_access(house.releases, OPEN)
    assert "leave.md" not in house.found(), "the watched file decides"
    config_map(mounted, "policies: [")
    assert "leave.md" not in house.found()
    config_map(mounted, "")
    assert "leave.md" not in house.found(), "an empty file is a broken one: the last good stays"
    config_map(mounted, yaml_of(AccessPolicies()))
    assert house.found({"Authorization": "Bearer employees+managers"}) == set(), "one without policies admits nobody"
    config_map(mounted, yaml_of(OPEN))
    withdraw(house.releases, "leave.md", OPEN)
    assert house.found() == {"travel.md"}, "what is withdrawn stays so"


def test_a_watched_file_that_is_not_there_serves_nobody(tmp_path):
    run(tmp_path, "a")
    house = House(tmp_path, access=tmp_path / "nosuch.yaml")
    assert not house.serving.ready
    with pytest.raises(AccessError):
        house.serving._following.now(OPEN)


def test_a_file_that_is_changed_in_place_within_one_tick_of_the_clock_is_seen(tmp_path):
    run(tmp_path, "a")
    watched = tmp_path / "access.yaml"
    watched.write_text(yaml_of(OPEN))
    house, about = House(tmp_path, access=watched), watched.stat()
    assert "leave.md" in house.found()
    same_size = yaml_of(OPEN).replace('"**"', '"*x"')
    with watched.open("r+") as file:
        file.write(same_size)
    os.utime(watched, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert watched.stat().st_size == about.st_size and house.found() == set()
