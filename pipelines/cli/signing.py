"""Commands that sign and verify releases. sigstore is imported when something is signed or verified, not before."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.authoring import Overlays, SpecPath, releases_folder
from pipelines.cli.screen import screen
from raftops.errors import ReleaseError
from raftops.release.current import current_release, find_release
from raftops.release.release import SIGNING_KEY, Release
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.serving import Signing

Prefix = Annotated[str, typer.Argument(help="First digits of the hash; the current one if absent.")]


def release_sign(
    spec: SpecPath,
    prefix: Prefix = "",
    key: Annotated[
        Path | None, typer.Option(envvar=SIGNING_KEY, help="Private key (PEM) on P-256, P-384 or P-521.")
    ] = None,
    overlay: Overlays = None,
) -> None:
    """Sign a release, and its adapter on its own, by sigstore's model signing."""
    release = _named(load_spec(spec, overlay or ()), prefix)
    if key is None:
        made = import_module("raftops.release.signing").MAKE_KEYS
        raise ReleaseError("no private key", next_step=f"set {SIGNING_KEY} or --key; a new one: {made}")
    bundles = import_module("raftops.release.signing").sign_release(release.path, key)
    screen.say(f"release {release.short} is signed: {', '.join(bundle.name for bundle in bundles)} in {release.path}")
    screen.result({"release": release.hash, "signatures": [str(bundle) for bundle in bundles]})


def release_verify(
    spec: SpecPath,
    prefix: Prefix = "",
    key: Annotated[Path | None, typer.Option("--public-key", help="Public key (PEM); the spec's if absent.")] = None,
    overlay: Overlays = None,
) -> None:
    """Check that a release is what the owner of the key signed."""
    loaded = load_spec(spec, overlay or ())
    release = _named(loaded, prefix)
    wanted = Signing(required=True, public_key=str(key)) if key else _resolved(loaded)
    import_module("raftops.release.signing").verify_release(release.path, wanted)
    screen.say(f"release {release.short} is signed, and every file of it is as it was signed")
    screen.result({"release": release.hash, "verified": True})


def signing_of(loaded: LoadedSpec) -> Signing | None:
    """What the service must require, with the key's place made absolute; None where it requires nothing."""
    return _resolved(loaded) if loaded.assistant.spec.deploy.signing.required else None


def require_signature(loaded: LoadedSpec, release: Release) -> None:
    """Refuse a release without a good signature where the spec asks for one."""
    if wanted := signing_of(loaded):
        import_module("raftops.release.signing").verify_release(release.path, wanted)


def _resolved(loaded: LoadedSpec) -> Signing:
    signing = loaded.assistant.spec.deploy.signing
    if not signing.public_key or signing.public_key.lstrip().startswith("-----BEGIN "):
        return signing
    return signing.model_copy(update={"public_key": str(loaded.root / signing.public_key)})


def _named(loaded: LoadedSpec, prefix: str) -> Release:
    folder = releases_folder(loaded)
    return find_release(folder, prefix) if prefix else current_release(folder)
