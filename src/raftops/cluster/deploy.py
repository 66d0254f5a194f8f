"""A release to a cluster: where it is served, and the environment of its pods. How it is switched: `switch.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raftops.cluster.api import Cluster
from raftops.cluster.resources import METRICS_PORT, PORT, Serving
from raftops.cluster.switch import Ask, deploy_release
from raftops.errors import ReleaseError
from raftops.progress import progress
from raftops.release.release import Release
from raftops.retrieval.alias import IndexAlias
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Deploy

Metrics = dict[str, float]


@dataclass(frozen=True)
class Place:
    """Where on a cluster an assistant is served."""

    namespace: str
    claim: str
    """Volume claim that holds the store, releases included."""
    image: str
    secrets: tuple[SecretRef, ...] = ()
    """What pods get as environment variables."""
    port: int = PORT
    pull_secrets: tuple[str, ...] = ()
    metrics_port: int = METRICS_PORT

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Place:
        """From plain values, as a component receives them."""
        secrets = tuple(SecretRef(**secret) for secret in config.get("secrets", ()))
        port = int(config.get("port", PORT))  # a component receives 3000 as 3000.0
        pull = tuple(config.get("pull_secrets", ()))
        metrics = int(config.get("metrics_port", METRICS_PORT))
        return cls(config["namespace"], config["claim"], config["image"], secrets, port, pull, metrics)


def put_on_cluster(release: Release, config: Deploy, place: Place, ask: Ask) -> Metrics:
    """Serve a release on the cluster, blue and green; returns figures of what was done.

    Raises:
        ClusterError, ServiceError, IndexUnusable: it is not served; what was served before still is.
    """
    deployed = deploy_release(
        Cluster(place.namespace), serving_of(release, config, place), ask, IndexAlias.of(release.index),
        lambda ready, wanted: progress("deploy", 1, 3, f"release {release.short}: {ready} of {wanted} pods ready"),
    )  # fmt: skip
    progress("deploy", 3, 3, f"release {release.short} is served by {deployed.pods} pods ({deployed.slot})")
    return {"pods": float(deployed.pods), "changed": float(deployed.changed)}


def serving_of(release: Release, config: Deploy, place: Place) -> Serving:
    """What the cluster is to serve."""
    path = release.path.resolve()
    environment = {
        "RAFTOPS_RELEASE": str(path),
        "RAFTOPS_HOST": "0.0.0.0",  # noqa: S104  inside a pod, behind its network policy
        "RAFTOPS_TIMEOUT": f"{config.timeout_seconds:g}",
        "RAFTOPS_METRICS": f"0.0.0.0:{place.metrics_port}",
        "RAFTOPS_IDENTITY": config.identity.model_dump_json(),
        "RAFTOPS_LIMITS": config.limits.model_dump_json(),
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": "/tmp/bentoml",
        "HOME": "/tmp",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    signing = config.signing
    if signing.required:
        key = signing.public_key.strip()
        if not key.startswith("-----BEGIN "):  # a file of the project, which no pod has: the key itself is passed on
            try:
                key = Path(key).read_text(encoding="utf-8")
            except OSError as error:
                raise ReleaseError(f"{key}: the public key cannot be read ({error.strerror})",
                                   next_step="check deploy.signing.public_key") from error  # fmt: skip
            signing = signing.model_copy(update={"public_key": key})
        environment["RAFTOPS_SIGNING"] = signing.model_dump_json()
    if config.audit.to != "off":  # a pod writes no file that outlives it; what it prints is collected
        environment["RAFTOPS_AUDIT"] = config.audit.model_copy(update={"to": "stdout"}).model_dump_json()
    store = str(path.parents[2])
    secrets = (*place.secrets, *([config.limits.store] if config.limits.store else ()))
    return Serving(
        release.name, release.short, place.image, place.claim, store, environment, config.kubernetes, secrets,
        config.timeout_seconds, place.port, place.pull_secrets, place.metrics_port,
    )  # fmt: skip
