"""Where groups come from beside the token: how the access file spells them, and which files a spec means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftops.spec.group_names import canonical_dn, canonical_group, first_value, is_of_directory, parent_of
from raftops.spec.model.serving import Identity
from tests.spec.test_load import Refused
from tests.spec.wrong_specs import ACCESS, LDAP, VALID

DN = "cn=boss,ou=groups,dc=example,dc=org"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("ldap:CN=Boss, OU=Groups,DC=example,dc=ORG", f"ldap:{DN}"),
        ("LDAP:cn=Boss,ou=groups,dc=example,dc=org", f"ldap:{DN}"),
        ("ldap:cn=pay\\2c more,dc=x", "ldap:cn=pay\\, more,dc=x"),
        ("ldap:cn=pay\\, more,dc=x", "ldap:cn=pay\\, more,dc=x"),
        ("ldap:cn=caf\\C3\\A9,dc=x", "ldap:cn=café,dc=x"),
        ("ldap:cn=cafe\u0301,dc=x", "ldap:cn=café,dc=x"),
        ("ldap:ou=b+cn=a,dc=x", "ldap:cn=a+ou=b,dc=x"),
        ("ldap:Managers", "ldap:managers"),
        ("scim:  Shop   Managers", "scim:shop managers"),
        ("scim:a=b,c", "scim:a=b,c"),
    ],
)
def test_a_group_of_a_directory_has_one_spelling(written: str, named: str) -> None:
    assert canonical_group(written) == named and canonical_group(named) == named


@given(st.text(min_size=1))
def test_the_one_spelling_is_the_spelling_of_itself(text: str) -> None:
    for prefix in ("ldap:", "scim:", "ldap:cn=x,"):
        once = canonical_group(prefix + text)
        assert canonical_group(once) == once


@given(st.text('abc,+\\\\="<>;# ', min_size=1))
def test_no_value_is_taken_for_a_part_of_the_name(value: str) -> None:
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    dn = canonical_dn(f"cn={escaped},dc=example")
    assert parent_of(dn) == "dc=example" and first_value(f"cn={escaped},dc=example", "cn") == value


def test_prefixes_are_of_the_directory_however_they_are_written() -> None:
    assert all(map(is_of_directory, ("ldap:x", "LDAP:x", " scim:x", "Scim:")))
    assert not any(map(is_of_directory, ("ldap", "ldapx:", "staff", "https://x.example/ldap:x")))


@pytest.mark.parametrize(
    ("group", "directory", "says"),
    [
        ("ldap:Boss", f"ldap: {{{LDAP}}}", "is spelled ldap:boss when it comes"),
        ("scim:boss", f"ldap: {{{LDAP}}}", "spec.deploy.identity.directory.scim is not set"),
        ("ldap:boss", "", "spec.deploy.identity.directory.ldap is not set"),
    ],
)
def test_a_group_that_nobody_would_be_in_is_told_at_its_place(
    refused: Refused, folder: Path, group: str, directory: str, says: str
) -> None:
    (folder / "access.yaml").write_text(ACCESS.replace("managers: Managers", f'managers: M, "{group}": Boss'))
    found = f", directory: {{{directory}}}" if directory else ""
    keys = f"{{jwks: 'https://id.example/k', issuer: i, audience: a{found}}}"
    report = refused(f"{VALID}  deploy: {{identity: {keys}}}\n")
    assert "access.yaml:1:" in report and says in report


def test_files_of_an_identity_are_below_the_spec_wherever_the_service_starts(tmp_path: Path) -> None:
    token = {"secret": "s", "key": "k", "env": "T"}
    local = Identity(jwks="keys.json", dev_tokens="t.json", directory={"scim": {"token": token}}).below(tmp_path)  # type: ignore[arg-type]
    assert (local.jwks, local.dev_tokens) == (f"{tmp_path}/keys.json", f"{tmp_path}/t.json")
    assert local.directory and local.directory.scim and local.directory.scim.store == f"{tmp_path}/.raftops/scim.sqlite"
    far = Identity.model_validate(
        {
            "jwks": "https://id.example/k",
            "directory": {"ldap": {"url": "ldaps://x", "users": "ou=p", "groups": "ou=g", "ca_file": "ca.pem"}},
        }
    )
    assert far.below(tmp_path).jwks == far.jwks and far.below(tmp_path).dev_tokens == ""
    assert far.below(tmp_path).directory.ldap.ca_file == f"{tmp_path}/ca.pem"  # type: ignore[union-attr]
