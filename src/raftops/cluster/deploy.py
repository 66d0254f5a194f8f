"""A release to a cluster: what its pods are told, and the deployment itself. Which pods, when and how: `switch.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raftops.cluster.api import Cluster
from raftops.cluster.resources import PORT, Serving
from raftops.cluster.rollout import Tell
from raftops.cluster.switch import Ask, deploy_release
from raftops.errors import ReleaseError
from raftops.progress import progress
from raftops.release.release import Release
from raftops.retrieval.alias import IndexAlias
from raftops.spec.model.base import SecretRef
from raftops.spec.model.serving import Deploy, Signing

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

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Place:
        """From plain values, as a component receives them."""
        secrets = tuple(SecretRef(**secret) for secret in config.get("secrets", ()))
        port = int(config.get("port", PORT))  # a component receives 3000 as 3000.0
        pull = tuple(config.get("pull_secrets", ()))
        return cls(config["namespace"], config["claim"], config["image"], secrets, port, pull)


def put_on_cluster(release: Release, config: Deploy, place: Place, ask: Ask) -> Metrics:
    """Serve a release on the cluster, blue and green; returns figures of what was done.

    Raises:
        ClusterError, ServiceError, IndexUnusable: it is not served; what was served before still is.
    """
    serving = serving_of(release, config, place)
    done = deploy_release(Cluster(place.namespace), serving, ask, IndexAlias.of(release.index), _tell(release))
    progress("deploy", 3, 3, f"release {release.short} is served by {done.pods} pods ({done.slot})")
    return {"pods": float(done.pods), "changed": float(done.changed)}


def serving_of(release: Release, config: Deploy, place: Place) -> Serving:
    """What the cluster is to have."""
    path = release.path.resolve()
    environment = {
        "RAFTOPS_RELEASE": str(path),
        "RAFTOPS_HOST": "0.0.0.0",  # noqa: S104  inside a pod, behind its network policy
        "RAFTOPS_TIMEOUT": f"{config.timeout_seconds:g}",
        "RAFTOPS_IDENTITY": config.identity.model_dump_json(),
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": "/tmp/bentoml",
        "HOME": "/tmp",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if config.signing.required:
        environment["RAFTOPS_SIGNING"] = _with_key(config.signing).model_dump_json()
    store = str(path.parents[2])
    return Serving(
        release.name, release.short, place.image, place.claim, store, environment, config.kubernetes, place.secrets,
        config.timeout_seconds, place.port, place.pull_secrets,
    )  # fmt: skip


def _with_key(signing: Signing) -> Signing:
    """The same with the key itself: a pod has no file of the project."""
    key = signing.public_key.strip()
    if key.startswith("-----BEGIN "):
        return signing
    try:
        with open(key, encoding="utf-8") as file:
            return signing.model_copy(update={"public_key": file.read()})
    except OSError as error:
        raise ReleaseError(f"{key}: the public key cannot be read ({error.strerror})",
                           next_step="check deploy.signing.public_key") from error  # fmt: skip


def _tell(release: Release) -> Tell:
    return lambda ready, wanted: progress("deploy", 1, 3, f"release {release.short}: {ready} of {wanted} pods ready")
