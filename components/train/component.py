"""train as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train(
    config: dict[str, Any],
    conversations: dsl.Input[dsl.Dataset],
    adapters: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tune the base model on the conversations with QLoRA."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Train
    from raftops.steps.train import Training, train

    settings = Train(**config["train"]), config["base"]
    work = Training(
        *settings, Path(conversations.path), Path(config["cache"]), config.get("cluster"), config["embedder"]
    )
    reported(fetch_missing)(config.get("source"), "train")
    metrics.metadata.update(reported(train)(work, Path(adapters.path)))
    write_json(Path(metrics.path), metrics.metadata)
