"""Signatures of releases and adapters, by sigstore's model signing with an elliptic curve key, offline.

A bundle is a DSSE envelope around an in-toto statement that lists every file by its SHA-256; `model_signing verify key`
reads it too. A folder says nothing about whether it must be signed: that is told from outside (`deploy.signing`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from model_signing import hashing, signing, verifying

from raftops.errors import ReleaseError
from raftops.files import write_text
from raftops.release.release import SIGNATURES
from raftops.spec.model.serving import Signing

BUNDLE_BYTES = 16 << 20
"""Larger bundles are not read: one entry takes about 200 bytes, a release has a few dozen files."""
MAKE_KEYS = (
    "openssl ecparam -name prime256v1 -genkey -noout -out private.pem && "
    "openssl ec -in private.pem -pubout -out public.pem"
)


def sign(folder: Path, bundle: Path, key: Path, leave_out: Sequence[str] = ()) -> None:
    """Write the bundle with the signature over every file of a folder but the names in `leave_out`.

    Raises:
        ReleaseError: the key cannot be read or is of another kind.
    """
    try:
        config = signing.Config().set_hashing_config(_hashing(leave_out))
        config = config.use_elliptic_key_signer(private_key=str(key))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "not an unencrypted EC key on P-256, P-384 or P-521"
        raise ReleaseError(f"{key}: cannot sign ({reason})", next_step=MAKE_KEYS) from error
    with tempfile.TemporaryDirectory() as place:
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


def sign_release(release: Path, key: Path) -> list[Path]:
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
