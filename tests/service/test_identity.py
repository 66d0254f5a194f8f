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
from raftops.service.identity import TRIED_KEYS, Denied, JwtVerifier, bearer, groups_of, is_loopback, open_verifier
from raftops.service.key_set import KeySet
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
    # by the signer below `jwt.encode`, which would refuse to write what other issuers do
    return jwt.PyJWS().encode(json.dumps(body).encode(), key, algorithm=alg, headers={"kid": kid} | (headers or {}))


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
    keys = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        jwk(EC_KEY, "ec", use="enc"),
        jwk(RSA_KEY, "rsa", alg="RSA1_5"),
    ]
    with pytest.raises(ServiceError, match="no usable signing key.*'ec': not for signatures"):
        verifier(keys={"keys": keys})


def nameless(key):
    """A key of a set without an id, and a token of it without one (RFC 7515, 4.1.4: both are optional)."""
    row = {name: value for name, value in jwk(key, "x").items() if name != "kid"}
    return row, jwt.encode({"exp": time.time() + 60, "groups": ["a"]}, key, algorithm="ES256")


def test_without_a_key_id_every_key_that_fits_is_tried_and_no_other():
    (one, of_one), (two, of_two) = nameless(EC_KEY), nameless(OTHER)
    for keys in ([one], [one, two], [two, one], [jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec")]):
        assert verifier(Identity(jwks="x"), {"keys": keys}).caller(of_one).groups == {"a"}
    assert verifier(Identity(jwks="x"), {"keys": [one, two]}).caller(of_two).groups == {"a"}
    with pytest.raises(Denied, match="invalid"):
        verifier(Identity(jwks="x"), {"keys": [two]}).caller(of_one)
    with pytest.raises(Denied, match="unknown"):
        verifier(Identity(jwks="x"), {"keys": [jwk(RSA_KEY, "rsa")]}).caller(of_one)


def test_a_token_is_tried_on_a_bounded_number_of_keys():
    others = [nameless(ec.generate_private_key(ec.SECP256R1()))[0] for _ in range(TRIED_KEYS)]
    mine, of_mine = nameless(EC_KEY)
    with pytest.raises(Denied):
        verifier(Identity(jwks="x"), {"keys": [*others, mine]}).caller(of_mine)
    assert verifier(Identity(jwks="x"), {"keys": [*others[1:], mine]}).caller(of_mine)


@pytest.mark.parametrize(("subject", "name"), [("s", "s"), (123, "123"), (0, "0"), (True, ""), (1.5, ""), ([1], "")])
def test_a_subject_that_is_no_text_locks_nobody_out(subject, name):
    caller = verifier().caller(token(sub=subject))
    assert caller.groups == {"staff"}
    assert (json.loads(caller.principal) == [WHO.issuer, name]) is bool(name)
    assert verifier().caller(token(jti=7)).groups == {"staff"}


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"aud": ["other", "raftops"]}, True),
        ({"aud": ["other"]}, False),
        ({"aud": []}, False),
        ({"aud": {"raftops": 1}}, False),
        ({"iss": [WHO.issuer]}, False),
        ({"iat": lambda: time.time() + 5}, True),
        ({"iat": lambda: time.time() + 3600}, False),
        ({"nbf": lambda: time.time() + 5}, True),
        ({"nbf": lambda: time.time() + 3600}, False),
        ({"exp": lambda: time.time() - 5}, True),
        ({"exp": lambda: time.time() - 30}, False),
        ({"exp": float("inf")}, False),
        ({"exp": float("nan")}, False),
        ({"iat": "yesterday"}, False),
    ],
)
def test_times_may_differ_by_the_leeway_and_an_audience_may_be_one_of_several(claims, good):
    claims = {name: value() if callable(value) else value for name, value in claims.items()}  # not at collection
    if good:
        assert verifier().caller(token(**claims)).groups == {"staff"}
    else:
        with pytest.raises(Denied):
            verifier().caller(token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}},
        {"hasgroups": True},
        {"hasgroups": "true"},
        {"groups:src1": "https://graph.example"},
    ],
)
def test_groups_that_were_left_out_for_their_number_are_said_and_not_taken_for_none(claims, caplog):
    with pytest.raises(Denied, match="the token carries no groups") as denied:
        verifier().caller(token(groups=None, **claims))
    assert (denied.value.reason, denied.value.status) == ("groups_overage", 403)
    assert "groups overage: the token carries no groups" in caplog.text
    assert verifier().caller(token(groups=["staff"], **claims)).groups == {"staff"}


def test_no_groups_at_all_is_no_overage():
    for claims in ({}, {"hasgroups": False}, {"_claim_names": {"roles": "src1"}}, {"_claim_names": ["groups"]}):
        assert verifier().caller(token(groups=None, **claims)).groups == frozenset()


def test_an_overage_is_logged_now_and_then_and_counted_each_time(caplog):
    checked = verifier()
    for _ in range(20):
        with pytest.raises(Denied):
            checked.caller(token(groups=None, hasgroups=True))
    assert caplog.text.count("groups overage") == 1


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


def test_a_claim_inside_another_is_found_by_its_path_and_two_that_differ_are_refused():
    assert groups_of({"realm_access": {"roles": ["a"]}}, "realm_access.roles") == ["a"]
    assert groups_of({"https://x.example/groups": ["a"]}, "https://x.example/groups") == ["a"]
    assert groups_of({"a.b": ["same"], "a": {"b": ["same"]}}, "a.b") == ["same"]
    assert groups_of({"a.b": ["whole"]}, "a.b") == ["whole"]
    assert groups_of({}, "realm_access.roles") == []
    with pytest.raises(Denied):
        groups_of({"a.b": ["whole"], "a": {"b": ["path"]}}, "a.b")
    with pytest.raises(Denied):
        groups_of({"a.b": [], "a": {"b": ["path"]}}, "a.b")


def test_a_key_set_file_verifies(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps(SET))
    opened = open_verifier(WHO.model_copy(update={"jwks": str(tmp_path / "keys.json")}), "0.0.0.0", ())
    assert opened.caller(token()).groups == {"staff"}


def test_development_tokens_are_made_once_readable_by_their_owner_only(tmp_path):
    path = tmp_path / "deep" / "tokens.json"
    users = ensure_dev_tokens(path, ("staff", "boss"))
    assert path.stat().st_mode & 0o777 == 0o600 and set(users) == {"staff", "boss", EVERYONE}
    assert users[EVERYONE].groups == ("boss", "staff") and len({u.token for u in users.values()}) == 3
    more = ensure_dev_tokens(path, ("staff", "boss", "new"))
    assert {name: user.token for name, user in (more | users).items()} == {n: u.token for n, u in more.items()}
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
    "header",
    ["", "staff", "Bearer", "Bearer  ", "Basic abc", "Bearer a b", "Bearer a,b", "Bearer\ta", "Bearer " + "x" * 20000],
)
def test_only_a_bearer_header_carries_a_token(header):
    with pytest.raises(Denied):
        bearer([header])
    with pytest.raises(Denied, match="missing"):
        bearer([])
    assert bearer(["bearer abc"]) == "abc"


def test_of_two_authorization_headers_none_is_taken_even_where_they_agree():
    for headers in (["Bearer a", "Bearer b"], ["Bearer a", "Bearer a"], ["", "Bearer a"], ["Basic x", "Bearer a"]):
        with pytest.raises(Denied) as denied:
            bearer(headers)
        assert (denied.value.reason, denied.value.status) == ("ambiguous", 400)


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


def test_who_is_in_every_group_follows_the_groups_and_keeps_the_token(tmp_path):
    path = tmp_path / "tokens.json"
    old = ensure_dev_tokens(path, ("staff", "boss"))
    abroad = dev_user_with(path, old, EVERYONE, {"country": "IE"})
    for groups, member in ((("staff", "new"), ("new", "staff")), (("staff", EVERYONE), (EVERYONE,))):
        ensure_dev_tokens(path, groups)
        now = load_dev_tokens(path)
        assert now[EVERYONE].groups == now["everyone country=IE"].groups == member
        assert (now[EVERYONE].token, now["everyone country=IE"].token) == (old[EVERYONE].token, abroad.token)
        assert now["boss"] == old["boss"], "what somebody else may read is not changed here"
