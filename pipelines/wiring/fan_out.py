"""The steps whose work can be shared out: documents in shards, training by adapters. The result is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.pipeline_channel import PipelineArtifactChannel

from components.augment.plain import augment_plain
from components.index.component import index
from components.index.merge import index as index_merge
from components.index.shard import index_shard
from components.ingest.component import ingest
from components.ingest.listed import ingest_documents
from components.ingest.merge import ingest as ingest_merge
from components.ingest.shard import ingest_shard
from components.train.beside import train as train_beside
from components.train.candidate import train_candidate
from components.train.choose import train as train_choose
from components.train.component import train
from components.train.plain import train_plain
from pipelines.wiring.place import Placer
from raftops.files import sha256_json
from raftops.spec.model.base import Mark, StepName, marked
from raftops.spec.model.learning import Train


@dataclass(frozen=True)
class FanOut:
    """Makes the tasks of ingest, index and train. The last one has the step's name, its key and its outputs."""

    placer: Placer
    config: Mapping[StepName, dict[str, Any]]
    candidate_key: str
    """What a candidate's training depends on beside the settings of train, which are in its arguments."""

    def ingest(self, accepted: PipelineArtifactChannel) -> PipelineTask:
        """Documents to passages. Shards get the documents and no source: KFP's cache compares their arguments."""
        config = self.config["ingest"]
        if self._whole:
            return self.placer.step("ingest", ingest(config=config, accepted=accepted))
        listed = ingest_documents(config=config, accepted=accepted)
        self.placer.shard("ingest", listed, "documents", self._key_of("ingest", "documents"))
        sourceless = {name: value for name, value in self._part("ingest").items() if name != "source"}
        with self._each("ingest shards") as shard:
            part = ingest_shard(config=sourceless, documents=listed.outputs["documents"], shard=shard)
            self.placer.shard("ingest", part)
        merged = ingest_merge(config=config, parts=dsl.Collected(part.outputs["part"]))
        return self.placer.step("ingest", merged)

    def index(self, passages: PipelineArtifactChannel) -> PipelineTask:
        """Passages to an index."""
        config = self.config["index"]
        if self._whole:
            return self.placer.step("index", index(config=config, passages=passages))
        with self._each("index shards") as shard:
            part = index_shard(config=self._part("index"), passages=passages, shard=shard)
            self.placer.shard("index", part)
        merged = index_merge(config=config, passages=passages, parts=dsl.Collected(part.outputs["part"]))
        return self.placer.step("index", merged)

    def plain(
        self, accepted: PipelineArtifactChannel, passages: PipelineArtifactChannel
    ) -> PipelineArtifactChannel | None:
        """The plain adapter, by tasks that need no index and run while it is built; None where `train` makes it.

        Their keys are those of their steps: a changed document that trains nothing trains nothing here, either.
        """
        config = self.config["train"]
        if not config["train"].get("plain_beside"):
            return None
        raised = augment_plain(config=self.config["augment"], accepted=accepted, passages=passages)
        self.placer.shard("augment", raised, "plain", self._key_of("augment", "plain"))
        tuned = train_plain(config=config, conversations=raised.outputs["conversations"])
        self.placer.shard("train", tuned, "plain", self._key_of("train", "plain"))
        return tuned.outputs["part"]

    def _key_of(self, step: StepName, part: str) -> str:
        return sha256_json([self.placer.keys[step], part])

    def train(
        self, conversations: PipelineArtifactChannel, on_nodes: bool, plain: PipelineArtifactChannel | None = None
    ) -> PipelineTask:
        """Conversations to adapters: one after the other, or each candidate's in a task of its own."""
        config = self.config["train"]
        if plain is not None:
            return self.placer.step("train", train_beside(config=config, conversations=conversations, plain=plain))
        candidates, at_once = config["train"].get("candidates", []), config["train"].get("candidates_at_once", 1)
        if min(len(candidates), at_once) <= 1:
            return self.placer.step("train", train(config=config, conversations=conversations), on_nodes=on_nodes)
        # No candidate depends on the others or on the plain adapter, so that one more candidate is one more task.
        own = {name: value for name, value in config["train"].items() if name not in marked(Train, Mark.SHARED)}
        alone = config | {"train": own, "key": self.candidate_key}
        items = [json.dumps(candidate, sort_keys=True) for candidate in candidates]
        with dsl.ParallelFor(items, name="train candidates", parallelism=min(len(items), at_once)) as one:
            part = train_candidate(config=alone, candidate=one, conversations=conversations)
            self.placer.shard("train", part, "candidate")
        parts = dsl.Collected(part.outputs["part"])
        return self.placer.step("train", train_choose(config=config, conversations=conversations, parts=parts))

    @property
    def _whole(self) -> bool:
        return self.placer.platform.shards == 1

    def _each(self, name: str) -> dsl.ParallelFor:
        platform = self.placer.platform
        at_once = min(platform.shards, platform.shards_at_once)
        return dsl.ParallelFor(list(range(platform.shards)), name=name, parallelism=at_once)

    def _part(self, step: StepName) -> dict[str, Any]:
        """The step's config, whose key puts code and content into KFP's own cache key, and how many parts there are."""
        return self.config[step] | {"shards": self.placer.platform.shards}
