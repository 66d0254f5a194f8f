"""The end of a sharded ingest as Kubeflow sees it: what the whole step would have written."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(
    config: dict[str, Any],
    parts: dsl.Input[list[dsl.Dataset]],
    passages: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Join the passages of all shards."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Ingest
    from raftops.steps.ingest import merge_passages

    places = [Path(part.path) for part in parts], Path(passages.path)
    metrics.metadata.update(reported(merge_passages)(Ingest(**config["ingest"]), *places))
    write_json(Path(metrics.path), metrics.metadata)
