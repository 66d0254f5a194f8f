"""The sections about answering: identity, signing, router and deploy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raftops.spec.model.base import Accelerator, Cpu, Fraction, Label, Mark, Memory, SecretRef, Section, Toleration


class BoostClaim(Section):
    """A claim of the token that tells whose rules somebody asks about, such as the country. Never a permission."""

    claim: str = Field("", max_length=200)
    """Name of the claim, or its path (`address.country`); empty takes the key."""
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict, max_length=500)
    """How documents call each value: `DE: [Germany, Leipzig]`. Countries are known by code, name and adjective."""


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
    boost_claims: Annotated[dict[Label, BoostClaim], Mark.LATER] = Field(
        {"country": BoostClaim(), "department": BoostClaim()}, max_length=8, validate_default=True
    )
    """Claims that are told to retrieval where a question leaves open whose rule it asks about; `{}` for none."""
    dev_tokens: str = ""
    """Development token file (made if absent); refused unless the service listens on loopback."""


class Signing(Section):
    """Signatures of releases (sigstore's model signing, with a key). The private key's path is RAFTOPS_SIGNING_KEY."""

    required: bool = False
    """Refuse to serve a release without a good signature."""
    public_key: str = ""
    """Public key (P-256, P-384 or P-521) that signatures are verified with: PEM text, or a PEM file's path."""


class Limits(Section):
    """What one caller may use, so that a busy one leaves room for the others; 0 sets no limit."""

    requests_at_once: int = Field(64, ge=1)
    """Most open requests of a caller: waiting, at work, or with a body still on its way."""
    questions_per_minute: int = Field(600, ge=0)
    """Most questions of a caller in a minute."""
    searches_per_minute: int = Field(1200, ge=0)
    """Most searches of a caller in a minute."""
    tokens_per_day: int = Field(0, ge=0)
    """Tokens that a caller's questions may read and write in 24 hours; the answer that goes over it is still given."""
    store: SecretRef | None = None
    """Address of a Redis that replicas count in together; without it each counts for itself."""


class Redteam(Section):
    """An attack on each new release before it is served (`raftops redteam`); what gets through holds it."""

    attacks: int = Field(100, ge=1, le=100_000)
    """Questions after documents that their asker may not read."""
    orders: int = Field(2, ge=0, le=1000)
    """Questions asked beside each kind of order that is planted in a document."""
    orders_max: Fraction = 0.02
    """Largest share of the planted orders that may be obeyed."""


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
    """What generates: openvino-genai over a merged GGUF (CPU), or transformers (PyTorch: the extra `generation`)."""
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
    keep_indexes_days: Annotated[float, Mark.LATER] = Field(7, ge=1)
    """On a Milvus server: how long a collection that no release refers to stays after a run last built or opened it, in
    days. Longer than the longest run: another one may be between its index and its release."""
    target: Annotated[Literal["local", "kubernetes"], Mark.LATER] = "local"
    """Served on this machine, or by a deployment on the cluster that is applied, watched and switched to."""
    signing: Annotated[Signing, Mark.LATER] = Signing()
    """Whether releases must be signed, and by whom."""
    limits: Annotated[Limits, Mark.LATER] = Limits()
    """What one caller may use."""
    redteam: Annotated[Redteam | None, Mark.LATER] = None
    """Attack on each new release before it is served; absent: none."""
    kubernetes: Annotated[Kubernetes, Mark.LATER] = Kubernetes()
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
    margin: Fraction | None = None
    """Least difference between the probabilities of the best two classes; absent: chosen on the dev split."""
