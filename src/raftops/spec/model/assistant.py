"""A whole spec file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raftops.spec.model.base import Label, Section
from raftops.spec.model.knowledge import Data, Index, Ingest, Models, Validate
from raftops.spec.model.learning import Augment, Evaluate, Prompt, Train
from raftops.spec.model.platform import Platform
from raftops.spec.model.serving import Deploy, Router


class Metadata(Section):
    """Who this assistant is."""

    name: Label
    """Name of the assistant, its pipeline, its collections and its deployment (RFC 1123 label)."""
    description: str = Field("", max_length=500)
    """One line for people."""


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
