"""Users and groups pushed by SCIM: the protocol as scim2-tester checks it over HTTP, and what a push does to rights."""

import os
import sqlite3
import time
from threading import Thread

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_server.testing import ScimStorageContract
from scim2_tester import Status, check_server

from raftops.errors import ServiceError
from raftops.service.app import create_app
from raftops.service.directory import Directory, DirectoryAway, open_directory
from raftops.service.identity import Denied, JwtVerifier
from raftops.service.launch import free_port
from raftops.service.metrics import Metrics
from raftops.service.scim import DAY_SECONDS, PushApp, PushedGroups, PushedStore, open_pushed
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Directory as DirectorySpec
from raftops.spec.model.serving import Scim
from tests.retrieval.tiny import passage
from tests.service.doubles import Held, Says, live
from tests.service.test_identity import SET, WHO, token
from tests.service.test_key_set import Issuer

SECRET = "only-for-this-test-" + "x" * 20
PROVIDER = {"Authorization": f"Bearer {SECRET}"}
TOKEN = SecretRef(secret="s", key="k", env="SCIM_TOKEN")


@pytest.mark.slow
class TestPushedStore(ScimStorageContract):
    """The library's own contract of storages."""

    @pytest.fixture
    def storage(self, tmp_path):
        store = PushedStore(tmp_path / "scim.sqlite")
        yield store
        store.close()


class Pushing:
    """A provider at the service's door, and what the service knows by it."""

    def __init__(self, path, **more):
        self.spec = Scim(token=TOKEN, store=str(path), **more)
        self.pushed = open_pushed(self.spec, SECRET)
        directory = Directory("preferred_username", self.pushed.groups, self.pushed.app)
        held = Held(live([passage(1, "The bonus pool is 4.2 percent.", "secret", "Bonus", "b.md")], Says("4.2 [1]")))
        held.verifier = JwtVerifier(Issuer(*SET["keys"]).set(), WHO, directory)
        self.verifier, self.app = held.verifier, create_app(held, Metrics())
        self.client = TestClient(self.app, headers=PROVIDER)

    def post(self, kind, body):
        schema = f"urn:ietf:params:scim:schemas:core:2.0:{kind[:-1]}"
        answer = self.client.post(f"/scim/v2/{kind}", json={"schemas": [schema], **body})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def patch(self, what, **operation):
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        answer = self.client.patch(f"/scim/v2/{what}", json=body)
        assert answer.status_code in (200, 204), answer.text

    def user(self, name, **more):
        return self.post("Users", {"userName": name, "active": True, **more})

    def group(self, name, *members):
        return self.post("Groups", {"displayName": name, "members": [{"value": member} for member in members]})

    def groups(self, name):
        return self.verifier.caller(token(groups=[], preferred_username=name)).groups


@pytest.fixture
def pushing(tmp_path):
    made = Pushing(tmp_path / "scim.sqlite")
    yield made
    made.pushed.app._store.close()


def test_a_user_has_the_groups_that_were_pushed_and_those_around_them(pushing):
    alice, bob = pushing.user("Alice@example.org"), pushing.user("bob")
    managers = pushing.group("Shop  Managers", alice)
    pushing.group("board", managers, bob)
    assert pushing.groups("alice@EXAMPLE.org") == {"scim:shop managers", "scim:board"}
    assert pushing.groups("bob") == {"scim:board"} and pushing.groups("carol") == frozenset()


def test_a_deactivated_user_loses_all_groups_at_once_and_gets_them_back(pushing):
    alice = pushing.user("alice")
    pushing.group("managers", alice)
    pushing.patch(f"Users/{alice}", op="replace", path="active", value=False)
    assert pushing.groups("alice") == frozenset()
    pushing.patch(f"Users/{alice}", op="Replace", value={"active": True})
    assert pushing.groups("alice") == {"scim:managers"}
    pushing.patch(f"Users/{alice}", op="remove", path="active")
    assert pushing.groups("alice") == frozenset()


def test_leaving_a_group_or_being_deleted_counts_with_the_next_question(pushing):
    alice, bob = pushing.user("alice"), pushing.user("bob")
    managers = pushing.group("managers", alice, bob)
    pushing.patch(f"Groups/{managers}", op="remove", path=f'members[value eq "{alice}"]')
    assert pushing.groups("alice") == frozenset() and pushing.groups("bob") == {"scim:managers"}
    assert pushing.client.delete(f"/scim/v2/Users/{bob}").status_code == 204
    assert pushing.groups("bob") == frozenset()
    again = pushing.user("bob")  # another person of that name, who is in no group
    assert again != bob and pushing.groups("bob") == frozenset()


def test_groups_in_a_circle_end_and_two_of_one_name_are_refused(pushing):
    alice = pushing.user("alice")
    one = pushing.group("one", alice)
    two = pushing.group("two", one)
    pushing.patch(f"Groups/{one}", op="add", path="members", value=[{"value": two}])
    assert pushing.groups("alice") == {"scim:one", "scim:two"}
    for name in ("one", " ONE "):
        answer = pushing.client.post(
            "/scim/v2/Groups",
            json={"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": []},
        )
        assert answer.status_code == 409


def test_users_are_found_by_their_name(pushing):
    pushing.user("alice")
    pushing.user("bob")
    found = pushing.client.get("/scim/v2/Users", params={"filter": 'userName eq "ALICE"'}).json()
    assert [user["userName"] for user in found["Resources"]] == ["alice"]
    assert pushing.client.get("/scim/v2/Users", params={"filter": 'userName eq "x" or ('}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer " + "y" * 39}, {"Authorization": f"Basic {SECRET}"}, {"Authorization": SECRET},
     [("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")],
     {"Authorization": "Bearer " + token()}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["Users", "Groups", "Users/x", "Schemas"])
def test_without_the_provider_s_token_nothing_is_read_or_written(pushing, headers, path):
    stranger = TestClient(pushing.app)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = stranger.request(method, f"/scim/v2/{path}", headers=headers, json={})
        assert answer.status_code in (401, 405) and "alice" not in answer.text


def test_the_provider_s_token_asks_no_questions(pushing):
    for path in ("/v1/models", "/v1/search"):
        assert pushing.client.get(path).status_code in (401, 405)


def test_a_service_without_scim_has_no_such_place():
    plain = TestClient(create_app(Held(live([], Says(""))), Metrics()))
    answer = plain.get("/scim/v2/Users", headers=PROVIDER)
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


def test_what_was_pushed_lasts_in_a_file_of_its_owner_and_without_passwords(tmp_path):
    path = tmp_path / "deep" / "scim.sqlite"
    first = Pushing(path)
    alice = first.user("alice", password="t0p-s3cret")
    first.group("managers", alice)
    assert path.stat().st_mode & 0o777 == 0o600
    second = Pushing(path)  # another process, or the next release's verifier
    assert second.groups("alice") == {"scim:managers"}
    second.patch(f"Users/{alice}", op="replace", path="active", value=False)
    assert first.groups("alice") == frozenset()
    assert b"t0p-s3cret" not in path.read_bytes()
    os.chmod(path, 0o640)
    with pytest.raises(ServiceError, match="others may read"):
        PushedStore(path)
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with pytest.raises(ServiceError, match="cannot be opened"):
        PushedStore(link)
    for one in (first, second):
        one.pushed.app._store.close()


def test_a_write_that_fails_is_not_in_memory_either(pushing):
    pushing.user("alice")
    store = pushing.pushed.app._store
    store._file.execute("CREATE TRIGGER full BEFORE INSERT ON resources BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    schema = ["urn:ietf:params:scim:schemas:core:2.0:User"]
    failed = pushing.client.post("/scim/v2/Users", json={"schemas": schema, "userName": "eve", "active": True})
    assert failed.status_code == 500 and "disk full" not in failed.text
    assert pushing.client.get("/scim/v2/Users").json()["totalResults"] == 1


def test_a_provider_that_was_quiet_for_too_long_gives_nobody_a_group(tmp_path):
    store = PushedStore(tmp_path / "scim.sqlite")
    now = [time.time()]
    spec = Scim(token=TOKEN, store="x", quiet_days=7)
    groups, app = PushedGroups(store, spec, lambda: now[0]), PushApp(store, SECRET, lambda: now[0])
    assert groups.groups("alice") == frozenset()  # nothing was ever pushed: nobody is in a group
    provider = TestClient(app, headers=PROVIDER)
    assert provider.get("/v2/Users").status_code == 200
    now[0] += 7 * DAY_SECONDS + 1
    with pytest.raises(DirectoryAway, match="nothing for 7 days"):
        groups.groups("alice")
    verifier = JwtVerifier(Issuer(*SET["keys"]).set(), WHO, Directory("sub", groups))
    with pytest.raises(Denied) as denied:
        verifier.caller(token())
    assert denied.value.reason == "directory_away"
    assert TestClient(app).get("/v2/Users").status_code == 401  # a stranger is no sign of life
    with pytest.raises(DirectoryAway):
        groups.groups("alice")
    provider.get("/v2/Users")
    assert groups.groups("alice") == frozenset()
    store.close()


def test_no_name_of_a_person_is_logged(pushing, caplog):
    caplog.set_level("DEBUG")
    pushing.user("alice.in.wonderland")
    pushing.client.get("/scim/v2/Users/alice.in.wonderland")
    pushing.client.get("/scim/v2/Users", params={"filter": 'userName eq "alice.in.wonderland" and ('})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert any("SCIM: 404" in line for line in ours) and not any("wonderland" in line for line in ours)


def test_a_short_or_missing_secret_is_refused(tmp_path, monkeypatch):
    spec = DirectorySpec(scim=Scim(token=TOKEN, store=str(tmp_path / "s.sqlite")))
    monkeypatch.delenv("SCIM_TOKEN", raising=False)
    with pytest.raises(ServiceError, match="SCIM_TOKEN is not set"):
        open_directory(spec)
    monkeypatch.setenv("SCIM_TOKEN", "short")
    with pytest.raises(ServiceError, match="can be guessed"):
        open_directory(spec)
    assert not (tmp_path / "s.sqlite").exists()


@pytest.mark.slow
def test_scim2_tester_finds_no_fault_over_http(tmp_path):
    pushing = Pushing(tmp_path / "scim.sqlite")
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(pushing.app, host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/scim/v2", headers=PROVIDER) as client:
            results = check_server(SyncSCIMClient(client))
    finally:
        server.should_exit = True
        thread.join(10)
    pushing.pushed.app._store.close()
    bad = [f"{r.title}: {r.reason}" for r in results if r.status not in (Status.SUCCESS, Status.SKIPPED)]
    counted = {status.name: sum(r.status is status for r in results) for status in Status}
    assert not bad, bad
    assert counted["SUCCESS"] > 100, counted


def test_the_store_is_an_ordinary_database(pushing):
    pushing.user("alice")
    path = pushing.spec.store
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT kind FROM resources").fetchall() == [("User",)]
