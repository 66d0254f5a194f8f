"""The sections about answering: identity, signing, router and deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from raftops.spec.model.base import Accelerator, Cpu, Fraction, Label, Mark, Memory, SecretRef, Section, Toleration


class BoostClaim(Section):
    """A claim of the token that tells whose rules somebody asks about, such as the country. Never a permission."""

    claim: str = Field("", max_length=200)
    """Name of the claim, or its path (`address.country`); empty takes the key."""
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict, max_length=500)
    """How documents call each value: `DE: [Germany, Leipzig]`. Countries are known by code, name and adjective."""


LdapAttribute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9;-]*$")]


class Ldap(Section):
    """An LDAP directory, or Active Directory, that is asked for somebody's groups."""

    url: str = Field(pattern=r"^ldaps?://[^\s/]+/?$")
    """`ldaps://host[:port]`; `ldap://host` with `start_tls`, or without it on this machine only."""
    start_tls: bool = False
    """Turn to TLS after connecting, before anything is said."""
    ca_file: str = ""
    """PEM file of the authorities that the server's certificate is verified with; empty takes the system's."""
    bind_dn: str = ""
    """Who asks; empty asks anonymously."""
    bind_password: SecretRef | None = None
    """Its password."""
    users: str = Field(min_length=1)
    """Below which entry people are looked for."""
    user_filter: str = "(uid={principal})"
    """Filter that finds one of them; `(sAMAccountName={principal})` or `(userPrincipalName={principal})` on AD."""
    groups: str = Field(min_length=1)
    """Below which entry groups are looked for."""
    members: tuple[LdapAttribute, ...] = Field(("member",), min_length=1, max_length=4)
    """Attributes of a group that hold the names (DN) of its members: `member`, `uniqueMember`."""
    nested: Literal["walk", "in_chain", "none"] = "walk"
    """Groups in groups: asked for level by level, in one question that only Active Directory understands, or not."""
    names: Literal["dn", "cn"] = "dn"
    """What a group is called: `ldap:cn=managers,ou=groups,...`, or `ldap:managers`, for those right below `groups`."""
    timeout_seconds: int = Field(5, ge=1, le=60)
    """Longest time for a connection, and for each answer."""


class Scim(Section):
    """Users and groups that an identity provider pushes to `/scim/v2` of the service (SCIM 2.0)."""

    token: SecretRef
    """Bearer token of the provider: 32 characters or more, for this alone."""
    store: str = ".raftops/scim.sqlite"
    """Database file of what was pushed."""
    principal: Literal["userName", "externalId"] = "userName"
    """Attribute of a user that the token's claim names."""
    quiet_days: float = Field(30, gt=0, le=3650)
    """Where the provider sent nothing for so long, nobody is in a group of it any more."""


class Directory(Section):
    """Where groups come from that the token does not carry: LDAP or SCIM."""

    principal_claim: str = Field("sub", min_length=1, max_length=200)
    """Claim whose value names somebody in the directory. One that people cannot change for themselves."""
    cache_seconds: float = Field(300, ge=0, le=3600)
    """So old an answer of LDAP may be: who was taken out of a group is in it for so long at most. SCIM is read anew."""
    ldap: Ldap | None = None
    """Asked for the groups of each caller."""
    scim: Scim | None = None
    """Told about users and groups beforehand."""


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
    keys_max_age_seconds: Annotated[float, Mark.LATER] = Field(3600, ge=1, le=86_400)
    """So long the last key set serves where the issuer cannot be reached; then nobody is verified."""
    directory: Annotated[Directory | None, Mark.LATER] = None
    """Where groups come from beside the token."""
    boost_claims: Annotated[dict[Label, BoostClaim], Mark.LATER] = Field(
        {"country": BoostClaim(), "department": BoostClaim()}, max_length=8, validate_default=True
    )
    """Claims that are told to retrieval where a question leaves open whose rule it asks about; `{}` for none."""
    dev_tokens: str = ""
    """Development token file (made if absent); refused unless the service listens on loopback."""

    def below(self, root: Path) -> Identity:
        """The same, with files as the project means them and not the folder that somebody stands in."""
        changed: dict[str, Any] = {name: _below(root, getattr(self, name)) for name in ("jwks", "dev_tokens")}
        if self.directory and self.directory.ldap:
            ldap = self.directory.ldap.model_copy(update={"ca_file": _below(root, self.directory.ldap.ca_file)})
            changed["directory"] = self.directory.model_copy(update={"ldap": ldap})
        elif self.directory and self.directory.scim:
            scim = self.directory.scim.model_copy(update={"store": _below(root, self.directory.scim.store)})
            changed["directory"] = self.directory.model_copy(update={"scim": scim})
        return self.model_copy(update=changed)


def _below(root: Path, file: str) -> str:
    """A file's path below a folder; an address, and what is not set, as it is."""
    return file if not file or "://" in file else str(root.resolve() / file)


class Signing(Section):
    """Signatures of releases (sigstore's model signing). RAFTOPS_SIGNING_KEY is the private key, or its path."""

    required: bool = False
    """Refuse to serve a release without a good signature."""
    public_key: str = ""
    """Public key (P-256, P-384 or P-521) that signatures are verified with: PEM text, or a PEM file's path."""


class Audit(Section):
    """One line for each request: who asked, what was shown, by which release and policies, and how it ended."""

    to: Literal["folder", "stdout", "off"] = "folder"
    """Files below `folder`, the service's output (what a cluster collects), or nowhere."""
    folder: str = ""
    """Folder of the lines; `audit/<assistant>` of the store if empty."""
    question: Literal["none", "hash", "text"] = "none"
    """What is kept of a question: nothing, a hash salted with RAFTOPS_AUDIT_KEY, or its text."""
    on_failure: Literal["refuse", "serve"] = "refuse"
    """Where a line cannot be written (a full disk): the answer is not given, or it is given and the log says so."""
    sync: Literal["each", "second", "never"] = "each"
    """How often lines are forced to the disk: before each answer, once a second, or when the system likes to."""
    max_mib: int = Field(64, ge=1, le=4096)
    """Size of a file, after which the next one begins; one begins each day (UTC), too."""
    keep_days: int = Field(365, ge=1, le=36500)
    """Files whose last line is older are deleted, and a line says so."""


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
    follow_access: Annotated[bool, Mark.LATER] = False
    """Whether `raftops serve` follows the access file itself, not what a run or `raftops access apply` put in force."""
    keep_indexes_days: Annotated[float, Mark.LATER] = Field(7, ge=1)
    """On a Milvus server: how long a collection that no release refers to stays after a run last built or opened it, in
    days. Longer than the longest run: another one may be between its index and its release."""
    target: Annotated[Literal["local", "kubernetes"], Mark.LATER] = "local"
    """Served on this machine, or by a deployment on the cluster that is applied, watched and switched to."""
    signing: Annotated[Signing, Mark.LATER] = Signing()
    """Whether releases must be signed, and by whom."""
    audit: Annotated[Audit, Mark.LATER] = Audit()
    """Whether and how it is kept who was shown what. Pods write it to their output."""
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
