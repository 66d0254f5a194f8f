"""Releases in a bucket: pushed and pulled whole, each content once, every byte checked by its hash.

`objects/ab/abc...` holds contents by SHA-256; `releases/<name>/<hash>.json` lists the files of a release and is written
last, so that a release that is half pushed is not seen; `releases/<name>/current` says which one was pushed last.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from raftops.errors import ReleaseError, StorageError
from raftops.files import link_or_copy, read_json, read_jsonl, sha256_json
from raftops.release.parts import BESIDE, digest_of, without_links
from raftops.release.parts import RUN as RUN_LINKS
from raftops.release.release import Release, open_release
from raftops.release.seal import HASH_DIGITS, NAME, RECORD, is_inside, read_record
from raftops.spec.model.platform import Artifacts

if TYPE_CHECKING:
    from raftops.release.bucket import Bucket

CURRENT = "current"
REPORT = "report/"
RUN = "run.json"


@dataclass(frozen=True)
class Pushed:
    """What a push sent."""

    hash: str
    uploaded: int
    """Files sent."""
    reused: int
    """Files whose content was there."""
    bytes: int
    """Bytes sent."""


def push_release(release: Release, bucket: Bucket, again: bool = False) -> Pushed:
    """Store a release and make it the bucket's current one. What is there already is not sent `again`.

    Raises:
        StorageError: the storage refuses. What was sent stays, unseen, and is not sent a second time.
    """
    present = (path for path in release.path.rglob("*") if path.is_file())
    files = {path.relative_to(release.path).as_posix(): digest_of(path) for path in present}
    sent = {
        digest: release.path / name
        for name, digest in sorted(files.items())
        if bucket.put(_object(digest), release.path / name, digest, again)
    }
    _put_json(bucket, _manifest(release.name, release.short), {"hash": release.hash, "files": files})
    before = _current(release.name, bucket).get("hash", "")
    if before != release.short:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        body = {"hash": release.short, "previous": before, "pushed": now}
        _put_json(bucket, f"releases/{release.name}/{CURRENT}", body)
    size = sum(path.stat().st_size for path in sent.values())
    return Pushed(release.short, len(sent), len(files) - len(sent), size)


def keep(artifacts: Mapping[str, Any] | None, pointer: Path) -> None:
    """Push what the deploy step released, where the spec says so; `pointer` is the step's artifact."""
    if artifacts:
        bucket = import_module("raftops.release.bucket").Bucket(Artifacts(**artifacts))  # boto3: only where it is used
        release = open_release(Path(read_json(pointer / RECORD)["path"]))
        push_release(release, bucket)
        push_report_page(release, bucket)


def pull_release(name: str, prefix: str, releases: Path, bucket: Bucket) -> Release:
    """Fetch a release, the bucket's current one if no `prefix` of its hash is given; it appears whole or not at all.

    Raises:
        StorageError: there is none, or an object is not what its hash says.
        ReleaseError: the files are not a release.
    """
    short = find_remote(name, prefix, bucket)
    target = releases / short
    if target.is_dir():
        return open_release(target)
    files = _files(name, short, bucket)
    releases.mkdir(parents=True, exist_ok=True)
    here = _contents(releases)
    draft = Path(tempfile.mkdtemp(dir=releases, prefix=".draft-"))
    try:
        _fetch(files, draft, bucket, here)
        if open_release(draft).short != short:
            raise StorageError(f"{bucket.uri}/{_manifest(name, short)}: lists another release", next_step=_PUSH)
        draft.chmod(0o755)
        try:
            os.replace(draft, target)
        except OSError:  # where another pull was faster, that one's is as good
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return open_release(target)


def pull_report(name: str, prefix: str, folder: Path, bucket: Bucket) -> str:
    """Fetch a release's report and run record only, into an empty or absent folder; returns the release's hash."""
    short = find_remote(name, prefix, bucket)
    wanted = {path: digest for path, digest in _files(name, short, bucket).items() if path.startswith(REPORT)}
    _fetch({path.removeprefix(REPORT): digest for path, digest in wanted.items()}, folder, bucket, {})
    kept = bucket.get_bytes(_record(name, short))
    if kept is not None:
        body = _parsed(kept, f"{bucket.uri}/{_record(name, short)}")
        if body.get("sha256") != sha256_json(body.get("record")):
            raise StorageError(f"{bucket.uri}/{_record(name, short)}: is not what its hash says", next_step=_PUSH)
        (folder / RUN).write_text(json.dumps(body["record"], indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return short


def read_remote_report(name: str, short: str, bucket: Bucket) -> dict[str, Any]:
    """The figures of a release's evaluation: its `report.json`."""
    with tempfile.TemporaryDirectory() as folder:
        pull_report(name, short, Path(folder), bucket)
        body: dict[str, Any] = read_json(Path(folder, "report.json"))
        return body


def push_record(name: str, short: str, record: Mapping[str, Any], bucket: Bucket) -> None:
    """Keep the record of the run that made a release: its keys tell a plan elsewhere what need not run."""
    _put_json(bucket, _record(name, short), {"sha256": sha256_json(record), "record": record})


def push_report_page(release: Release, bucket: Bucket) -> str:
    """Store the report's page under a name that people can open; returns its address."""
    name = f"reports/{release.name}/{release.short}/report.html"
    page = without_links((release.path / "report" / "report.html").read_text(encoding="utf-8"), BESIDE, RUN_LINKS)
    bucket.put_bytes(name, page.encode("utf-8"), "text/html; charset=utf-8")
    return f"{bucket.uri}/{name}"


def list_remote(name: str, bucket: Bucket) -> list[dict[str, Any]]:
    """Hashes of the releases in the bucket, the current one marked."""
    current = _current(name, bucket).get("hash")
    names = (PurePosixPath(path).name.removesuffix(".json") for path in bucket.names(f"releases/{name}/"))
    return [{"hash": short, "current": short == current} for short in names if NAME.fullmatch(short)]


def find_remote(name: str, prefix: str, bucket: Bucket) -> str:
    """The one release in the bucket whose hash begins so; the current one without a prefix.

    Raises:
        StorageError: there is none, or several.
    """
    if not prefix:
        current = _current(name, bucket).get("hash")
        if not current:
            raise StorageError(f"{bucket.uri}: no release of {name} was pushed", next_step=_PUSH)
        if not NAME.fullmatch(str(current)):
            where = f"{bucket.uri}/releases/{name}/{CURRENT}"
            raise StorageError(f"{where}: {str(current)[:40]!r} is no name of a release", next_step=_PUSH)
        return str(current)
    found = [row["hash"] for row in list_remote(name, bucket) if row["hash"].startswith(prefix[:HASH_DIGITS])]
    if len(found) != 1:
        what = "several releases begin" if found else "no release begins"
        raise StorageError(
            f"{bucket.uri}: {what} with {prefix}", next_step="give more digits, or push it first: raftops release push"
        )
    return str(found[0])


_PUSH = "raftops release push, where the release is"


def _current(name: str, bucket: Bucket) -> dict[str, Any]:
    body = bucket.get_bytes(f"releases/{name}/{CURRENT}")
    return {} if body is None else _parsed(body, f"{bucket.uri}/releases/{name}/{CURRENT}")


def _files(name: str, short: str, bucket: Bucket) -> dict[str, str]:
    """Names and hashes of a release's files; no name leaves its folder."""
    where = f"{bucket.uri}/{_manifest(name, short)}"
    body = bucket.get_bytes(_manifest(name, short))
    if body is None:
        raise StorageError(f"{where}: is not there", next_step=_PUSH)
    files = _parsed(body, where).get("files")
    if not isinstance(files, dict) or not files or not all(map(is_inside, files)):
        raise StorageError(f"{where}: is not a list of a release's files", next_step=_PUSH)
    return {str(path): str(digest) for path, digest in files.items()}


def _fetch(files: Mapping[str, str], folder: Path, bucket: Bucket, here: Mapping[str, Path]) -> None:
    """Every file, each content once; what another release here holds is linked."""
    known = dict(here)
    for name, digest in sorted(files.items()):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if digest in known:
            target.unlink(missing_ok=True)
            link_or_copy(str(known[digest]), str(target))
        else:
            bucket.get(_object(digest), target, digest)
            known[digest] = target


def _contents(releases: Path) -> dict[str, Path]:
    """Contents that the releases of this machine hold, by hash as recorded; `open_release` checks them in the end."""
    found = dict[str, Path]()
    for folder in (path for path in releases.iterdir() if NAME.fullmatch(path.name)):
        try:
            files = read_record(folder).files
        except ReleaseError:  # of an earlier version, or touched: nothing is taken from it
            continue
        found |= {digest: folder / name for name, digest in files.items() if (folder / name).is_file()}
    return found


def _object(digest: str) -> str:
    return f"objects/{digest[:2]}/{digest}"


def _manifest(name: str, short: str) -> str:
    return f"releases/{name}/{short}.json"


def _record(name: str, short: str) -> str:
    return f"runs/{name}/{short}.json"


def _put_json(bucket: Bucket, name: str, value: Any) -> None:
    bucket.put_bytes(name, json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def _parsed(body: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise StorageError(f"{where}: not valid JSON ({error})", next_step=_PUSH) from error
    if not isinstance(value, dict):
        raise StorageError(f"{where}: not what a push writes", next_step=_PUSH)
    return value


def purge_remote(name: str, doc_id: str, bucket: Bucket, dry_run: bool = False) -> list[str]:
    """Delete the releases of the bucket that hold a document or weights that learned it; returns the objects' names.

    A content that a release which stays needs, stays. A bucket that keeps old versions of objects has them still.
    """
    manifests = [path for path in bucket.names("releases/") if NAME.fullmatch(PurePosixPath(path).stem)]
    files = {path: _files(PurePosixPath(path).parent.name, PurePosixPath(path).stem, bucket) for path in manifests}
    ours = [path for path in manifests if PurePosixPath(path).parent.name == name]
    holding = {path for path in ours if _remote_holds(files[path], doc_id, bucket)}
    needed = {digest for path, listed in files.items() if path not in holding for digest in listed.values()}
    going = {_object(digest) for path in holding for digest in files[path].values() if digest not in needed}
    for path in holding:
        short = PurePosixPath(path).stem
        beside = (path, f"reports/{name}/{short}/report.html", _record(name, short))
        going |= {one for one in beside if bucket.size(one) is not None}
    if _current(name, bucket).get("hash") in {PurePosixPath(path).stem for path in holding}:
        going.add(f"releases/{name}/{CURRENT}")
    for one in sorted(going, key=lambda one: not one.startswith("releases/")) if not dry_run else ():
        bucket.delete(one)  # what names the contents goes first: nobody pulls half a release
    return sorted(going)


def _remote_holds(files: Mapping[str, str], doc_id: str, bucket: Bucket) -> bool:
    """Whether a release's index or weights have the document."""
    with tempfile.TemporaryDirectory() as folder:
        documents, sources = Path(folder, "documents.parquet"), Path(folder, "sources.jsonl")
        for name, target in (("index/documents.parquet", documents), ("sources.jsonl", sources)):
            if name in files:
                bucket.get(_object(files[name]), target, files[name])
        parquet = import_module("pyarrow.parquet")
        ids = parquet.read_table(documents, columns=["doc_id"])["doc_id"].to_pylist() if documents.is_file() else []
        trained = (row["doc_id"] for _, row in read_jsonl(sources)) if sources.is_file() else ()
        return doc_id in ids or doc_id in trained
