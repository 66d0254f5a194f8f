"""Answers of a directory are kept up to an age, renewed beside, and nobody is let in by what nobody knows."""

from threading import Event, Thread

import pytest

from raftops.errors import ServiceError
from raftops.service import directory
from raftops.service.directory import CachedGroups, Directory, DirectoryAway, open_directory
from raftops.service.identity import open_verifier
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Directory as DirectorySpec
from raftops.spec.model.serving import Identity, Ldap, Scim
from tests.service.test_key_set import until


class Source:
    """A directory that can be changed, taken down or made to hang, and counts how often it is asked."""

    def __init__(self):
        self.known, self.asked, self.error = {"alice": frozenset({"ldap:managers"})}, 0, None
        self.answers = Event()
        self.answers.set()

    def groups(self, principal):
        self.asked += 1
        self.answers.wait(30)
        if self.error:
            raise self.error
        return self.known.get(principal, frozenset())


@pytest.fixture
def source():
    return Source()


def kept(source, now, wait_seconds=30):
    return CachedGroups(source, 300, wait_seconds, lambda: now[0])


def test_an_answer_is_asked_for_once_and_renewed_beside_before_it_is_too_old(source):
    now = [0.0]
    cached = kept(source, now)
    assert [cached.groups("alice") for _ in range(3)] == [{"ldap:managers"}] * 3 and source.asked == 1
    source.known, now[0] = {}, 151
    assert cached.groups("alice") == {"ldap:managers"}  # at once, while it is asked again
    until(lambda: cached.groups("alice") == frozenset())
    assert source.asked == 2


def test_an_answer_that_is_too_old_never_counts_even_for_the_first_caller_of_the_day(source):
    now = [0.0]
    cached = kept(source, now)
    cached.groups("alice")
    source.known, now[0] = {}, 301
    assert cached.groups("alice") == frozenset()


@pytest.mark.parametrize("error", [DirectoryAway("down"), OSError("down"), ValueError("a bug")])
def test_whatever_goes_wrong_nobody_is_let_in_and_the_directory_has_a_pause(source, error):
    now = [0.0]
    cached = kept(source, now)
    source.error = error
    with pytest.raises(DirectoryAway):
        cached.groups("alice")
    until(lambda: not cached._asking)
    for _ in range(20):
        with pytest.raises(DirectoryAway):
            cached.groups("bob")
    assert source.asked == 1
    source.error, now[0] = None, directory.PAUSE_SECONDS
    assert cached.groups("alice") == {"ldap:managers"}


def test_many_who_ask_for_one_person_put_one_question(source):
    cached = kept(source, [0.0])
    source.answers.clear()
    got = []
    threads = [Thread(target=lambda: got.append(cached.groups("alice")), daemon=True) for _ in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: source.asked == 1)
    source.answers.set()
    for thread in threads:
        thread.join(5)
    assert got == [{"ldap:managers"}] * 10 and source.asked == 1


def test_a_directory_that_hangs_holds_a_caller_for_its_time_and_no_longer(source):
    cached = kept(source, [0.0], wait_seconds=0.05)
    source.answers.clear()
    with pytest.raises(DirectoryAway, match="does not answer within"):
        cached.groups("alice")
    for n in range(4 * directory.ASKING - 1):
        with pytest.raises(DirectoryAway):
            cached.groups(f"user{n}")
    with pytest.raises(DirectoryAway, match="too many wait"):
        cached.groups("one more")
    source.answers.set()


def test_answers_are_bounded_in_number(source, monkeypatch):
    monkeypatch.setattr(directory, "PRINCIPALS", 3)
    cached = kept(source, [0.0])
    for n in range(10):
        cached.groups(f"user{n}")
        until(lambda n=n: f"user{n}" in cached._kept)
    assert list(cached._kept) == ["user7", "user8", "user9"]


@pytest.mark.parametrize("principal", ["x" * 257, "a\0b", "a\nb", "\ud800", "a\u202eb"])
def test_what_is_no_name_of_anybody_is_not_asked_for(source, principal):
    assert Directory("sub", source).groups(principal) == frozenset() and source.asked == 0


LDAP = Ldap(url="ldaps://dc.example", users="ou=p", groups="ou=g")
TOKEN = SecretRef(secret="s", key="k", env="NO_SUCH_VARIABLE")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (DirectorySpec(), "names no source, or two"),
        (DirectorySpec(ldap=LDAP, scim=Scim(token=TOKEN)), "names no source, or two"),
        (DirectorySpec(ldap=LDAP.model_copy(update={"bind_password": TOKEN})), "NO_SUCH_VARIABLE is not set"),
        (DirectorySpec(ldap=LDAP.model_copy(update={"url": "ldap://dc.example"})), "without TLS"),
    ],
)
def test_a_service_does_not_start_on_a_directory_that_cannot_be_meant(spec, says):
    with pytest.raises(ServiceError, match=says):
        open_directory(spec)


def test_a_directory_without_a_key_set_would_know_nobody(tmp_path):
    identity = Identity(dev_tokens=str(tmp_path / "t.json"), directory=DirectorySpec(ldap=LDAP))
    with pytest.raises(ServiceError, match="no token would name anybody"):
        open_verifier(identity, "127.0.0.1", ("staff",))


def test_a_service_starts_while_its_directory_is_away():
    assert open_directory(DirectorySpec(ldap=LDAP)).principal_claim == "sub"
