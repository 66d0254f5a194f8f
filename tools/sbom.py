"""What is in an image, as CycloneDX 1.6: Python packages by cyclonedx-py, Debian packages by dpkg's own list,
and Python itself where the base compiled it.

Reads the image, not the lock. Does not look for known vulnerabilities: scanners read these files.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.images import image
from raftops.errors import StepError
from raftops.files import write_json

_PACKAGES = "cd /opt/raftops/lib/python3*/site-packages && tar -cf - *.dist-info"
_INTERPRETER = "readlink -f /opt/raftops/bin/python3; /opt/raftops/bin/python3 --version"
_SYSTEM = "cat /var/lib/dpkg/status; cat /var/lib/dpkg/status.d/* 2>/dev/null; true"


def write_sboms(steps: Sequence[str], registry: str, folder: Path) -> list[Path]:
    """Write `<step>.cdx.json` for the image of each step; returns the paths."""
    paths = []
    for step in steps:
        path = folder / f"{step}.cdx.json"
        write_json(path, sbom(image(step, registry)))
        paths.append(path)
        sys.stdout.write(f"{path}\n")
    return paths


def sbom(name: str) -> dict[str, Any]:
    """The bill of materials of an image of ours. StepError where the image is not there."""
    bill = _python(_inside(name, _PACKAGES))
    bill["components"] += list(debian(_inside(name, _SYSTEM).decode("utf-8", "replace")))
    bill["components"] += list(interpreter(_inside(name, _INTERPRETER).decode()))
    repository, _, version = name.rpartition(":")
    bill.setdefault("metadata", {})["component"] = {
        "type": "container", "bom-ref": "image", "name": repository, "version": version,
    }  # fmt: skip
    return bill


def debian(status: str) -> Iterator[dict[str, str]]:
    """The installed packages of a dpkg status file as CycloneDX components."""
    for entry in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line.startswith(" "))
        if "Package" in fields and "Version" in fields and fields.get("Status", "installed").endswith("installed"):
            package, version = fields["Package"], fields["Version"]
            address = f"pkg:deb/debian/{package}@{version.replace(':', '%3A')}?arch={fields.get('Architecture', 'all')}"
            yield {"type": "library", "bom-ref": address, "name": package, "version": version, "purl": address}


def interpreter(told: str) -> Iterator[dict[str, str]]:
    """Python itself, by its path and what it says of its version, where no Debian package brought it.

    The official images compile it into /usr/local; scanners know it by its CPE.
    """
    path, words = told.splitlines()
    version = words.split()[-1]
    if not path.startswith("/usr/bin/"):
        yield {
            "type": "application", "bom-ref": "cpython", "name": "cpython", "version": version,
            "purl": f"pkg:generic/cpython@{version}", "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        }  # fmt: skip


def _python(archive: bytes) -> dict[str, Any]:
    """Packages of an archive of dist-info folders, read by cyclonedx-py from an otherwise empty environment."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=False)
        site = next(Path(place).glob("lib/python3*/site-packages"))
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(site, filter="data")
        command = [
            sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--spec-version", "1.6",
            "--output-format", "JSON", f"{place}/bin/python",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(f"cyclonedx-py failed: {done.stderr.strip()[-300:]}", next_step="pip install 'raftops[dev]'")
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def _inside(name: str, script: str) -> bytes:
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", script]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise StepError(f"{name}: {done.stderr.decode('utf-8', 'replace').strip()}", next_step="make images")
    return done.stdout
