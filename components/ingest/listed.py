"""What the shards of ingest share out, as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("ingest"), install_kfp_package=False)
def ingest_documents(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    documents: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """List the accepted documents alone: shards are compared by it, and a changed example is none of theirs."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.steps.ingest import accepted_documents

    places = Path(accepted.path), Path(documents.path)
    metrics.metadata.update(reported(accepted_documents)(*places, config.get("source")))
    write_json(Path(metrics.path), metrics.metadata)
