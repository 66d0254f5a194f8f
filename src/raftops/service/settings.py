"""Settings of the service's process, from its environment, and the release that they mean. Light: imported first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from raftops.errors import ServiceError
from raftops.release.current import current_release, read_current
from raftops.release.release import Release, open_release
from raftops.spec.model.serving import Audit, Identity, Limits, Signing


@dataclass(frozen=True)
class Settings:
    """What the environment of the process says."""

    releases: Path | None
    """Folder of releases: `current` is served and followed."""
    release: Path | None = None
    """One release, served until the process ends."""
    host: str = ""
    """Address listened on; empty means unknown, which counts as reachable by others."""
    identity: Identity | None = None
    """Instead of the release's own."""
    timeout_seconds: float = 60.0
    metrics: str = ""
    """Address and port for Prometheus; empty: none."""
    signing: Signing = Signing()
    """Whether only signed releases are served. Comes from outside: a release cannot say this of itself."""
    access: Path | None = None
    """An access file that is followed, such as a mounted config map; it decides instead of what was applied."""
    audit: Audit = Audit(to="off")
    """Where a line for each request goes. Comes from outside, too: a release does not say who watches it."""
    limits: Limits = Limits()
    """What one caller may use."""
    limits_store: str = field(default="", repr=False)
    """Address of the Redis that replicas count in together; may hold a password."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """From RAFTOPS_RELEASE(S), _HOST, _TIMEOUT, _METRICS, _ACCESS; in JSON _IDENTITY, _SIGNING, _AUDIT, _LIMITS.

        Raises:
            ServiceError: a variable is not set that the limits name.
        """
        releases, release = environment.get("RAFTOPS_RELEASES"), environment.get("RAFTOPS_RELEASE")
        identity, signing = environment.get("RAFTOPS_IDENTITY"), environment.get("RAFTOPS_SIGNING")
        access, said = environment.get("RAFTOPS_ACCESS"), environment.get("RAFTOPS_LIMITS")
        limits = Limits.model_validate_json(said) if said else Limits()
        if limits.store and not environment.get(limits.store.env):
            raise ServiceError(f"{limits.store.env} is not set, and deploy.limits.store names it",
                               next_step="set it to the address of the Redis, or leave limits.store out")  # fmt: skip
        return cls(
            releases=Path(releases or ".raftops/releases") if not release else None,
            release=Path(release) if release else None,
            host=environment.get("RAFTOPS_HOST", ""),
            identity=Identity.model_validate_json(identity) if identity else None,
            metrics=environment.get("RAFTOPS_METRICS", ""),
            timeout_seconds=float(environment.get("RAFTOPS_TIMEOUT", "60")),
            signing=Signing.model_validate_json(signing) if signing else Signing(),
            access=Path(access) if access else None,
            audit=Audit.model_validate_json(environment.get("RAFTOPS_AUDIT") or '{"to": "off"}'),
            limits=limits,
            limits_store=environment[limits.store.env] if limits.store else "",
        )

    @property
    def folder(self) -> Path:
        """Where the releases lie, and beside them what is in force."""
        return self.release.parent if self.release else self.releases or Path()

    def wanted(self) -> str:
        """Name of the release that should be served; `none` where none was promoted yet."""
        if self.release:
            return self.release.name
        current = read_current(self.releases) if self.releases else None
        return current.hash if current else "none"

    def open(self) -> Release:
        """The release that should be served, checked, and its signature verified where that is asked for.

        Raises:
            ReleaseError: there is none, or a part of it is missing or not what it was.
            ReleaseError: it is not signed by the key, where signatures are required.
        """
        release = open_release(self.release) if self.release else current_release(self.releases or Path())
        if self.signing.required:
            import_module("raftops.release.signing").verify_release(release.path, self.signing)  # sigstore: only now
        return release
