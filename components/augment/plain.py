"""The part of augment that needs no index, as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("augment"), install_kfp_package=False)
def augment_plain(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    conversations: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Turn examples into conversations without evidence, for the plain adapter."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Augment, Prompt
    from raftops.steps.augment import augment_plain

    sections = Augment(**config["augment"]), Prompt(**config["prompt"]), config["title"], config["audience"]
    places = Path(accepted.path), Path(passages.path), Path(conversations.path)
    metrics.metadata.update(reported(augment_plain)(*sections, *places))
    write_json(Path(metrics.path), metrics.metadata)
