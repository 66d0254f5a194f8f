"""Groups by LDAP, asked of a real OpenLDAP server. Active Directory's own rule is not: no such server runs here."""

import socket

import pytest

from raftops.errors import ServiceError
from raftops.service.directory import CachedGroups, Directory, DirectoryAway
from raftops.service.identity import Denied, JwtVerifier
from raftops.service.ldap_groups import DEEPEST, LdapGroups
from raftops.spec.model.serving import Ldap
from tests.service.slapd import BASE, GROUPS, PASSWORD, PEOPLE, certificates, folder, group, person, slapd_or_skip
from tests.service.test_identity import SET, WHO, token
from tests.service.test_key_set import Issuer

ALICE, BOB, ZOE = (f"uid={uid},{PEOPLE}" for uid in ("alice", "bob", "zoë"))
DEEP = "".join(group(f"deep{n}", f"cn=deep{n - 1},{GROUPS}" if n else BOB) for n in range(DEEPEST + 5))
ENTRIES = (
    folder("people") + folder("guests") + folder("groups") + folder("apart", GROUPS)
    + person("alice", mail="a@example.org") + person("bob") + person("zoë") + person("many") + person("a*b")
    + person("double", mail="same@example.org") + person("double2", mail="same@example.org")
    + group("Managers", ALICE) + group("board", f"cn=Managers,{GROUPS}") + group("owners", f"cn=board,{GROUPS}")
    + group("round", f"cn=trip,{GROUPS}", ALICE) + group("trip", f"cn=round,{GROUPS}")
    + group("managers", BOB, ou=f"ou=apart,{GROUPS}") + group("pay\\, and more", ZOE)
    + group("unique", BOB, kind="groupOfUniqueNames", attribute="uniqueMember")
    + DEEP + "".join(group(f"g{n:04}", f"uid=many,{PEOPLE}") for n in range(700))
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = slapd_or_skip(tmp_path_factory.mktemp("slapd"), ENTRIES)
    yield running
    running.stop()


def ldap(server, **more):
    settings = {"url": server.url, "users": PEOPLE, "groups": GROUPS, "bind_dn": f"cn=admin,{BASE}", "names": "cn"}
    return Ldap(**settings | more)


def groups(server, principal, password=PASSWORD, **more):
    return LdapGroups(ldap(server, **more), password).groups(principal)


def test_groups_are_found_and_the_groups_that_these_are_in(server):
    assert groups(server, "alice") == {"ldap:managers", "ldap:board", "ldap:owners", "ldap:round", "ldap:trip"}
    assert groups(server, "alice", nested="none") == {"ldap:managers", "ldap:round"}
    assert groups(server, "a@example.org", user_filter="(mail={principal})") == groups(server, "alice")
    assert groups(server, "nobody") == frozenset()


def test_a_short_name_is_of_the_one_group_right_below_and_a_dn_of_every_one(server):
    assert "ldap:managers" not in groups(server, "bob")  # another one of that name, elsewhere
    by_name = groups(server, "bob", names="dn", nested="none")
    assert by_name == {f"ldap:cn=managers,ou=apart,{GROUPS}", f"ldap:cn=deep0,{GROUPS}"}
    assert groups(server, "zoë", names="dn") == {f"ldap:cn=pay\\, and more,{GROUPS}"}
    assert groups(server, "zoë") == {"ldap:pay, and more"}
    unique = groups(server, "bob", members=["member", "uniqueMember"], nested="none")
    assert unique == {"ldap:unique", "ldap:deep0"}


def test_levels_and_numbers_are_bounded(server, caplog):
    assert groups(server, "bob") == {f"ldap:deep{n}" for n in range(DEEPEST)}
    assert "levels" in caplog.text
    assert len(groups(server, "many")) == 700  # more than a page


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        "a*",
        "alice)(uid=*",
        "*)(uid=*))(|(uid=*",
        "x)(|(uid=alice)",
        "\\61lice",
        "alice\\00",
        "(uid=alice)",
        "",
        "&",
    ],
)
def test_a_name_is_a_name_and_never_a_filter(server, principal):
    assert groups(server, principal) == frozenset()


def test_a_star_in_a_name_is_a_star(server):
    assert groups(server, "a*b") == frozenset() and groups(server, "aXb") == frozenset()
    assert LdapGroups(ldap(server), PASSWORD)._person is not None
    with LdapGroups(ldap(server), PASSWORD)._connected() as connection:
        assert LdapGroups(ldap(server), PASSWORD)._person(connection, "a*b") == f"uid=a*b,{PEOPLE}"


def test_of_two_people_of_one_name_nobody_is_taken(server, caplog):
    assert groups(server, "same@example.org", user_filter="(mail={principal})") == frozenset()
    assert "finds several entries" in caplog.text


@pytest.mark.parametrize(
    "more", [{"password": "wrong"}, {"users": f"ou=none,{BASE}"}, {"user_filter": "(uid={principal}"}]
)
def test_what_the_directory_refuses_is_not_taken_for_no_groups(server, more):
    with pytest.raises(DirectoryAway, match="cannot be asked"):
        groups(server, "alice", **more)


def test_the_rule_of_active_directory_finds_nothing_on_another_server_rather_than_too_much(server):
    assert groups(server, "alice", nested="in_chain") == frozenset()


def test_tls_stands_before_anything_is_said_and_its_certificate_is_verified(server, tmp_path):
    found = groups(server, "alice")
    ca = str(server.ca)
    assert groups(server, "alice", url=server.tls_url, ca_file=ca) == found
    assert groups(server, "alice", url=f"ldap://localhost:{server.port}", start_tls=True, ca_file=ca) == found
    other = str(certificates(tmp_path))
    for wrong in ({"url": server.tls_url}, {"url": server.tls_url, "ca_file": other}):
        with pytest.raises(DirectoryAway):
            groups(server, "alice", **wrong)
    with pytest.raises(DirectoryAway):
        groups(server, "alice", start_tls=True, ca_file=other)
    with pytest.raises(DirectoryAway):  # a certificate of another name: this one is of localhost and 127.0.0.1
        groups(server, "alice", url=f"ldaps://127.0.0.2:{server.tls_port}", ca_file=ca)


def test_without_tls_nobody_is_asked_off_this_machine(server, tmp_path):
    with pytest.raises(ServiceError, match="without TLS"):
        LdapGroups(ldap(server, url="ldap://dc.example.org"))
    with pytest.raises(ServiceError, match="none.pem"):
        LdapGroups(ldap(server, url=server.tls_url, ca_file=str(tmp_path / "none.pem")))


def test_a_directory_that_accepts_and_says_nothing_is_away():
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel accepts
        port = mute.getsockname()[1]
        spec = Ldap(url=f"ldap://127.0.0.1:{port}", users=PEOPLE, groups=GROUPS, timeout_seconds=1.0)
        with pytest.raises(DirectoryAway):
            LdapGroups(spec).groups("alice")


def test_while_the_directory_is_away_an_answer_counts_up_to_its_age_and_then_nobody_is_let_in(tmp_path):
    entries = folder("people") + folder("groups") + person("alice") + group("managers", ALICE)
    server = slapd_or_skip(tmp_path, entries)
    try:
        now = [0.0]
        cached = CachedGroups(LdapGroups(ldap(server), PASSWORD), 300, 30, lambda: now[0])
        checked = JwtVerifier(Issuer(*SET["keys"]).set(), WHO, Directory("sub", cached))
        alice = token(sub="alice", groups=["staff", "ldap:board", " LDAP:owners", "scim:x"])
        assert checked.caller(alice).groups == {"staff", "ldap:managers"}
        server.stop()
        now[0] = 300
        assert checked.caller(alice).groups == {"staff", "ldap:managers"}
        now[0] = 301
        with pytest.raises(Denied) as denied:
            checked.caller(alice)
        assert (denied.value.reason, denied.value.status) == ("directory_away", 503)
        with pytest.raises(Denied):
            checked.caller(token(sub="bob"))
        assert checked.caller(token(sub=None)).groups == {"staff"}  # a token that names nobody in the directory
        server.start()
        now[0] = 400
        assert checked.caller(alice).groups == {"staff", "ldap:managers"}
        with LdapGroups(ldap(server), PASSWORD)._connected() as connection:
            connection.read_only = False
            connection.delete(f"cn=managers,{GROUPS}")
        now[0] = 701
        assert checked.caller(alice).groups == {"staff"}
    finally:
        server.stop()


def test_where_the_token_left_its_groups_out_the_directory_knows_them(server):
    checked = JwtVerifier(Issuer(*SET["keys"]).set(), WHO, Directory("sub", LdapGroups(ldap(server), PASSWORD)))
    assert "ldap:managers" in checked.caller(token(groups=None, hasgroups=True, sub="alice")).groups
