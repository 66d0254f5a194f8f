"""Build the images of the steps, list what is in them, sign them. Runs Docker's client and cosign for `make`.

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
from pipelines.manifests import recorded
from pipelines.manifests.resource import at, mapping
from pipelines.wiring.code import Code
from raftops import __version__
from raftops.errors import RaftopsError, StepError
from raftops.files import write_text
from raftops.spec.model.base import STEPS
from tools.image_signing import sign_images, verify_images

PYTHON = "python:3.11-slim"
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_WHO = re.compile(r"(?<=://)[^/]*@")
"""Who asks, in an address: runners of CI clone with their token there, and a label is for everyone."""
DIGESTS = Path("build/images.yaml")
"""Overlay with the images by digest, as the registry got them."""


EXPORTERS = ("index",)
"""Steps that need PyTorch only to write a model in another form: no GPU helps them, and CUDA weighs gigabytes."""


@dataclass(frozen=True)
class Build:
    """How images are built."""

    registry: str = REGISTRY
    base: str = ""
    """Image that stays; the one that the Dockerfiles pin if empty."""
    builder: str = ""
    """Image that installs, where the base has no pip; the base if empty."""
    torch: str = "cuda"
    """cpu takes PyTorch's wheels without CUDA, which are a tenth of the size; so do `EXPORTERS` in any case."""
    release: bool = False
    """Refuse a base without a digest."""
    more: tuple[str, ...] = ()
    """Further arguments of `docker build`."""


def base_of(step: str, build: Build, root: Path) -> str:
    """The base image of a step.

    Raises:
        StepError: a release whose base has no digest.
    """
    base = build.base or _BASE.findall(dockerfile(step, root).read_text(encoding="utf-8"))[0]
    if build.release and "@sha256:" not in base:
        raise StepError(f"a release names its base by digest, and {base} has none", next_step="make base")
    return base


def dockerfile(step: str, root: Path) -> Path:
    """What a step's image is built by."""
    return root / "components" / step / "Dockerfile"


def build_command(step: str, build: Build, root: Path, labels: Mapping[str, str]) -> list[str]:
    """The call of `docker build` for a step; `labels` are the build arguments that become labels."""
    base = base_of(step, build, root)
    torch = "cpu" if step in EXPORTERS else build.torch
    arguments = {"BASE": base, "BUILDER": build.builder or base, "TORCH": torch, **labels}
    return [
        "docker", "build", "--file", f"components/{step}/Dockerfile", "--tag", image(step, build.registry),
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
    known = {**mapping(at(found, "spec", "platform", "images")), **digests}
    ordered = {step: known[step] for step in STEPS if step in known}
    write_text(path, yaml.safe_dump({"spec": {"platform": {"images": ordered}}}, sort_keys=False, width=10**6))
    return path


def pin_base(root: Path) -> str:
    """Ask the registry for the digest of the base and write it into every Dockerfile; returns it."""
    _docker(["docker", "pull", PYTHON], root)
    digest: str = json.loads(_said("image", "inspect", "--format", "{{json .RepoDigests}}", PYTHON))[0]
    pinned = f"{PYTHON}@{digest.rpartition('@')[2]}"
    for path in (dockerfile(step, root) for step in STEPS):
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
    parser.add_argument("what", choices=["build", "sbom", "base", "sign", "verify"])
    parser.add_argument("steps", nargs="*", help="steps to build; all if none is named")
    parser.add_argument("--registry", default=REGISTRY)
    parser.add_argument("--base", default="")
    parser.add_argument("--builder", default="")
    parser.add_argument("--torch", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--release", action="store_true", help="refuse a base without a digest")
    parser.add_argument("--push", action="store_true", help=f"push, and write the digests to {DIGESTS}")
    parser.add_argument("--key", default="", help=f"sign or verify what {DIGESTS} records with this key")
    parser.add_argument("--more", default="", help="further arguments of docker build, in one word")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """The program; returns its exit code."""
    told, root = _options(words), Path.cwd()
    told.steps = tuple(told.steps) or STEPS
    try:
        if unknown := sorted(set(told.steps) - set(STEPS)):
            raise StepError(f"no such step: {', '.join(unknown)}", next_step=f"choose from {', '.join(STEPS)}")
        {"build": _build, "sbom": _list, "base": _pin, "sign": _sign, "verify": _sign}[told.what](told, root)
    except RaftopsError as error:
        sys.stderr.write(f"error: {error}\n  next: {error.next_step}\n")
        return error.exit_code
    return 0


def _build(told: argparse.Namespace, root: Path) -> None:
    build = Build(told.registry, told.base, told.builder, told.torch, told.release, tuple(told.more.split()))
    build_images(told.steps, build, root)
    if told.push:
        sys.stdout.write(f"{push_images(told.steps, told.registry, root)}\n")


def _list(told: argparse.Namespace, root: Path) -> None:
    from tools.sbom import write_sboms  # noqa: PLC0415  its library is for those who build

    write_sboms(told.steps, told.registry, root / "build" / "sbom")


def _pin(_told: argparse.Namespace, root: Path) -> None:
    sys.stdout.write(f"{pin_base(root)}\n")


def _sign(told: argparse.Namespace, root: Path) -> None:
    """Sign or verify the images that the last push recorded, of the steps that are named."""
    if not told.key:
        raise StepError(f"{told.what} with which key?", next_step=f"make {told.what}-images KEY=...")
    images = recorded(root / DIGESTS, told.steps)
    (sign_images if told.what == "sign" else verify_images)(images, told.key)
    past = "signed" if told.what == "sign" else "verified"
    sys.stdout.writelines(f"{image}: {past}\n" for image in images)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
