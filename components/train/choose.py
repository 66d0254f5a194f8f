"""The end of a training with candidates side by side as Kubeflow sees it: what the whole step would have written."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train(
    config: dict[str, Any],
    conversations: dsl.Input[dsl.Dataset],
    parts: dsl.Input[list[dsl.Model]],
    adapters: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Choose the candidate with the lowest loss on the dev split, and finish what goes with it."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Train
    from raftops.steps.train import Training, train_choose

    places = Path(conversations.path), Path(config["cache"])
    work = Training(Train(**config["train"]), config["base"], *places, embedder=config["embedder"])
    trained = [Path(part.path) for part in parts]
    reported(fetch_missing)(config.get("source"), "train")
    metrics.metadata.update(reported(train_choose)(work, trained, Path(adapters.path)))
    write_json(Path(metrics.path), metrics.metadata)
