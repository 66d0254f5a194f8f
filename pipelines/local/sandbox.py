"""What a container of a run is given: its folders, its user, its network, its limits. Starts nothing.

It is what the step's pod gets: no root, a root file system that cannot be written, no capability; and the network only
where the spec names something remote.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, LogConfig

from pipelines.local.limits import Limits
from raftops.spec.model.assistant import Assistant

STORE_LABEL = "io.raftops.store"
"""Label of a container: the store that its run writes."""
NOBODY = 10001
"""User of the images: who runs a step where the person is root, for no step runs as root."""
_REMOTE = ("http://", "https://", "s3://", "hf://", "gs://")
_TMP = {"/tmp": "rw,nosuid,nodev,noexec,size=2g,mode=1777"}
_LOG = LogConfig(type=LogConfig.types.JSON, config={"max-size": "64m", "max-file": "2"})


@dataclass(frozen=True)
class Site:
    """What every container of a run has in common."""

    root: Path
    """The project: working directory, mounted so that it cannot be written."""
    store: Path
    """The store, mounted below its own path so that results are the laptop's."""
    user: str
    """uid:gid that a step runs as."""
    cores: int
    """Cores of the engine; a limit above them is no limit."""
    remote: bool = False
    """Whether the spec names anything that is reached by the network."""
    others: tuple[Path, ...] = ()
    """What the spec names outside the project, mounted so that it cannot be written."""
    selinux: bool = False


def container_arguments(task: str, limit: Limits, site: Site, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of the engine's `create` for one task. Secrets come from this process's environment by their names."""
    cores = limit.cpu if 0 < limit.cpu < site.cores else 0.0
    threads = {"OMP_NUM_THREADS": str(max(1, int(cores)))} if cores else {}
    secrets = {name: os.environ[name] for name in limit.secrets if name in os.environ}
    folders = {str(path): {"bind": str(path), "mode": "ro"} for path in (site.root, *site.others)}
    arguments: dict[str, Any] = {
        "image": limit.image,
        "labels": {STORE_LABEL: str(site.store), "io.raftops.task": task},
        "environment": threads | dict(environment) | secrets,
        "user": site.user,
        "working_dir": str(site.root),
        "volumes": folders | {str(site.store): {"bind": str(site.store), "mode": "rw"}},
        "network_mode": "bridge" if site.remote else "none",
        "read_only": True,
        "tmpfs": _TMP,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", *(["label=disable"] if site.selinux else [])],
        "pids_limit": 4096,
        "log_config": _LOG,
    }
    if cores:
        arguments["nano_cpus"] = int(cores * 1e9)
    if limit.memory:
        arguments |= {"mem_limit": limit.memory, "memswap_limit": limit.memory}  # swap would be memory without limit
    if limit.shared_memory:
        arguments["shm_size"] = limit.shared_memory
    if limit.accelerators:
        arguments["device_requests"] = [DeviceRequest(count=limit.accelerators, capabilities=[["gpu"]])]
    return arguments


def named_outside(assistant: Assistant, root: Path) -> tuple[Path, ...]:
    """What the spec names that does not lie in the project: files and folders as they are found, without repeats."""
    spec = assistant.spec
    models = [
        source.removeprefix("file://") for source in (spec.models.base, spec.models.embedder) if "file://" in source
    ]
    named = [spec.data.documents.path, spec.data.access, *spec.data.examples, *models, spec.train.init_from or "."]
    # of a pattern the folder before its first wildcard
    whole = (takewhile(lambda part: not set(part) & set("*?["), (root / name).parts) for name in named)
    found = {Path(*parts).resolve() for parts in whole}
    return tuple(sorted(path for path in found if path.exists() and not path.is_relative_to(root.resolve())))


def is_remote(assistant: Assistant) -> bool:
    """Whether a step may need the network: anything in the spec is an address, but for what citations link to."""
    plain = assistant.spec.model_dump(mode="json")
    plain["data"]["documents"].pop("uri", None)
    return any(text.startswith(_REMOTE) for text in _texts(plain)) or assistant.spec.platform.notify is not None


def own(store: Path) -> str:
    """Who a step runs as: the person, or the images' user where that is root, who then gets the store."""
    if os.getuid():
        return f"{os.getuid()}:{os.getgid()}"
    for path in (store, *store.rglob("*")):
        with suppress(FileNotFoundError):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return f"{NOBODY}:{NOBODY}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)
