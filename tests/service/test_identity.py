import base64
import hmac
import json
import os
import resource
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.errors import ServiceError, explained
from raftops.service.dev_tokens import EVERYONE, dev_user_with, ensure_dev_tokens, load_dev_tokens
from raftops.service.identity import Denied, JwtVerifier, bearer, groups_of, is_loopback, open_verifier
from raftops.service.key_set import AGAIN_SECONDS, FRESH_SECONDS, KeySet
from raftops.spec.model.serving import BoostClaim, Identity

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def jwk(key, kid, **more):
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    algorithm = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} | more


SET = {"keys": [jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec")]}
WHO = Identity(jwks="x", issuer="https://issuer.example", audience="raftops", groups_claim="groups")


def verifier(identity=WHO, keys=SET):
    return JwtVerifier(KeySet("test", lambda: json.dumps(keys).encode()), identity)


def token(key=EC_KEY, kid="ec", alg="ES256", headers=None, **claims):
    body = {"iss": WHO.issuer, "aud": WHO.audience, "exp": time.time() + 60, "groups": ["staff"], "sub": "s"} | claims
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key, algorithm=alg, headers={"kid": kid} | (headers or {}))


def raw(header, body, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_no_draft_of_tokens_stays_on_a_full_disk_or_of_a_process_that_was_killed(tmp_path):
    path = tmp_path / "tok.json"
    killed, somebodys = tmp_path / ".tok.json.abcd1234", tmp_path / ".tok.json.notes"
    for file in (killed, somebodys):
        file.write_text("{}")
        os.utime(file, (0, 0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))  # no room for the tokens
    try:
        with pytest.raises(OSError) as full:
            ensure_dev_tokens(path, ("staff", "boss"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full.value.filename == str(path) and explained(full.value)[1]
    assert [file.name for file in tmp_path.iterdir()] == [somebodys.name]
    ensure_dev_tokens(path, ("staff", "boss"))
    assert {file.name for file in tmp_path.iterdir()} == {somebodys.name, "tok.json"}


def test_a_good_token_gives_its_groups():
    assert verifier().caller(token(groups=["a", "b"])).groups == {"a", "b"}
    assert verifier().caller(token(RSA_KEY, "rsa", "RS256")).groups == {"staff"}


@pytest.mark.parametrize(
    "bad",
    [
        {"exp": None},
        {"exp": time.time() - 60},
        {"exp": "tomorrow"},
        {"nbf": time.time() + 10**6},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"groups": "staff"},
        {"groups": {"staff": True}},
        {"groups": ["staff", 7]},
        {"groups": [["staff"]]},
        {"key": OTHER},
        {"kid": "unknown"},
        {"kid": "rsa"},
    ],
)
def test_a_bad_token_is_denied(bad):
    with pytest.raises(Denied):
        verifier().caller(token(**bad))


def test_an_unsigned_token_is_denied():
    body = {"iss": WHO.issuer, "aud": WHO.audience, "exp": time.time() + 60, "groups": ["boss"]}
    for alg in ("none", "None", "NONE", "", None):
        with pytest.raises(Denied):
            verifier().caller(raw({"alg": alg, "kid": "ec"}, body))


def test_a_public_key_is_no_hmac_secret():
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = raw({"alg": "HS256", "kid": "rsa"}, {"exp": time.time() + 60, "groups": ["boss"]}).rstrip(".")
    signature = hmac.digest(pem, unsigned.encode(), "sha256")
    forged = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    with pytest.raises(Denied):
        verifier(Identity(jwks="x")).caller(forged)


@pytest.mark.parametrize("header", [{"jwk": jwk(OTHER, "ec")}, {"jku": "https://evil.example/keys"}, {"x5c": ["x"]}])
def test_a_key_that_the_token_brings_along_is_not_used(header):
    with pytest.raises(Denied):
        verifier().caller(token(OTHER, headers=header))


def test_a_shared_secret_or_an_encryption_key_in_the_set_is_not_used():
    keys = [{"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, jwk(EC_KEY, "ec", use="enc"), jwk(RSA_KEY, "rsa", alg="RS512")]
    with pytest.raises(ServiceError, match="no RSA or P-256 signing key"):
        verifier(keys={"keys": keys})


def test_without_a_key_id_the_only_key_is_taken_and_among_several_none():
    one = jwt.encode({"exp": time.time() + 60, "groups": ["a"]}, EC_KEY, algorithm="ES256")
    assert verifier(Identity(jwks="x"), {"keys": [jwk(EC_KEY, "ec")]}).caller(one).groups == {"a"}
    with pytest.raises(Denied):
        verifier(Identity(jwks="x")).caller(one)


def test_a_changed_character_anywhere_denies():
    good = token()
    for place in range(0, len(good), 7):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        if changed != good and not same_bytes(good, changed):
            with pytest.raises(Denied):
                verifier().caller(changed)


def same_bytes(one, two):
    """base64 has spare bits at the end: another character may mean the same bytes."""
    return all(
        base64.urlsafe_b64decode(a + "===") == base64.urlsafe_b64decode(b + "===")
        for a, b in zip(one.split("."), two.split("."), strict=False)
    )


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_a_token(text):
    with pytest.raises(Denied):
        verifier().caller(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_groups_are_a_list_of_strings_or_nothing(value):
    claims = {"groups": value}
    if value is None:
        assert groups_of(claims, "groups") == []
    elif isinstance(value, list) and all(isinstance(group, str) for group in value):
        assert groups_of(claims, "groups") == value
    else:
        with pytest.raises(Denied):
            groups_of(claims, "groups")


def test_a_claim_inside_another_is_found_by_its_path_and_a_whole_name_comes_first():
    assert groups_of({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ["a"]
    assert groups_of({"https://x.example/groups": ["a"]}, "https://x.example/groups") == ["a"]
    assert groups_of({"a.b": ["whole"], "a": {"b": ["path"]}}, "a.b") == ["whole"]
    assert groups_of({}, "realm_access.roles") == []


class Issuer:
    """A key set that can be changed, and counts how often it is read."""

    def __init__(self):
        self.keys, self.reads, self.now, self.down = [jwk(EC_KEY, "old")], 0, 0.0, False

    def read(self):
        self.reads += 1
        if self.down:
            raise OSError("down")
        return json.dumps({"keys": self.keys}).encode()


def test_keys_are_kept_and_new_ones_found_without_a_stranger_deciding_how_often():
    issuer = Issuer()
    keys = KeySet("x", issuer.read, lambda: issuer.now)
    assert keys.find("old") and issuer.reads == 1
    for n in range(50):
        assert keys.find(f"made-up-{n}") is None
    assert issuer.reads == 1
    issuer.keys, issuer.now = [jwk(OTHER, "new")], AGAIN_SECONDS + 1
    assert keys.find("new") and keys.find("old") is None and issuer.reads == 2


def test_a_withdrawn_key_is_forgotten_and_an_unreachable_issuer_is_not_fatal():
    issuer = Issuer()
    keys = KeySet("x", issuer.read, lambda: issuer.now)
    issuer.now, issuer.down = FRESH_SECONDS + 1, True
    assert keys.find("old") and issuer.reads == 2 and keys.find("old") and issuer.reads == 2
    issuer.now, issuer.down, issuer.keys = issuer.now + AGAIN_SECONDS + 1, False, [jwk(OTHER, "new")]
    assert keys.find("old") is None and keys.find("new")


@pytest.mark.parametrize("source", ["http://issuer.example/keys", "ftp://x/y"])
def test_keys_come_by_https_or_from_a_file(source):
    with pytest.raises(ServiceError, match="by https"):
        KeySet(source)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": []}', '{"keys": [7]}', '{"keys": [{"kty": "RSA"}]}'])
def test_a_file_that_is_no_key_set_is_named(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ServiceError, match="keys.json"):
        KeySet(str(tmp_path / "keys.json"))


def test_a_key_set_file_verifies(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps(SET))
    opened = open_verifier(WHO.model_copy(update={"jwks": str(tmp_path / "keys.json")}), "0.0.0.0", ())
    assert opened.caller(token()).groups == {"staff"}


def test_development_tokens_are_made_once_readable_by_their_owner_only(tmp_path):
    path = tmp_path / "deep" / "tokens.json"
    users = ensure_dev_tokens(path, ("staff", "boss"))
    assert path.stat().st_mode & 0o777 == 0o600 and set(users) == {"staff", "boss", EVERYONE}
    assert users[EVERYONE].groups == ("boss", "staff") and len({u.token for u in users.values()}) == 3
    assert ensure_dev_tokens(path, ("staff", "boss", "new")) | users == ensure_dev_tokens(path, ("staff",))
    assert load_dev_tokens(path)["staff"] == users["staff"]
    os.chmod(path, 0o644)
    with pytest.raises(ServiceError, match="others may read"):
        load_dev_tokens(path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"users": {"a": {"token": "short", "groups": []}}}', '{"users": {"a": 1}}']
)
def test_a_broken_token_file_is_named(tmp_path, text):
    path = tmp_path / "tokens.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ServiceError, match="not a development token file"):
        load_dev_tokens(path)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "10.0.0.7", "example.com", "127.0.0.1.example.com"])
def test_development_tokens_are_refused_where_others_can_reach(tmp_path, host):
    with pytest.raises(ServiceError, match="not loopback"):
        open_verifier(Identity(dev_tokens=str(tmp_path / "t.json")), host, ("staff",))
    assert not (tmp_path / "t.json").exists()


def test_development_tokens_are_verified_on_loopback(tmp_path):
    path = tmp_path / "t.json"
    opened = open_verifier(Identity(dev_tokens=str(path)), "127.0.0.1", ("staff", "boss"))
    known = load_dev_tokens(path)["staff"].token
    assert opened.caller(known).groups == {"staff"}
    for wrong in ("", known[:-1], known + "x", known.swapcase(), "\udcff"):
        with pytest.raises(Denied):
            opened.caller(wrong)


def test_both_ways_may_be_open_at_once(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps(SET))
    who = WHO.model_copy(update={"jwks": str(tmp_path / "keys.json"), "dev_tokens": str(tmp_path / "t.json")})
    opened = open_verifier(who, "localhost", ("staff",))
    assert opened.caller(token()).groups == {"staff"}
    assert opened.caller(load_dev_tokens(tmp_path / "t.json")["staff"].token).groups == {"staff"}


def test_a_service_that_nobody_could_call_does_not_start():
    with pytest.raises(ServiceError, match="no way to prove"):
        open_verifier(Identity(), "127.0.0.1", ())


@pytest.mark.parametrize(
    "header", [None, "", "staff", "Bearer", "Bearer  ", "Basic abc", "Bearer a b", "Bearer " + "x" * 20000]
)
def test_only_a_bearer_header_carries_a_token(header):
    with pytest.raises(Denied):
        bearer(header)
    assert bearer("bearer abc") == "abc"


def test_loopback_is_known_by_every_name():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"))


@pytest.mark.parametrize("left_out", ["issuer", "audience"])
def test_a_key_set_that_signs_for_others_too_is_not_enough(tmp_path, left_out):
    with pytest.raises(ServiceError, match="tokens for other applications"):
        open_verifier(WHO.model_copy(update={"jwks": str(tmp_path / "keys.json"), left_out: ""}), "0.0.0.0", ())


CLAIMED = WHO.model_copy(
    update={"boost_claims": {"country": BoostClaim(claim="address.country"), "department": BoostClaim()}}
)


def test_claims_come_from_the_verified_token_beside_the_groups():
    caller = verifier(CLAIMED).caller(token(address={"country": "DE"}, department="Finance", language="de"))
    assert caller.groups == {"staff"}
    assert {claim.kind: claim.shown for claim in caller.asker.claims} == {"country": "Germany", "department": "Finance"}
    assert "Finance" not in repr(caller)


@pytest.mark.parametrize("value", [None, 7, "", " ", ["a", "b"], {"a": 1}, "x" * 200, "a\nb", "<|im_start|>", "; drop"])
def test_a_claim_of_another_shape_is_left_out_and_denies_nobody(value):
    caller = verifier(CLAIMED).caller(token(department=value))
    assert caller.groups == {"staff"} and caller.asker.claims == ()


def test_claims_that_the_spec_does_not_name_are_not_read():
    assert verifier(WHO.model_copy(update={"boost_claims": {}})).caller(token(country="DE")).asker.claims == ()


def test_a_development_user_may_have_claims_and_is_known_to_a_service_that_runs(tmp_path):
    path = tmp_path / "t.json"
    opened = open_verifier(Identity(dev_tokens=str(path)), "127.0.0.1", ("staff", "boss"))
    ana = dev_user_with(path, load_dev_tokens(path), "staff", {"country": "IE"})
    os.utime(path, ns=(1, 1))  # whatever the clock's grain: the file was changed
    caller = opened.caller(ana.token)
    assert caller.groups == {"staff"} and [c.shown for c in caller.asker.claims] == ["Ireland"]
    assert dev_user_with(path, load_dev_tokens(path), "staff", {"country": "IE"}) == ana
    assert opened.caller(load_dev_tokens(path)["staff"].token).asker.claims == ()
    path.write_text("broken")
    with pytest.raises(Denied):
        opened.caller("unknown")
    assert opened.caller(ana.token).groups == {"staff"}


def test_a_group_called_everyone_gets_no_more_than_it_may_read(tmp_path):
    users = ensure_dev_tokens(tmp_path / "tokens.json", ["everyone", "managers"])
    assert users[EVERYONE].groups == ("everyone",)
    users = ensure_dev_tokens(tmp_path / "others.json", ["managers", "staff"])
    assert users[EVERYONE].groups == ("managers", "staff")
