"""The steps whose work grows with the documents, in one piece or in shards side by side: the result is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask
from kfp.dsl.pipeline_channel import PipelineArtifactChannel

from components.index.component import index
from components.index.merge import index as index_merge
from components.index.shard import index_shard
from components.ingest.component import ingest
from components.ingest.merge import ingest as ingest_merge
from components.ingest.shard import ingest_shard
from pipelines.place import Placer
from raftops.spec.model.base import StepName


@dataclass(frozen=True)
class FanOut:
    """Makes the tasks of ingest and index. The last one has the step's name, its key and its outputs."""

    placer: Placer
    config: Mapping[StepName, dict[str, Any]]

    def ingest(self, accepted: PipelineArtifactChannel) -> PipelineTask:
        """Documents to passages."""
        config = self.config["ingest"]
        if self._whole:
            return self.placer.step("ingest", ingest(config=config, accepted=accepted))
        with self._each("ingest shards") as shard:
            part = ingest_shard(config=self._part("ingest"), accepted=accepted, shard=shard)
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

    @property
    def _whole(self) -> bool:
        return self.placer.platform.shards == 1

    def _each(self, name: str) -> dsl.ParallelFor:
        platform = self.placer.platform
        at_once = min(platform.shards, platform.shards_at_once)
        return dsl.ParallelFor(list(range(platform.shards)), name=name, parallelism=at_once)

    def _part(self, step: StepName) -> dict[str, Any]:
        """The step's config with what tells KFP's own cache about the code and the content that the key stands for."""
        return self.config[step] | {"shards": self.placer.platform.shards, "key": self.placer.keys[step]}
