"""augment as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("augment"), install_kfp_package=False)
def augment(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    built: dsl.Input[dsl.Artifact],
    conversations: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Turn examples into RAFT conversations: golden evidence, mined distractors, verified quotes."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Augment, Prompt
    from raftops.steps.augment import augment

    sections = Augment(**config["augment"]), Prompt(**config["prompt"]), config["title"], config["audience"]
    places = Path(accepted.path), Path(built.path), Path(conversations.path), Path(config["cache"])
    metrics.metadata.update(reported(augment)(*sections, *places, config.get("dev", False), config["base"]))
    write_json(Path(metrics.path), metrics.metadata)
