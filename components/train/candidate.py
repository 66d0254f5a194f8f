"""One candidate of train as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("train"), install_kfp_package=False)
def train_candidate(
    config: dict[str, Any],
    candidate: str,
    conversations: dsl.Input[dsl.Dataset],
    part: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tune the base model with one candidate's settings, and measure it on the dev split."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Candidate, Train
    from raftops.steps.train import Training, train_candidate

    work = Training(Train(**config["train"]), config["base"], Path(conversations.path), Path(config["cache"]))
    settings = Candidate.model_validate_json(candidate)
    reported(fetch_missing)(config.get("source"), "train")
    metrics.metadata.update(reported(train_candidate)(work, settings, Path(part.path)))
    write_json(Path(metrics.path), metrics.metadata)
