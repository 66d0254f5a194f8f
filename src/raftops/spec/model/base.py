"""What the sections of a spec share: the closed base model, quantities, labels and references."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


Severity = Literal["off", "info", "warning", "critical"]


StepName = Literal["validate", "ingest", "index", "augment", "train", "evaluate", "deploy"]


STEPS: tuple[StepName, ...] = (
    "validate", "ingest", "index", "augment", "train", "evaluate", "deploy",
)  # fmt: skip


Arm = Literal["extract", "base", "base+rag", "fine-tuned", "fine-tuned+rag", "raft", "oracle"]


Language = Literal[
    "none", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "esperanto", "estonian", "finnish",
    "french", "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali",
    "norwegian", "porter", "portuguese", "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish",
    "yiddish",
]  # fmt: skip


ARMS: tuple[Arm, ...] = ("extract", "base", "base+rag", "fine-tuned", "fine-tuned+rag", "raft", "oracle")


def _number_as_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


SOURCE = r"^(hf://[\w.-]+/[\w.-]+(@[\w./-]+)?|file://.+|package://[A-Za-z_]\w*(/.*)?)$"


MOVING = frozenset({"", "main", "master", "HEAD"})
"""Of a hub model, revisions that are none: what they name today is not what they name tomorrow."""


CPU = r"^(\d+(\.\d+)?|\d+m)$"


MEMORY = r"^\d+(Ki|Mi|Gi|Ti|M|G|T)$"


Label = Annotated[str, Field(pattern=LABEL)]


ModelSource = Annotated[str, Field(pattern=SOURCE)]


SUBDOMAIN = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$"


_REGISTRY = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"


REGISTRY = f"^{_REGISTRY}$"


IMAGE = rf"^{_REGISTRY}(:[\w][\w.-]*)?@sha256:[0-9a-f]{{64}}$"


Registry = Annotated[str, Field(pattern=REGISTRY)]


ImageDigest = Annotated[str, Field(pattern=IMAGE)]


def _data_key(key: str) -> str:
    if key == "." or key.startswith(".."):
        raise ValueError("must not be '.', nor begin with '..': no secret has such a key")
    return key


DataKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$"), AfterValidator(_data_key)]


# The editor's schema takes `cpu: 2`, too: the number becomes text before the pattern is looked at.
Cpu = Annotated[
    str, Field(pattern=CPU, json_schema_extra={"type": ["string", "number"]}), BeforeValidator(_number_as_text)
]


Memory = Annotated[str, Field(pattern=MEMORY)]


class Section(BaseModel):
    """What all sections share: closed, frozen, described by the docstrings under the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Mark(Enum):
    """What a setting is to the identity of results, where it is not simply a part of it: metadata of the field."""

    PLACE = "where, or how fast, the work is done: no result depends on it"
    LATER = "older specs do not have it: passed on only where it is set, so that those specs keep their keys"
    SHARED = "about all adapters together: none of one adapter's business"
    CONTENT = "part of an adapter's identity by the content of what it names or decides"
    SERVED = "when the service keeps silent: no training row depends on it"


def marked(section: type[Section], *marks: Mark) -> frozenset[str]:
    """The settings of a section that have any of the marks."""
    return frozenset(name for name, field in section.model_fields.items() if any(m in field.metadata for m in marks))


class SecretRef(Section):
    """A value that lives elsewhere."""

    secret: Label
    """Name of the Kubernetes secret."""
    key: DataKey
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


def as_json(section: BaseModel) -> dict[str, Any]:
    """A section as plain JSON values, by alias, without what is None: what a component receives (KFP knows no null)."""
    return section.model_dump(mode="json", by_alias=True, exclude_none=True)
