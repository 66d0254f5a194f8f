import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from raftops.errors import ReleaseError
from raftops.release.release import open_release, write_release
from raftops.release.seal import canonical, sealed
from raftops.release.signing import sign, sign_release, signed_with, verify, verify_release
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router, Signing
from tests.service.release_files import fake_parts

PEM = serialization.Encoding.PEM


class Keys:
    """A key pair as files."""

    def __init__(self, folder, name="key", made=None):
        key = made or ec.generate_private_key(ec.SECP256R1())
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        self.private.write_bytes(key.private_bytes(PEM, form, plain))
        self.public.write_bytes(public)
        self.wanted = Signing(required=True, public_key=public.decode())


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


def made(folder, winner="raft"):
    parts = fake_parts(folder / "parts", winner=winner)
    return write_release(Deploy(), Prompt(), Router(), parts, folder / "releases")


@pytest.fixture(scope="module")
def signed(tmp_path_factory, keys):
    release = made(tmp_path_factory.mktemp("signed"))
    sign_release(release.path, keys.private)
    return release


@pytest.fixture
def copy(signed, tmp_path):
    """A copy that may be broken."""
    folder = tmp_path / signed.path.name
    shutil.copytree(signed.path, folder)
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_signed_release_is_verified_by_pem_text_and_by_file(signed, keys):
    verify_release(signed.path, keys.wanted)
    verify_release(signed.path, Signing(required=True, public_key=str(keys.public)))


def test_signing_does_not_change_the_release(signed, keys):
    assert open_release(signed.path).hash == signed.hash
    assert {"release.sig", "adapter.sig"} <= set(files(signed.path))


def test_a_base_model_has_no_adapter_to_sign(tmp_path, keys):
    release = made(tmp_path, winner="base+rag")
    assert [bundle.name for bundle in sign_release(release.path, keys.private)] == ["release.sig"]
    verify_release(release.path, keys.wanted)


def test_every_file_of_a_release_is_covered(signed, copy, keys):
    """Each file is changed, cut to nothing and removed in turn; the release's own record and both signatures too."""
    names = files(signed.path)
    assert len(names) >= 15 and "release.json" in names
    for name in names:
        path = copy / name
        before = path.read_bytes()
        for after in (before[:-1] + bytes([before[-1] ^ 1]) if before else b"x", b"", None):
            if after == before:
                continue
            path.unlink()
            if after is not None:
                path.write_bytes(after)
            if after is not None and name.endswith(".sig") and json_equal(before, after):
                continue
            with pytest.raises(ReleaseError, match=r"signature does not fit|is not signed|was not made with"):
                verify_release(copy, keys.wanted)
            path.write_bytes(before)
    verify_release(copy, keys.wanted)


def json_equal(before, after):
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["extra.json", "index/extra", ".gitignore", ".git/config", "model/adapter/.gitignore"])
def test_a_file_that_was_added_is_noticed(copy, keys, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("")
    with pytest.raises(ReleaseError, match="Extra files found"):
        verify_release(copy, keys.wanted)


def test_the_message_names_the_file_and_the_next_step(copy, keys):
    (copy / "access.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"\(Hash mismatch for 'access.json'\)$") as raised:
        verify_release(copy, keys.wanted)
    assert "raftops release sign" in raised.value.next_step and "digest" not in str(raised.value).lower()


def test_a_release_whose_hashes_were_all_made_again_is_still_refused(copy, keys):
    """Whoever can write the store can make another release, under another name; only the key's owner can sign it."""
    record = json.loads((copy / "release.json").read_text()) | {"trained_policies": []}
    made = sealed({key: value for key, value in record.items() if key not in ("hash", "seal")})
    (copy / "release.json").write_text(canonical(made))
    other = copy.rename(copy.with_name(made["hash"][:16]))
    assert open_release(other).trained_policies == frozenset()
    with pytest.raises(ReleaseError, match=r"release\.json"):
        verify_release(other, keys.wanted)


def test_a_key_may_come_as_text_as_a_pod_gets_it(copy, keys, tmp_path):
    (copy / "release.sig").unlink()
    assert not signed_with(copy, keys.private)
    sign_release(copy, keys.private.read_text())
    verify_release(copy, keys.wanted)
    assert signed_with(copy, keys.private) and signed_with(copy, keys.private.read_text())
    assert not signed_with(copy, Keys(tmp_path, "other").private)
    with pytest.raises(ReleaseError, match="^the private key: cannot sign") as refused:
        sign_release(copy, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----")
    assert "c2VjcmV0" not in str(refused.value)


def test_another_key_does_not_do(signed, copy, tmp_path, keys):
    other = Keys(tmp_path, "other")
    with pytest.raises(ReleaseError, match="does not fit|was not made with"):
        verify_release(signed.path, other.wanted)
    sign_release(copy, other.private)
    with pytest.raises(ReleaseError, match="does not fit|was not made with"):
        verify_release(copy, keys.wanted)


def test_the_signature_of_one_release_does_not_do_for_another(signed, tmp_path, keys):
    parts = fake_parts(tmp_path / "other", weights="other weights")
    other = write_release(Deploy(), Prompt(), Router(), parts, tmp_path / "releases")
    for name in ("release.sig", "adapter.sig"):
        shutil.copyfile(signed.path / name, other.path / name)
    with pytest.raises(ReleaseError, match="does not fit"):
        verify_release(other.path, keys.wanted)


def test_an_unsigned_release_says_so(tmp_path, keys):
    with pytest.raises(ReleaseError, match="is not signed"):
        verify_release(made(tmp_path).path, keys.wanted)


def test_an_adapter_is_verified_on_its_own(signed, tmp_path, keys):
    adapter = signed.path / "model" / "adapter"
    verify(adapter, signed.path / "adapter.sig", keys.wanted, ("release.sig", "adapter.sig"))
    shutil.copytree(adapter, tmp_path / "taken")
    verify(tmp_path / "taken", signed.path / "adapter.sig", keys.wanted)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_key_that_is_none_is_refused_in_words(signed, tmp_path, text):
    bad = tmp_path / "bad.pem"
    bad.write_text(text)
    with pytest.raises(ReleaseError, match="cannot sign") as raised:
        sign_release(signed.path, bad)
    assert "openssl" in raised.value.next_step
    with pytest.raises(ReleaseError, match="cannot be used"):
        verify_release(signed.path, Signing(required=True, public_key=str(bad)))


def test_a_key_that_is_missing_or_of_another_kind_is_refused(signed, tmp_path):
    with pytest.raises(ReleaseError, match="No such file"):
        sign_release(signed.path, tmp_path / "none.pem")
    other = Keys(tmp_path, "ed", ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(ReleaseError, match="cannot sign"):
        sign_release(signed.path, other.private)
    with pytest.raises(ReleaseError, match="no public key"):
        verify_release(signed.path, Signing())


def test_other_curves_of_the_standard_do_too(tmp_path):
    for curve in (ec.SECP384R1(), ec.SECP521R1()):
        keys = Keys(tmp_path, curve.name, ec.generate_private_key(curve))
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / "a").write_text("1")
        sign(tmp_path / "folder", tmp_path / "a.sig", keys.private)
        verify(tmp_path / "folder", tmp_path / "a.sig", keys.wanted)


def test_the_tool_of_sigstore_reads_our_signature(signed, keys):
    """What we write is not a form of our own: `model_signing verify key` takes it."""
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed.path), "--public_key",
               str(keys.public), "--signature", str(signed.path / "release.sig"), "--ignore-paths",
               str(signed.path / "release.sig"), "--ignore-paths", str(signed.path / "adapter.sig")]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and "succeeded" in found.stdout, found.stderr + found.stdout


def test_keys_never_reach_the_release(signed, keys):
    secret = keys.private.read_text().splitlines()[1]
    assert not any(secret.encode() in path.read_bytes() for path in Path(signed.path).rglob("*") if path.is_file())
