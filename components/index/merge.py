"""The end of a sharded index as Kubeflow sees it: what the whole step would have built."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("index"), install_kfp_package=False)
def index(
    config: dict[str, Any],
    passages: dsl.Input[dsl.Dataset],
    parts: dsl.Input[list[dsl.Artifact]],
    built: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Build the Milvus index from the vectors of all shards."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Index
    from raftops.spec.model.platform import Milvus
    from raftops.steps.index import index

    sections = Index(**config["index"]), config["embedder"], Milvus(**config["milvus"]), config["name"]
    places = Path(passages.path), Path(built.path), Path(config["cache"])
    metrics.metadata.update(reported(index)(*sections, *places, [Path(part.path) for part in parts]))
    write_json(Path(metrics.path), metrics.metadata)
