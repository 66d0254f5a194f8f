"""One shard of ingest as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest_shard(
    config: dict[str, Any],
    shard: int,
    documents: dsl.Input[dsl.Dataset],
    part: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Parse one part of the accepted documents and cut them into passages."""
    from pathlib import Path

    from raftops.data.records import Shard
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Ingest
    from raftops.steps.ingest import ingest_shard

    share = Ingest(**config["ingest"]), config["embedder"], Shard(int(shard), int(config["shards"]))
    places = Path(documents.path), Path(part.path), Path(config["cache"])
    metrics.metadata.update(reported(ingest_shard)(*share, *places))
    write_json(Path(metrics.path), metrics.metadata)
