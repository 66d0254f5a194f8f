"""Build the images of the steps, push them and record their digests. Runs Docker's client for `make`.

Every image carries the hash of its step's code as a label, so that a run in containers can tell a stale one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from components.images import REGISTRY, image
from pipelines.wiring.code import Code
from raftops import __version__
from raftops.errors import RaftopsError, StepError
from raftops.files import write_text
from raftops.spec.model.base import STEPS

PYTHON = "python:3.11-slim"
DOCKERFILE = Path("components/Dockerfile")
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_WHO = re.compile(r"(?<=://)[^/]*@")
"""Who asks, in an address: runners of CI clone with their token there, and a label is for everyone."""
DIGESTS = Path("build/images.yaml")
"""Overlay with the images by digest, as the registry got them."""


@dataclass(frozen=True)
class Build:
    """How images are built."""

    registry: str = REGISTRY
    base: str = ""
    """Image that stays; the one that the Dockerfile pins if empty."""
    builder: str = ""
    """Image that installs, where the base has no pip; the base if empty."""
    torch: str = "cuda"
    """cpu takes PyTorch's wheels without CUDA, which are a tenth of the size."""
    extras: tuple[str, ...] = ()
    """Extras of the package beside the step's own: `generation` where a GPU, or PyTorch, runs the model."""
    release: bool = False
    """Refuse a base without a digest."""
    more: tuple[str, ...] = ()
    """Further arguments of `docker build`."""


def base_of(build: Build, root: Path) -> str:
    """The base of the images.

    Raises:
        StepError: a release whose base has no digest.
    """
    base = build.base or _BASE.findall((root / DOCKERFILE).read_text(encoding="utf-8"))[0]
    if build.release and "@sha256:" not in base:
        raise StepError(f"a release names its base by digest, and {base} has none", next_step="make base")
    return base


def build_command(step: str, build: Build, root: Path, labels: Mapping[str, str]) -> list[str]:
    """The call of `docker build` for a step; `labels` are the build arguments that become labels."""
    base = base_of(build, root)
    arguments = {"STEP": step, "BASE": base, "BUILDER": build.builder or base, "TORCH": build.torch, **labels}
    arguments |= {"EXTRAS": " ".join(build.extras)} if build.extras else {}
    return [
        "docker", "build", "--file", str(DOCKERFILE), "--tag", image(step, build.registry),
        *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
        *build.more, ".",
    ]  # fmt: skip


def labels_of(step: str, root: Path, now: datetime) -> dict[str, str]:
    """Version, source, commit, time and code of an image."""
    return {
        "VERSION": __version__,
        "SOURCE": _WHO.sub("", _git(root, "remote", "get-url", "origin")),
        "REVISION": _git(root, "rev-parse", "HEAD"),
        "CREATED": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "CODE": Code().hash_of(f"components.{step}.component"),
    }


def build_images(steps: Sequence[str], build: Build, root: Path) -> dict[str, int]:
    """Build images one after the other; returns their sizes in bytes."""
    sizes = {}
    for step in steps:
        _docker(build_command(step, build, root, labels_of(step, root, datetime.now(UTC))), root)
        sizes[step] = int(_said("image", "inspect", "--format", "{{.Size}}", image(step, build.registry)))
        sys.stdout.write(f"{image(step, build.registry)}  {sizes[step] / 1e6:,.0f} MB\n")
    return sizes


def push_images(steps: Sequence[str], registry: str, root: Path) -> Path:
    """Push images and write the overlay that names them by digest; returns its path."""
    digests = {}
    for step in steps:
        _docker(["docker", "push", image(step, registry)], root)
        repository = image(step, registry).rpartition(":")[0]
        known = json.loads(_said("image", "inspect", "--format", "{{json .RepoDigests}}", image(step, registry)))
        digests[step] = next(digest for digest in known if digest.startswith(f"{repository}@"))
    return record_digests(root / DIGESTS, digests)


def record_digests(path: Path, digests: Mapping[str, str]) -> Path:
    """Write the overlay that names images by digest; those of other steps stay as an earlier push recorded them."""
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = {**(found["spec"]["platform"]["images"] if found else {}), **digests}
    ordered = {step: known[step] for step in STEPS if step in known}
    write_text(path, yaml.safe_dump({"spec": {"platform": {"images": ordered}}}, sort_keys=False, width=10**6))
    return path


def pin_base(root: Path) -> str:
    """Ask the registry for the digest of the base and write it into the Dockerfile; returns it."""
    _docker(["docker", "pull", PYTHON], root)
    digest: str = json.loads(_said("image", "inspect", "--format", "{{json .RepoDigests}}", PYTHON))[0]
    pinned = f"{PYTHON}@{digest.rpartition('@')[2]}"
    path = root / DOCKERFILE
    write_text(path, _BASE.sub(f"ARG BASE={pinned}", path.read_text(encoding="utf-8")))
    return pinned


def _git(root: Path, *words: str) -> str:
    """What git says; `unknown` outside a repository."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _docker(command: Sequence[str], root: Path) -> None:
    try:
        done = subprocess.run(command, cwd=root, check=False)
    except FileNotFoundError as error:
        raise StepError("docker is not on the PATH", next_step="install Docker's client") from error
    if done.returncode:
        raise StepError(f"{' '.join(command[:2])} ended with exit code {done.returncode}", next_step="read its output")


def _said(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(done.stderr.strip() or f"docker {words[0]} failed", next_step="make images")
    return done.stdout.strip()


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("what", choices=["build", "base"])
    parser.add_argument("steps", nargs="*", help="steps to build; all if none is named")
    parser.add_argument("--registry", default=REGISTRY)
    parser.add_argument("--base", default="")
    parser.add_argument("--builder", default="")
    parser.add_argument("--torch", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--extras", default="", help="further extras to install, in one word")
    parser.add_argument("--release", action="store_true", help="refuse a base without a digest")
    parser.add_argument("--push", action="store_true", help=f"push, and write the digests to {DIGESTS}")
    parser.add_argument("--more", default="", help="further arguments of docker build, in one word")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """The program; returns its exit code."""
    options, root = _options(words), Path.cwd()
    steps = tuple(options.steps) or STEPS
    try:
        if unknown := sorted(set(steps) - set(STEPS)):
            raise StepError(f"no such step: {', '.join(unknown)}", next_step=f"choose from {', '.join(STEPS)}")
        if options.what == "base":
            sys.stdout.write(f"{pin_base(root)}\n")
            return 0
        more = tuple(options.more.split())
        torch, extras = options.torch, tuple(options.extras.split())
        build = Build(options.registry, options.base, options.builder, torch, extras, options.release, more)
        build_images(steps, build, root)
        if options.push:
            sys.stdout.write(f"{push_images(steps, options.registry, root)}\n")
    except RaftopsError as error:
        sys.stderr.write(f"error: {error}\n  next: {error.next_step}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
