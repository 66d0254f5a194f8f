"""The training of the plain adapter by itself, as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train_plain(
    config: dict[str, Any],
    conversations: dsl.Input[dsl.Dataset],
    part: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tune the base model on the conversations without evidence."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Train
    from raftops.steps.train import Training, train_plain

    work = Training(Train(**config["train"]), config["base"], Path(conversations.path), Path(config["cache"]))
    reported(fetch_missing)(config.get("source"), "train")
    metrics.metadata.update(reported(train_plain)(work, Path(part.path)))
    write_json(Path(metrics.path), metrics.metadata)
