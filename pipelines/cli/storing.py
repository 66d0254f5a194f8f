"""Commands about the bucket of `platform.artifacts`: release push, pull, record."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.cli.authoring import Overlays, SpecPath, releases_folder, store_folder
from pipelines.cli.screen import screen
from raftops.errors import SpecError
from raftops.files import read_json
from raftops.release.current import current_release, find_release, promote
from raftops.release.release import Release
from raftops.spec.load import LoadedSpec, load_spec

Prefix = Annotated[str, typer.Argument(help="First digits of the hash; the current one if absent.")]


def release_push(
    spec: SpecPath,
    prefix: Prefix = "",
    overlay: Overlays = None,
    again: Annotated[bool, typer.Option("--again", help="Send what the bucket has already, too.")] = False,
) -> None:
    """Store a release, its report and the record of its run in the bucket; what is there is not sent again."""
    loaded = load_spec(spec, overlay or ())
    bucket, remote = _bucket(loaded), import_module("raftops.release.store")
    folder = releases_folder(loaded)
    release = find_release(folder, prefix) if prefix else current_release(folder)
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
    for path in sorted(runs.glob("*/run.json"), reverse=True):
        record: dict[str, Any] = read_json(path)
        pointer = record.get("steps", {}).get("deploy", {}).get("artifacts", {}).get("release", "")
        written = Path(pointer) / "release.json"
        ended = record.get("name") == release.name and record.get("status") == "done"
        if ended and written.is_file() and read_json(written).get("hash") == release.hash:
            return record
    return None
