"""Commands about releases: list, show, rollback, mark-bad, sign, verify, push, pull, record.

What only one of them needs is imported where it is used: sigstore to sign and verify, boto3 for the bucket of
`platform.artifacts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import DryRun, Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.screen import screen
from raftops.errors import ReleaseError, SpecError
from raftops.files import read_json
from raftops.release.current import (
    current_release,
    find_release,
    list_releases,
    mark_bad,
    previous_release,
    promote,
    read_current,
)
from raftops.release.release import SIGNING_KEY, Release, as_record
from raftops.spec.load import LoadedSpec, load_spec
from raftops.spec.model.serving import Signing

LISTED = 20
"""Documents named one by one."""
Prefix = Annotated[str, typer.Argument(help="First digits of the hash; the current one if absent.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help="What was released, and going back.", no_args_is_help=True)
    for command in (
        release_list, release_show, release_rollback, release_mark_bad, release_sign, release_verify, release_push,
        release_pull, release_record,
    ):  # fmt: skip
        group.command(command.__name__.removeprefix("release_").replace("_", "-"))(command)
    app.add_typer(group, name="release")


def release_list(spec: SpecPath, overlay: Overlays = None) -> None:
    """The releases of this assistant, newest first."""
    listed = list_releases(releases_folder(load_spec(spec, overlay or ())))
    keys = ("hash", "created", "arm", "name")
    rows = [("*" if row.get("current") else "", *(str(row.get(key, "")) for key in keys)) for row in listed]
    screen.table("releases", ("", *keys), [(r[0], r[1][:16], *r[2:]) for r in rows])
    screen.result(listed)


def release_show(
    spec: SpecPath,
    prefix: Prefix = "",
    overlay: Overlays = None,
) -> None:
    """The parts of a release and their hashes."""
    release = _named(load_spec(spec, overlay or ()), prefix)
    record = as_record(release)
    rows = [(name, digest[:16]) for name, digest in sorted(release.parts.items())]
    screen.table(f"release {release.short} ({record.get('arm', '')})", ("part", "sha256"), rows)
    screen.say(f"in {release.path}")
    screen.result(record)


def release_rollback(
    spec: SpecPath,
    prefix: Annotated[str, typer.Argument(help="Release to go back to; the one before if absent.")] = "",
    overlay: Overlays = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not mark the release that is left as bad: the next run serves it again.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Serve an earlier release again, under the access of today; a running service takes it up by itself."""
    loaded = load_spec(spec, overlay or ())
    folder = releases_folder(loaded)
    wanted = find_release(folder, prefix) if prefix else previous_release(folder)
    require_signature(loaded, wanted)
    access = import_module("raftops.release.access_changes")
    closed = access.would_reopen(folder, wanted)
    shown = {"stays_closed": [asdict(change) for change in closed]}
    if dry_run:
        screen.say(f"release {wanted.short} of {wanted.created} would be current again; nothing was changed")
        tell_closed(closed)
        screen.result({"event": "dry run", "current": wanted.hash} | shown)
        return
    left = read_current(folder)
    current = access.roll_back(folder, wanted.short if prefix else "", keep)
    screen.say(f"release {current.hash} is current again")
    tell_closed(closed)
    if left and left.hash in current.bad:
        screen.say(f"release {left.hash} is marked bad: no run serves it again; ")
        screen.say(f"  raftops release rollback SPEC {left.hash} does, raftops release mark-bad --undo forgets it")
    screen.result({"current": current.hash, "bad": dict(current.bad)} | shown)


def tell_closed(changes: Sequence[Any]) -> None:
    """Say what an earlier release would open, and that it does not."""
    if changes:
        screen.say(f"{len(changes)} of its documents were revoked or deleted since, and stay closed:")
    for change in changes[:LISTED]:
        screen.say(f"  {escape(change.doc_id)}: was open to {escape(', '.join(change.opened))}")
    if len(changes) > LISTED:
        screen.say(f"  and {len(changes) - LISTED} more")


def release_mark_bad(
    spec: SpecPath,
    prefix: Annotated[str, typer.Argument(help="First digits of the hash.")],
    why: Annotated[str, typer.Option(help="Reason, as plans and runs say it.")] = "by hand",
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark away.")] = False,
    overlay: Overlays = None,
) -> None:
    """Let no run serve a release again, unless it is rolled back to by name."""
    folder = releases_folder(load_spec(spec, overlay or ()))
    marked = find_release(folder, prefix).short
    current = mark_bad(folder, marked, "" if undo else why)
    screen.say(f"release {marked} is {'no longer ' if undo else ''}marked bad")
    screen.result({"release": marked, "bad": dict(current.bad)})


def release_sign(
    spec: SpecPath,
    prefix: Prefix = "",
    key: Annotated[
        str, typer.Option(envvar=SIGNING_KEY, help="Path of the private key (PEM) on P-256, P-384 or P-521.")
    ] = "",
    overlay: Overlays = None,
) -> None:
    """Sign a release, and its adapter on its own, by sigstore's model signing."""
    release = _named(load_spec(spec, overlay or ()), prefix)
    if not key:
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


def release_push(
    spec: SpecPath,
    prefix: Prefix = "",
    overlay: Overlays = None,
    again: Annotated[bool, typer.Option("--again", help="Send what the bucket has already, too.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Store a release, its report and the record of its run in the bucket; what is there is not sent again."""
    loaded = load_spec(spec, overlay or ())
    bucket, remote = _bucket(loaded), import_module("raftops.release.store")
    release = _named(loaded, prefix)
    if dry_run:
        files = [file for file in release.path.rglob("*") if file.is_file()]
        size, there = sum(file.stat().st_size for file in files), remote.list_remote(release.name, bucket)
        known = "; that release is there" if any(row["hash"] == release.short for row in there) else ""
        screen.say(f"{len(files)} files ({size / 1e6:.1f} MB) of release {release.short} would be stored in ")
        screen.say(f"{escape(bucket.uri)}, but for what it has already{known}; nothing was sent")
        screen.result({"event": "dry run", "release": release.hash, "files": len(files), "bytes": size})
        return
    record = _record_of(release, loaded)
    if record:
        remote.push_record(release.name, release.short, record, bucket)
    pushed = remote.push_release(release, bucket, again)
    page = remote.push_report_page(release, bucket)
    screen.say(
        f"release {pushed.hash} is in {escape(bucket.uri)}: {pushed.uploaded} files sent "
        f"({pushed.bytes / 1e6:.1f} MB), {pushed.reused} were there"
    )
    screen.result(asdict(pushed) | {"report": page})


def release_pull(
    spec: SpecPath,
    prefix: Prefix = "",
    overlay: Overlays = None,
    report_to: Annotated[
        Path | None, typer.Option(help="Fetch report and run record only, into this folder; none there: none fetched.")
    ] = None,
    serve: Annotated[bool, typer.Option("--promote", help="Make it the release that is served here.")] = False,
) -> None:
    """Fetch a release from the bucket, whole and checked, or nothing."""
    loaded = load_spec(spec, overlay or ())
    if report_to and loaded.assistant.spec.platform.artifacts is None:
        screen.say("platform.artifacts names no bucket, so there is nothing to compare with")
        screen.result({"hash": "", "report": ""})
        return
    name, bucket, remote = loaded.assistant.name, _bucket(loaded), import_module("raftops.release.store")
    if report_to:
        there = prefix or remote.list_remote(name, bucket)
        short = remote.pull_report(name, prefix, report_to, bucket) if there else ""
        shown = f"report of release {short} in {escape(str(report_to))}" if short else "no release was pushed yet"
        screen.say(shown)
        screen.result({"hash": short, "report": str(report_to) if short else ""})
        return
    release = remote.pull_release(name, prefix, releases_folder(loaded), bucket)
    if serve:
        promote(releases_folder(loaded), release.short)
    screen.say(f"release {release.short} in {escape(str(release.path))}" + (", current" if serve else ""))
    screen.result({"hash": release.short, "path": str(release.path), "current": serve})


def release_record(spec: SpecPath, overlay: Overlays = None) -> None:
    """After a run on a cluster, with its spec checked out: keep what was run, so that a plan elsewhere knows."""
    loaded = load_spec(spec, overlay or ())
    name, bucket, remote = loaded.assistant.name, _bucket(loaded), import_module("raftops.release.store")
    short = remote.find_remote(name, "", bucket)
    measured = remote.read_remote_report(name, short, bucket)
    recorded = import_module("pipelines.runs.history").record_of(loaded, dict(measured["metrics"]))
    remote.push_record(name, short, recorded, bucket)
    screen.say(f"the run behind release {short} is recorded in {escape(bucket.uri)}")
    screen.result({"hash": short})


def _bucket(loaded: LoadedSpec) -> Any:
    artifacts = loaded.assistant.spec.platform.artifacts
    if artifacts is None:
        advice = "platform: {artifacts: {uri: s3://bucket/prefix}}, in the spec or in an overlay (-f)"
        raise SpecError(f"{loaded.path}: platform.artifacts names no bucket", next_step=advice)
    return import_module("raftops.release.bucket").Bucket(artifacts)  # boto3: only where a bucket is used


def _record_of(release: Release, loaded: LoadedSpec) -> dict[str, Any] | None:
    """The newest whole run on this machine that made or kept a release."""
    runs = store_folder(loaded) / "runs"
    for path in import_module("pipelines.runs.record").run_files(runs):  # kfp: only where there are runs to look at
        record: dict[str, Any] = read_json(path)
        pointer = record.get("steps", {}).get("deploy", {}).get("artifacts", {}).get("release", "")
        ended = bool(pointer) and record.get("name") == release.name and record.get("status") == "done"
        written = Path(pointer) / "release.json"
        if ended and written.is_file() and read_json(written).get("hash") == release.hash:
            return record
    return None


def _named(loaded: LoadedSpec, prefix: str) -> Release:
    folder = releases_folder(loaded)
    return find_release(folder, prefix) if prefix else current_release(folder)
