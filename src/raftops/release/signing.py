"""Signatures of releases and adapters, by sigstore's model signing with an elliptic curve key, offline.

A bundle is a DSSE envelope around an in-toto statement that lists every file by its SHA-256; `model_signing verify key`
reads it too. A folder says nothing about whether it must be signed: that is told from outside (`deploy.signing`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from model_signing import hashing, signing, verifying

from raftops.errors import ReleaseError
from raftops.files import write_text
from raftops.release.seal import SIGNATURES
from raftops.spec.model.serving import Signing

BUNDLE_BYTES = 16 << 20
"""Larger bundles are not read: one entry takes about 200 bytes, a release has a few dozen files."""
MAKE_KEYS = (
    "openssl ecparam -name prime256v1 -genkey -noout -out private.pem && "
    "openssl ec -in private.pem -pubout -out public.pem"
)


def sign(folder: Path, bundle: Path, key: Path | str, leave_out: Sequence[str] = ()) -> None:
    """Write the bundle with the signature over every file of a folder but the names in `leave_out`.

    Raises:
        ReleaseError: the key cannot be read or is of another kind.
    """
    with tempfile.TemporaryDirectory() as place:
        try:
            config = signing.Config().set_hashing_config(_hashing(leave_out))
            config = config.use_elliptic_key_signer(private_key=str(_key_file(key, Path(place))))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise _unusable(key, error) from error
        made = Path(place, bundle.name)
        config.sign(str(folder), str(made))
        write_text(bundle, made.read_text(encoding="utf-8"))


def verify(folder: Path, bundle: Path, wanted: Signing, leave_out: Sequence[str] = ()) -> None:
    """Check that the key's owner signed every file of the folder as it is, and no other.

    Raises:
        ReleaseError: there is no signature, it is another key's, or a file was changed, added or removed.
    """
    again = "raftops release sign, or roll back to a release that is signed"
    if not bundle.is_file():
        raise ReleaseError(f"{folder}: is not signed", next_step=again)
    if bundle.stat().st_size > BUNDLE_BYTES:
        raise ReleaseError(f"{bundle}: is not a signature (larger than {BUNDLE_BYTES >> 20} MiB)", next_step=again)
    with tempfile.TemporaryDirectory() as place:
        config = _verifier(_public_key(wanted, Path(place)), leave_out)
        try:
            config.verify(str(folder), str(bundle))
        except InvalidSignature as error:
            raise ReleaseError(f"{bundle}: was not made with the private key of this public key",
                               next_step=again) from error  # fmt: skip
        except Exception as error:  # the bundle is foreign bytes: whatever its parser makes of them, it is refused
            raise ReleaseError(
                f"{folder}: the signature does not fit ({_first_line(error)})", next_step=again
            ) from error


def sign_release(release: Path, key: Path | str) -> list[Path]:
    """Sign a release, and its adapter on its own, for whoever takes only that; returns the bundles.

    Raises:
        ReleaseError: the key cannot be read or is of another kind.
    """
    signed = dict(_signed_folders(release))
    for bundle, folder in signed.items():
        sign(folder, bundle, key, SIGNATURES)
    return list(signed)


def verify_release(release: Path, wanted: Signing) -> None:
    """Check both signatures of a release.

    Raises:
        ReleaseError: there is none, it is another key's, or a file was changed, added or removed.
    """
    for bundle, folder in _signed_folders(release):
        verify(folder, bundle, wanted, SIGNATURES)


def signed_with(release: Path, key: Path | str) -> bool:
    """Whether a release has a good signature by this private key's owner.

    Raises:
        ReleaseError: the key cannot be read or is of another kind.
    """
    try:
        text = key if _is_pem(key) else Path(key).read_text(encoding="ascii")
        private = load_pem_private_key(str(text).encode(), None)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(key, error) from error
    try:
        verify_release(release, Signing(required=True, public_key=public.decode()))
    except ReleaseError:
        return False
    return True


def _is_pem(key: Path | str) -> bool:
    """Whether this is a key itself, as a pod gets it from a secret, and not the path of one."""
    return isinstance(key, str) and key.lstrip().startswith("-----BEGIN ")


def _key_file(key: Path | str, place: Path) -> Path:
    """The private key as a file, which the library asks for; in a folder of our own, readable by us alone."""
    if not _is_pem(key):
        return Path(key)
    file = place / "private.pem"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
        opened.write(f"{str(key).strip()}\n")
    return file


def _unusable(key: Path | str, error: Exception) -> ReleaseError:
    """The key in words, without its text."""
    reason = getattr(error, "strerror", None) or "not an unencrypted EC key on P-256, P-384 or P-521"
    named = "the private key" if _is_pem(key) else key
    return ReleaseError(f"{named}: cannot sign ({reason})", next_step=MAKE_KEYS)


def _signed_folders(release: Path) -> Iterator[tuple[Path, Path]]:
    """Bundle and folder of the whole release, and of its adapter where it has one."""
    whole, alone = SIGNATURES
    yield release / whole, release
    if (adapter := release / "model" / "adapter").is_dir():
        yield release / alone, adapter


def _hashing(leave_out: Sequence[str]) -> hashing.Config:
    """Every file counts, also those of git, which are left out by default."""
    return hashing.Config().set_ignored_paths(paths=list(leave_out), ignore_git_paths=False)


def _verifier(key: Path, leave_out: Sequence[str]) -> verifying.Config:
    config = verifying.Config().set_hashing_config(_hashing(leave_out))
    try:
        return config.use_elliptic_key_verifier(public_key=str(key))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "not an EC key on P-256, P-384 or P-521"
        raise ReleaseError(f"the public key cannot be used ({reason})", next_step="check deploy.signing") from error


def _public_key(wanted: Signing, place: Path) -> Path:
    """The public key as a file."""
    text = wanted.public_key.strip()
    if not text:
        raise ReleaseError("no public key to verify signatures with", next_step="set deploy.signing.public_key")
    if not text.startswith("-----BEGIN "):
        return Path(text)
    write_text(place / "public.pem", text + "\n")
    return place / "public.pem"


def _first_line(error: Exception) -> str:
    """What the library says, without the digests that it prints as Python values."""
    said = (str(error).splitlines() or [""])[0].partition(": Expected")[0].replace("\\'", "'")
    said = said.removeprefix("Signature mismatch: ").lstrip("[\"'").rstrip(']"')
    return said[:300] or type(error).__name__
