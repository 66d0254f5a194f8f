"""The training beside that of the plain adapter as Kubeflow sees it: what the whole step would have written."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train(
    config: dict[str, Any],
    conversations: dsl.Input[dsl.Dataset],
    plain: dsl.Input[dsl.Model],
    adapters: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tune the base model on the conversations with QLoRA, and take the plain adapter from its own task."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Train
    from raftops.steps.train import Training, train_beside

    places = Path(conversations.path), Path(config["cache"])
    work = Training(Train(**config["train"]), config["base"], *places, embedder=config["embedder"])
    reported(fetch_missing)(config.get("source"), "train")
    metrics.metadata.update(reported(train_beside)(work, Path(plain.path), Path(adapters.path)))
    write_json(Path(metrics.path), metrics.metadata)
