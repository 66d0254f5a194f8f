"""A release: adapter, model, evidence, index, prompt, router, policies, report under one content hash, in one folder.

Written beside the others and renamed whole; never changed afterwards; every byte is checked when it is opened. What the
parts are and mean stands in `parts.py`, what the hash is over in `seal.py`; which release is served is decided in
`current.py`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raftops.access import AccessPolicies
from raftops.errors import ReleaseError
from raftops.files import link_or_copy, read_jsonl, write_json, write_jsonl, write_text
from raftops.release.parts import (
    EVIDENCE,
    PLACE_ONLY,
    RUN,
    SERVED,
    Parts,
    digest_of,
    digests,
    measured_router,
    needed,
    read_part,
    served_prompt,
    served_weights,
    winner,
    without_links,
)
from raftops.release.seal import (
    HASH_DIGITS,
    NAME,
    RECORD,
    Record,
    canonical,
    check_files,
    files_of,
    identity,
    read_record,
    sealed,
)
from raftops.spec.model.learning import Prompt
from raftops.spec.model.serving import Deploy, Router

SIGNING_KEY = "RAFTOPS_SIGNING_KEY"
"""Environment variable with the private key that releases are signed with: PEM without a passphrase, or its path."""


@dataclass(frozen=True)
class Release:
    """A release on disk."""

    path: Path
    hash: str
    """SHA-256 over everything that is served; the folder's name is its first digits."""
    name: str
    title: str
    created: str
    arm: str
    """The arm that is served: raft, base+rag or fine-tuned+rag."""
    model_file: str
    """The served weights; empty where the base has no GGUF form and is resolved by its source."""
    base: str
    """Source of the base model."""
    base_digest: str
    parts: Mapping[str, str]
    """SHA-256 by part."""
    deploy: Deploy
    prompt: Prompt
    router: Router
    access: AccessPolicies
    trained_policies: frozenset[str]
    """Policies of the documents that the served weights were trained on."""
    sources_trained: int

    @property
    def short(self) -> str:
        """The hash as people write it."""
        return self.hash[:HASH_DIGITS]

    @property
    def index(self) -> Path:
        """The built index."""
        return self.path / "index"

    @property
    def model(self) -> Path | None:
        """The served weights, merged into one file, where there is one."""
        return self.path / self.model_file if self.model_file else None

    @property
    def evidence(self) -> Path:
        """What chooses the evidence; not there where nothing was trained for it."""
        return self.path / EVIDENCE

    @property
    def tokenizer(self) -> Path:
        """The tokenizer of the model."""
        return self.path / "model" / "tokenizer"

    def sources(self) -> list[dict[str, Any]]:
        """The documents behind the served weights, each with its version and its policy when they learned it."""
        return [row for _, row in read_jsonl(self.path / "sources.jsonl")]

    @property
    def adapter(self) -> Path | None:
        """The adapter behind the served weights; the base arm has none."""
        return None if self.arm == "base+rag" else self.path / "model" / "adapter"


def write_release(  # noqa: PLR0913  one argument per section and place
    config: Deploy,
    prompt: Prompt,
    router: Router,
    parts: Parts,
    releases: Path,
    trusted: Callable[[Path], bool] = lambda release: True,
) -> Release:
    """Write the release of these parts, or return the one that is there already: same parts, same release.

    Files that differ from run to run (Milvus' own, times in a report) make no new one. `trusted` says of a release that
    is there whether it may stand for what was made now: whoever signs what a run made asks for a signature.

    Raises:
        ReleaseError: a part is missing, or the report names a winner that cannot be served with citations.
    """
    arm, trained = winner(parts.report), read_part(parts.adapters / "train.json")
    router = measured_router(router, parts.report)
    prompt = served_prompt(prompt, parts.report)
    access = AccessPolicies.model_validate(read_part(parts.accepted / "access.json"))
    hashes = digests(config, prompt, router, parts, arm)
    releases.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=releases, prefix=".draft-"))
    try:
        sources = _lay_out(draft, prompt, router, parts, arm)
        record = {
            "name": parts.name,
            "title": parts.title,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "parts": hashes,
            "arm": arm,
            "model_file": f"model/{SERVED[arm]}.gguf" if served_weights(parts.adapters, arm) else "",
            "base": trained["base"],
            "base_digest": trained["base_digest"],
            "dense_share": prompt.dense_share,
            "deploy": config.model_dump(mode="json", exclude=PLACE_ONLY),
            "trained_policies": sorted(_policies_behind(sources, parts.accepted, access)),
            "sources_trained": len(sources),
        }
        if known := _known(releases, record, trusted):
            return known
        record = sealed({**record, "files": {name: digest_of(draft / name) for name in files_of(draft)}})
        Record.model_validate(record)  # what is written can be read
        target = releases / str(record["hash"])[:HASH_DIGITS]
        if not target.is_dir():  # else it is there byte for byte, or was touched: opening says which
            write_text(draft / RECORD, canonical(record))
            _sync(draft)
            draft.chmod(0o755)
            os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return open_release(target)


def _known(releases: Path, record: Mapping[str, Any], trusted: Callable[[Path], bool]) -> Release | None:
    """The whole release that was made of the same parts, if there is one; of several, the last by name."""
    wanted = identity(record)
    for folder in sorted((path for path in releases.iterdir() if NAME.fullmatch(path.name)), reverse=True):
        try:
            if identity(read_record(folder).model_dump()) == wanted and trusted(folder):
                return open_release(folder)
        except ReleaseError:  # touched, or of an earlier version: it stands for nothing, and this run makes its own
            continue
    return None


def open_release(path: Path) -> Release:
    """Read a release and check every byte of it.

    Raises:
        ReleaseError: something is missing, was added or is not what was written.
    """
    record = read_record(path)
    check_files(path, record)
    try:
        return Release(
            path=path,
            deploy=Deploy.model_validate(record.deploy),
            prompt=Prompt.model_validate(read_part(path / "prompt.json")),
            router=Router.model_validate(read_part(path / "router.json")),
            access=AccessPolicies.model_validate(read_part(path / "access.json")),
            trained_policies=frozenset(record.trained_policies),
            **{
                k: getattr(record, k)
                for k in ("hash", "name", "title", "created", "arm", "model_file", "base", "base_digest", "parts")
            },
            sources_trained=record.sources_trained,
        )
    except (KeyError, ValueError) as error:
        raise ReleaseError(
            f"{path}: not a release of this version ({error})", next_step="run the spec again"
        ) from error


def _lay_out(draft: Path, prompt: Prompt, router: Router, parts: Parts, arm: str) -> list[dict[str, Any]]:
    """Fill the folder; big files are linked, not copied. Returns the documents behind the weights."""
    _linked(parts.built, draft / "index")
    _linked(parts.report, draft / "report")
    page = draft / "report" / "report.html"
    if page.is_file():  # a release outlives the runs of its project
        write_text(page, without_links(page.read_text(encoding="utf-8"), RUN))
    if (parts.adapters / EVIDENCE).is_dir():
        _linked(parts.adapters / EVIDENCE, draft / EVIDENCE)
    (draft / "model").mkdir()
    if served := served_weights(parts.adapters, arm):
        link_or_copy(str(served), str(draft / "model" / served.name))
    _linked(parts.adapters / "tokenizer", draft / "model" / "tokenizer")
    sources: list[dict[str, Any]] = []
    if arm != "base+rag":
        _linked(parts.adapters / SERVED[arm], draft / "model" / "adapter")
        rows = read_jsonl(needed(parts.adapters / "sources.jsonl", "train"))
        # each document once, as the weights saw it and under the policy of then; a row of training data names several
        found = (source for _, row in rows for source in row["sources"])
        seen = {(source["doc_id"], source["version"], source.get("policy") or "") for source in found}
        sources = [{"doc_id": name, "version": version, "policy": then} for name, version, then in sorted(seen)]
    shutil.copyfile(parts.accepted / "access.json", draft / "access.json")
    write_json(draft / "prompt.json", prompt.model_dump(mode="json"))
    write_json(draft / "router.json", router.model_dump(mode="json"))
    write_jsonl(draft / "sources.jsonl", sources)
    return sources


def _policies_behind(sources: list[dict[str, Any]], accepted: Path, access: AccessPolicies) -> frozenset[str]:
    here = {row["doc_id"]: row["version"] for _, row in read_jsonl(accepted / "documents.jsonl")}
    return trained_policies(sources, lambda doc_id, version: access.policy_of(doc_id), here)


def trained_policies(
    sources: Iterable[Mapping[str, str]], policy_now: Callable[[str, str], str | None], here: Mapping[str, str]
) -> frozenset[str]:
    """What somebody must be allowed to read to talk to the weights: the stricter of then and now for each document.

    Args:
        sources: documents behind the weights, with version and the policy at training time (empty: not recorded).
        policy_now: the policy of a document in a version; None where nobody may read it.
        here: the documents that there still are, with their versions. One that is gone, or that was withdrawn, may be
            read by nobody any more, and so may the weights that remember it: the empty policy, which nobody has.
    """
    needed: set[str] = set()
    for source in sources:
        doc_id, then = source["doc_id"], source.get("policy", "")
        now = policy_now(doc_id, here[doc_id]) if doc_id in here else None
        needed |= {now or ""} | ({then} if then else set())
    return frozenset(needed)


def _linked(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns("LOCK", ".*")
    shutil.copytree(needed(source, "earlier"), target, copy_function=link_or_copy, ignore=ignored)


def _sync(folder: Path) -> None:
    """What the folder holds survives a power loss before it gets its name."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def as_record(release: Release) -> dict[str, Any]:
    """A release for people and scripts: what `release show` prints."""
    plain = asdict(release) | {"path": str(release.path), "trained_policies": sorted(release.trained_policies)}
    for section in ("deploy", "prompt", "router", "access"):
        plain[section] = getattr(release, section).model_dump(mode="json")
    return plain
