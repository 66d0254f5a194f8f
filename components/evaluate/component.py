"""evaluate as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("evaluate"), install_kfp_package=False)
def evaluate(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    built: dsl.Input[dsl.Artifact],
    adapters: dsl.Input[dsl.Model],
    report: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Put held-out questions to the five arms, measure, and hold the gates."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model import Evaluate, Prompt, Router
    from raftops.steps.evaluate import evaluate

    sections = Evaluate(**config["evaluate"]), Prompt(**config["prompt"]), Router(**config["router"])
    places = Path(accepted.path), Path(built.path), Path(adapters.path), Path(report.path)
    metrics.metadata.update(reported(evaluate)(*sections, config["title"], *places, Path(config["cache"])))
    write_json(Path(metrics.path), metrics.metadata)
