"""Sign pushed images and verify them, with cosign and a key: `make sign-images`, `make verify-images`.

A signature is of a digest and lies beside the image in its registry. No transparency log is asked or told: keys of your
own need none, and the name of a private image stays private.
https://docs.sigstore.dev/cosign/key_management/signing_with_self-managed_keys/
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from raftops.errors import StepError

NO_LOG = ("--tlog-upload=false",)
NO_SERVICES = "--use-signing-config"
"""Cosign 3 takes the addresses of its public services from a signing configuration unless told not to."""


def sign_images(images: Sequence[str], key: str) -> None:
    """Sign images, each given as name@sha256:digest, with a private key: a file, or an address that cosign knows.

    Cosign reads a file's password from COSIGN_PASSWORD.

    Raises:
        StepError: cosign is not there, or could not sign an image; those before it are signed.
    """
    options = [*NO_LOG, *([f"{NO_SERVICES}=false"] if NO_SERVICES in _cosign("sign", "--help").stdout else [])]
    for image in images:
        done = _cosign("sign", "--key", key, *options, "--yes", image)
        if done.returncode:
            raise StepError(
                f"{image}: not signed: {_reason(done)}", next_step="set COSIGN_PASSWORD, log in to the registry"
            )


def verify_images(images: Sequence[str], key: str) -> None:
    """Verify that every image carries a signature by the public key's owner.

    Raises:
        StepError: cosign is not there, or images carry no good signature: all of them are named.
    """
    done = {image: _cosign("verify", "--key", key, "--insecure-ignore-tlog=true", image) for image in images}
    if bad := [f"{image}: {_reason(told)}" for image, told in done.items() if told.returncode]:
        raise StepError(
            "no good signature: " + "; ".join(bad), next_step="make sign-images KEY=cosign.key, or do not run them"
        )


def _cosign(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["cosign", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise StepError("cosign is not on the PATH", next_step="install cosign (sigstore), 2.5 or newer") from error


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Cosign's own line that says why."""
    lines = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return lines[0] if lines else f"cosign ended with exit code {done.returncode}"
