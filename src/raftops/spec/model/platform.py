"""The section about where it runs: resources, storage, Milvus, Kubeflow and prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from raftops.spec.model.base import (
    SUBDOMAIN,
    Accelerator,
    Cpu,
    ImageDigest,
    Label,
    Memory,
    Registry,
    SecretRef,
    Section,
    StepName,
    Toleration,
)

_LONGEST_MINUTES = (2**31 - 1) // 60
"""Kubernetes counts a pod's deadline in 32 bits of seconds."""


class ConfigMapRef(Section):
    """A config map: one key as an environment variable, or all keys as files."""

    config_map: Label
    """Name of the config map."""
    key: str = Field("", pattern=r"^[-._a-zA-Z0-9]{0,253}$")
    """Key inside it, with `env`."""
    env: str = Field("", pattern=r"^([A-Z_][A-Z0-9_]*)?$")
    """Environment variable that carries the key's value."""
    path: str = Field("", pattern=r"^(/\S*)?$")
    """Folder in which every key is a file, instead of `key` and `env`."""

    @model_validator(mode="after")
    def _one_way(self) -> ConfigMapRef:
        if self.key == "." or self.key.startswith(".."):
            raise ValueError("key must not be '.', nor begin with '..': no config map has such a key")
        if bool(self.path) == bool(self.env) or bool(self.env) != bool(self.key):
            raise ValueError("needs either key and env, or path")
        return self


class NodeMatch(Section):
    """One condition on a node's label."""

    key: str = Field(min_length=1)
    """Label of the node."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    """Comparison."""
    values: tuple[str, ...] = ()
    """Values compared with; none with Exists and DoesNotExist."""

    @model_validator(mode="after")
    def _values_fit(self) -> NodeMatch:
        wanted = {"Exists": 0, "DoesNotExist": 0, "Gt": 1, "Lt": 1}.get(self.operator)
        if len(self.values) != wanted if wanted is not None else not self.values:
            raise ValueError(f"{self.operator} takes {'at least one value' if wanted is None else f'{wanted} values'}")
        return self


class NodeAffinity(Section):
    """Nodes that a step's pod must run on, or should."""

    match: tuple[NodeMatch, ...] = Field(min_length=1)
    """Conditions that all hold for such a node."""
    weight: int | None = Field(None, ge=1, le=100)
    """Preferred with this weight; required if absent. Of several required ones, one has to hold."""


class Volume(Section):
    """A persistent volume claim in the step pods."""

    claim: Label
    """Name of the claim."""
    path: str = Field(pattern=r"^/\S+$")
    """Where it is mounted; the project's folder is /app."""
    sub_path: str = ""
    """Folder inside the volume; its root if empty."""


def _without_defaults(schema: dict[str, Any]) -> None:
    """An editor that showed one default for every step would be wrong for most of them."""
    for name in ("cpu", "memory", "timeout_minutes"):
        schema["properties"][name].pop("default", None)


class Resources(Section):
    """What the cluster gives one step."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    cpu: Cpu = "1"
    """CPU request and limit; the step's own where absent, see `resources`."""
    memory: Memory = "2Gi"
    """Memory request and limit; the step's own where absent, see `resources`."""
    accelerator: Accelerator | None = None
    """Accelerator, if any."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels the node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints tolerated."""
    affinity: tuple[NodeAffinity, ...] = ()
    """Nodes wanted or preferred, by their labels."""
    priority: str = Field("", pattern=SUBDOMAIN, max_length=63)
    """Priority class of the pod for Kueue, as a pod label: KFP has no setter for a priority class of Kubernetes."""
    queue: str = Field("", pattern=SUBDOMAIN, max_length=63)
    """Kueue local queue that admits the step's pod; none if empty."""
    secrets: tuple[SecretRef, ...] = ()
    """Secrets given as environment variables."""
    config_maps: tuple[ConfigMapRef, ...] = ()
    """Config maps given as environment variables or as files."""
    shared_memory: Memory | None = None
    """Size of /dev/shm, which counts as memory of the pod; the container runtime's 64 MiB if absent."""
    timeout_minutes: int = Field(240, ge=1, le=_LONGEST_MINUTES)
    """Longest run of the step's pod, in minutes; the step's own where absent, see `resources`."""
    retries: int = Field(0, ge=0, le=10)
    """Retries after a failure."""
    backoff_seconds: int = Field(30, ge=1, le=3600)
    """Wait before the first retry; it doubles with each further one, to an hour at most."""


USUAL: Mapping[StepName, Mapping[str, Any]] = {
    "validate": {"cpu": "1", "memory": "2Gi", "timeout_minutes": 60},
    "ingest": {"cpu": "1", "memory": "2Gi", "timeout_minutes": 240},
    "index": {"cpu": "2", "memory": "4Gi", "timeout_minutes": 480},
    "augment": {"cpu": "2", "memory": "4Gi", "timeout_minutes": 240},
    "train": {"cpu": "2", "memory": "8Gi", "timeout_minutes": 720},
    "evaluate": {"cpu": "2", "memory": "8Gi", "timeout_minutes": 480},
    "deploy": {"cpu": "2", "memory": "4Gi", "timeout_minutes": 60},
}
"""What a step gets that the spec says nothing about: enough for the sample models on CPU cores.

A pod without requests is refused where a namespace has a quota, and one without a deadline may hang for ever.
"""


def _with_the_usual(given: Any) -> Any:
    """Resources of every step: what is said of a step, and the rest as usual."""
    if not isinstance(given, Mapping):
        return given
    said = {step: given.get(step, {}) for step in USUAL}
    usual = {step: {**USUAL[step], **row} if isinstance(row, Mapping) else row for step, row in said.items()}
    return {**given, **usual}


class Milvus(Section):
    """Where the vectors live."""

    uri: str = Field("embedded", pattern=r"^(embedded|https?://\S+)$")
    """`embedded`: Milvus Lite and exact arrays inside the index artifact, nothing listens; or a server's address."""
    token: SecretRef | None = None
    """Credential of the server."""


class Kubeflow(Section):
    """Which Kubeflow Pipelines runs it. The token is never here: it comes from the environment or a file."""

    endpoint: str = Field("", pattern=r"^(https?://\S+)?$")
    """Address of the API server; where it is empty, KFP_ENDPOINT says it."""
    namespace: str = Field("", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")
    """Profile namespace of a multi-user Kubeflow; KFP_NAMESPACE where it is empty, and none on a single-user one."""
    experiment: str = Field("", max_length=256)
    """Experiment that runs belong to; KFP_EXPERIMENT where it is empty, and then the assistant's name."""
    service_account: str = Field("", pattern=SUBDOMAIN, max_length=253)
    """Kubernetes service account of the run's pods; Kubeflow's own where it is empty."""
    token_env: str = Field("KFP_TOKEN", pattern=r"^[A-Z_][A-Z0-9_]*$")
    """Environment variable that carries the bearer token."""
    token_file: str = "/var/run/secrets/kubeflow/pipelines/token"
    """File with the bearer token where the variable is not set: a projected token, read anew each time."""


class Prices(Section):
    """What the cluster's hours cost, for `plan --on kubeflow` and the budget."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    """Currency of all prices and of the budget (ISO 4217)."""
    cpu_hour: float = Field(0, ge=0)
    """One requested CPU for an hour."""
    gib_hour: float = Field(0, ge=0)
    """One requested GiB of memory for an hour."""
    accelerator_hour: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """One accelerator for an hour, by the type that `resources` ask for, such as nvidia.com/gpu."""


class Storage(Section):
    """A bucket of S3-compatible storage. Without keys, the SDK's own chain is asked: role, service account, profile."""

    uri: str = Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.-]+)*/?$")
    """Bucket and prefix: s3://bucket/prefix."""
    endpoint: str = Field("", pattern=r"^(https?://\S+)?$")
    """Address of the storage where it is not AWS."""
    region: str = Field("", pattern=r"^[a-z0-9-]*$")
    """Region of the bucket; the SDK's own setting if empty."""
    access_key: SecretRef | None = None
    """Where the access key's id is."""
    secret_key: SecretRef | None = None
    """Where the secret access key is."""

    @model_validator(mode="after")
    def _both_keys(self) -> Storage:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key come together")
        return self


class Artifacts(Storage):
    """The bucket of releases, reports and, on a cluster, of what the steps make."""

    push: bool = False
    """Whether the deploy step pushes what it released; `raftops release push` does it at any time."""


class Platform(Section):
    """Where it runs."""

    store: str = ".raftops"
    """Folder of runs, releases and caches on this machine."""
    namespace: Label = "raftops"
    """Kubernetes namespace."""
    registry: Registry = "ghcr.io/raftops"
    """Registry of the step images."""
    milvus: Milvus = Milvus()
    """Milvus."""
    artifacts: Artifacts | None = None
    """Bucket that releases and reports are pushed to and that a cluster keeps its artifacts in; none if absent."""
    dvc: Storage | None = None
    """Bucket that DVC keeps the data in: `raftops data pull` takes it from there instead of the remote in .dvc/config,
    and so do the pods of a cluster, by the hashes of the pointer file that `data.dvc` names. Where it names none, they
    take the files that `raftops data push` stored there in the same form; git keeps the data then, and needs no DVC."""
    resources: Annotated[dict[StepName, Resources], BeforeValidator(_with_the_usual)] = Field(
        default_factory=dict, validate_default=True
    )
    """Resources by step, on a cluster only. CPU, memory and time of a step that says nothing: validate 1, 2Gi, 60 min;
    ingest 1, 2Gi, 240 min; index 2, 4Gi, 480 min; augment 2, 4Gi, 240 min; train 2, 8Gi, 720 min; evaluate 2, 8Gi, 480
    min; deploy 2, 4Gi, 60 min."""
    images: dict[StepName, ImageDigest] = Field(default_factory=dict)
    """Image by step, named by digest: name@sha256:...; the registry's image of this version where absent."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """When a node pulls the images; Kubernetes' default if empty, and its runtime's where a TrainJob trains."""
    image_pull_secrets: tuple[Label, ...] = ()
    """Secrets that the registry asks for."""
    run_as_user: int = Field(10001, ge=1, le=2**31 - 1)
    """User and group that step pods run as; never root."""
    workspace: Label | None = None
    """Persistent volume claim (ReadWriteMany) that holds `store` in the step pods: caches, checkpoints, releases."""
    volumes: tuple[Volume, ...] = ()
    """Further claims in every step's pod, such as the folder of the documents."""
    shards: int = Field(1, ge=1, le=256)
    """Parts that the steps ingest and index work on side by side; the result is the same for any number."""
    shards_at_once: int = Field(4, ge=1, le=64)
    """Parts worked on at the same time on a cluster; one after the other on a laptop."""
    notify: SecretRef | None = None
    """Webhook (https address) that is told how a run ended, well or not."""
    kubeflow: Kubeflow = Kubeflow()
    """Kubeflow Pipelines."""
    prices: Prices | None = None
    """Prices of the cluster's hours; without them a plan shows no cost."""
    budget: float | None = Field(None, gt=0)
    """Most that one run may be expected to cost, in the currency of the prices; `submit` refuses a run above it."""
