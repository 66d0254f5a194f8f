"""index as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("index"), install_kfp_package=False)
def index(
    config: dict[str, Any],
    passages: dsl.Input[dsl.Dataset],
    built: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Embed the passages that changed and build the Milvus index."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Index
    from raftops.spec.model.platform import Milvus
    from raftops.steps.index import index

    sections = Index(**config["index"]), config["embedder"], Milvus(**config["milvus"]), config["name"]
    places = Path(passages.path), Path(built.path), Path(config["cache"])
    metrics.metadata.update(reported(index)(*sections, *places))
    write_json(Path(metrics.path), metrics.metadata)
