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
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    routing: dsl.Output[dsl.ClassificationMetrics],
) -> str:
    """Put held-out questions to the five arms and measure; says whether the gates let a release pass."""
    from pathlib import Path

    from raftops.evaluation.gates import verdict
    from raftops.evaluation.shown import router_matrix, show
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.learning import Evaluate, Prompt
    from raftops.spec.model.serving import Router
    from raftops.steps.evaluate import evaluate

    places = Path(accepted.path), Path(built.path), Path(adapters.path), Path(report.path)
    metrics.metadata.update(
        reported(evaluate)(
            Evaluate(**config["evaluate"]), Prompt(**config["prompt"]), Router(**config["router"]), config["title"],
            *places, Path(config["cache"]),
        )
    )  # fmt: skip
    routing.log_confusion_matrix(*router_matrix(Path(report.path)))
    write_json(Path(metrics.path), metrics.metadata)
    write_json(Path(routing.path), routing.metadata)
    show(Path(report.path), Path(page.path), Path(summary.path))
    return verdict(Path(report.path))
