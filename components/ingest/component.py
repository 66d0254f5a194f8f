"""ingest as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    passages: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Parse the accepted documents and cut them into passages with exact positions."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Ingest
    from raftops.steps.ingest import ingest

    section = Ingest(**config["ingest"])
    places = Path(accepted.path), Path(passages.path), Path(config["cache"])
    metrics.metadata.update(reported(ingest)(section, config["embedder"], *places, config.get("source")))
    write_json(Path(metrics.path), metrics.metadata)
