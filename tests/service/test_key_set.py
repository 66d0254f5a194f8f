"""Keys of an issuer: which are used, how old they may be, and who waits for a fetch (nobody under a lock)."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from raftops.errors import ServiceError
from raftops.service import key_set
from raftops.service.identity import Denied, JwtVerifier
from raftops.service.key_set import AGAIN_SECONDS, ALGORITHMS, FRESH_SECONDS, KeySet, KeysOutdated, usable
from raftops.spec.model.serving import Identity
from tests.service.test_identity import EC_KEY, OTHER, RSA_KEY, WHO, jwk, token

URL = "https://issuer.example/keys"


class Issuer:
    """A key set that can be changed, taken down or made to hang, and counts how often it is asked."""

    def __init__(self, *keys):
        self.keys, self.reads, self.now, self.down = list(keys) or [jwk(EC_KEY, "old")], 0, 0.0, False
        self.answers = Event()
        self.answers.set()

    def read(self):
        self.reads += 1
        self.answers.wait(30)
        if self.down:
            raise OSError("down")
        return json.dumps({"keys": self.keys}).encode()

    def set(self, max_age_seconds=3600.0):
        return KeySet(URL, self.read, lambda: self.now, max_age_seconds)


def until(condition):
    """Wait for what another thread does."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 5 s")


def test_keys_are_kept_and_new_ones_found_without_a_stranger_deciding_how_often():
    issuer = Issuer()
    keys = issuer.set()
    assert keys.find("old", "ES256") and issuer.reads == 1
    for n in range(50):
        assert keys.find(f"made-up-{n}", "ES256") == []
    assert issuer.reads == 1
    issuer.keys, issuer.now = [jwk(OTHER, "new")], AGAIN_SECONDS + 1
    assert keys.find("new", "ES256") and keys.find("old", "ES256") == [] and issuer.reads == 2


def test_an_emptied_set_is_an_answer_and_verifies_nothing():
    issuer = Issuer()
    keys = issuer.set()
    issuer.keys, issuer.now = [], FRESH_SECONDS + 1
    assert keys.find("old", "ES256") == []
    issuer.keys, issuer.now = [jwk(EC_KEY, "old")], issuer.now + AGAIN_SECONDS + 1
    assert keys.find("old", "ES256")


def test_a_withdrawn_key_is_forgotten_and_an_unreachable_issuer_is_not_fatal_for_a_while():
    issuer = Issuer()
    keys = issuer.set()
    issuer.now, issuer.down = FRESH_SECONDS + 1, True
    assert keys.find("old", "ES256")
    until(lambda: keys._fetching is None)
    assert issuer.reads == 2 and keys.find("old", "ES256") and issuer.reads == 2
    issuer.now, issuer.down, issuer.keys = issuer.now + AGAIN_SECONDS + 1, False, [jwk(OTHER, "new")]
    keys.find("old", "ES256")
    until(lambda: keys.find("old", "ES256") == [] and keys.find("new", "ES256"))


@pytest.mark.parametrize("age", [60.0, 3600.0, 11 * 86_400.0])
def test_past_its_longest_age_a_set_verifies_nobody_until_the_issuer_is_back(age):
    issuer = Issuer()
    keys = issuer.set(max_age_seconds=age)
    checked, mine = JwtVerifier(keys, WHO), token(kid="old")
    issuer.down, issuer.now = True, age
    assert checked.caller(mine)
    until(lambda: keys._fetching is None)
    issuer.now = age + 1
    with pytest.raises(Denied) as denied:
        checked.caller(mine)
    assert (denied.value.reason, denied.value.status) == ("keys_outdated", 503)
    issuer.now, issuer.down = issuer.now + AGAIN_SECONDS + 1, False
    assert checked.caller(mine)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b"[" * 100_000])
def test_what_is_no_key_set_is_no_answer(answer):
    issuer = Issuer()
    keys = issuer.set()
    issuer.read, keys._read, issuer.now = None, lambda: answer, FRESH_SECONDS + 1
    keys.find("old", "ES256")
    until(lambda: keys._fetching is None)
    assert keys.find("old", "ES256")
    issuer.now = 3601
    with pytest.raises(KeysOutdated, match="no key set came"):
        keys.find("old", "ES256")


def test_an_issuer_that_hangs_holds_nobody_whose_key_is_known_and_few_of_the_others(monkeypatch):
    monkeypatch.setattr(key_set, "WAIT_SECONDS", 20.0)
    issuer = Issuer()
    keys = issuer.set()
    issuer.answers.clear()
    issuer.now = FRESH_SECONDS + 1
    assert keys.find("old", "ES256") and keys._fetching  # answered while the fetch hangs
    assert keys.find("old", "ES256")
    waiting = [Thread(target=keys.find, args=(f"made-up-{n}", "ES256"), daemon=True) for n in range(20)]
    for thread in waiting:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in waiting) == key_set.WAITING)
    assert keys.find("old", "ES256") and issuer.reads == 2
    issuer.answers.set()
    for thread in waiting:
        thread.join(5)
    assert not any(thread.is_alive() for thread in waiting) and issuer.reads == 2


def test_after_an_idle_night_the_first_caller_is_verified_by_the_keys_of_now():
    issuer = Issuer()
    keys = issuer.set()
    issuer.now, issuer.keys = 3000, []
    assert keys.find("old", "ES256") == []


def okp(key, kid):
    return json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())) | {"kid": kid}


WEAK = rsa.generate_private_key(65537, 1024)
BAD = {
    "a shared secret": {"kty": "oct", "kid": "bad", "k": "c2VjcmV0"},
    "1024 bits": jwk(WEAK, "bad"),
    "holds its private part": jwk(EC_KEY, "bad") | {"d": "AA"},
    "curve is none of": jwk(ec.generate_private_key(ec.SECP256K1()), "bad"),
    "curve is none of P-256": okp(ed448.Ed448PrivateKey.generate(), "bad"),
    "broken": {"kty": "EC", "crv": "P-256", "kid": "bad", "x": "AA", "y": "AA"},
    "broken (": {"kty": "RSA", "kid": "bad", "x5c": ["MII"]},
    "broken (I": {"kty": "OKP", "crv": "Ed25519", "kid": "bad", "x": "AA"},
    "none of RSA, EC, OKP": {"kty": "AKP", "kid": "bad", "alg": "ML-DSA-44"},
    "not for signatures": jwk(OTHER, "bad", use="enc"),
    "not for verifying": jwk(OTHER, "bad", key_ops=["encrypt"]),
    "does not fit": jwk(OTHER, "bad", alg="RS256"),
    "id is no text": jwk(OTHER, 7),
    "no object": "key",
}


@pytest.mark.parametrize("fault", BAD)
def test_a_weak_or_broken_key_is_left_out_by_name_and_the_others_serve(fault, caplog):
    row = BAD[fault]
    keys = Issuer(row, jwk(EC_KEY, "good")).set()
    name = "'bad'" if isinstance(row, dict) and row.get("kid") == "bad" else "0"
    assert f"left out key {name}: " in caplog.text and fault.removesuffix(" (I").removesuffix(" (") in caplog.text
    assert keys.find("good", "ES256") and all(keys.find("bad", algorithm) == [] for algorithm in ALGORITHMS)
    assert usable(row)[0] is None and "c2VjcmV0" not in caplog.text


ED = ed25519.Ed25519PrivateKey.generate()
KINDS = {
    "RS256": (RSA_KEY, jwk(RSA_KEY, "k")),
    "RS512": (RSA_KEY, jwk(RSA_KEY, "k", alg="RS512")),
    "PS256": (RSA_KEY, jwk(RSA_KEY, "k", alg="PS256")),
    "ES256": (EC_KEY, jwk(EC_KEY, "k")),
    "ES384": (key := ec.generate_private_key(ec.SECP384R1()), jwk(key, "k")),
    "ES512": (key := ec.generate_private_key(ec.SECP521R1()), jwk(key, "k")),
    "EdDSA": (ED, okp(ED, "k")),
}


@pytest.mark.parametrize("algorithm", KINDS)
def test_each_kind_of_key_verifies_its_own_algorithm_and_no_other(algorithm):
    key, row = KINDS[algorithm]
    checked = JwtVerifier(Issuer(row).set(), WHO)
    assert checked.caller(token(key, "k", algorithm)).groups == {"staff"}
    for other, (another, _) in KINDS.items():
        if other != algorithm:
            with pytest.raises(Denied):
                checked.caller(token(another, "k", other))


def test_two_keys_of_one_id_are_both_tried():
    keys = Issuer(jwk(OTHER, "k"), jwk(EC_KEY, "k")).set()
    for key in (OTHER, EC_KEY):
        assert JwtVerifier(keys, WHO).caller(token(key, "k"))


@pytest.mark.parametrize("source", ["http://issuer.example/keys", "ftp://x/y", "https:///keys", "file:///etc/passwd"])
def test_keys_come_by_https_or_from_a_file(source):
    with pytest.raises(ServiceError, match="by https"):
        KeySet(source)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": []}', '{"keys": [7]}', '{"keys": [{"kty": "RSA"}]}'])
def test_a_file_that_is_no_key_set_is_named(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ServiceError, match="keys.json"):
        KeySet(str(tmp_path / "keys.json"))


@pytest.fixture
def issuer_on_loopback():
    """A real server; what it answers is set by the test."""
    answer = {"status": 200, "body": json.dumps({"keys": [jwk(EC_KEY, "k")]}).encode(), "headers": {}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/keys", answer
    server.shutdown()
    server.server_close()


def test_a_set_is_fetched_from_this_machine_and_redirects_and_floods_are_none(issuer_on_loopback, monkeypatch):
    url, answer = issuer_on_loopback
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked for what is here
    assert KeySet(url).find("k", "ES256")
    good = answer["body"]
    answer |= {"body": good + b" " * key_set.LARGEST}
    with pytest.raises(ServiceError, match="more than 1048576 bytes"):
        KeySet(url)
    answer |= {"status": 302, "body": good, "headers": {"Location": url}}
    with pytest.raises(ServiceError, match="302"):
        KeySet(url)
    answer |= {"status": 500, "headers": {}}
    with pytest.raises(ServiceError, match="500"):
        KeySet(url)


def test_a_verifier_takes_the_longest_age_from_the_spec(tmp_path, monkeypatch):
    made = {}
    monkeypatch.setattr("raftops.service.identity.KeySet", lambda source, **more: made.update(more, source=source))
    from raftops.service.identity import open_verifier

    open_verifier(Identity(jwks="x", issuer="i", audience="a", keys_max_age_seconds=120), "0.0.0.0", ())
    assert made == {"source": "x", "max_age_seconds": 120}
