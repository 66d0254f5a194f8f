"""One shard of index as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("index"), install_kfp_package=False)
def index_shard(
    config: dict[str, Any],
    shard: int,
    passages: dsl.Input[dsl.Dataset],
    part: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Embed one part of the passages."""
    from pathlib import Path

    from raftops.data.records import Shard
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Index
    from raftops.steps.index import index_shard

    share = Index(**config["index"]), config["embedder"], Shard(int(shard), int(config["shards"]))
    places = Path(passages.path), Path(part.path), Path(config["cache"])
    metrics.metadata.update(reported(index_shard)(*share, *places))
    write_json(Path(metrics.path), metrics.metadata)
