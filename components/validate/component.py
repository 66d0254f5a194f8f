"""validate as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("validate"), install_kfp_package=False)
def validate(
    config: dict[str, Any],
    accepted: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Check documents, access policies and examples; let through what holds."""
    from pathlib import Path

    from raftops.data.dvc import fetch_missing
    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.spec.model.knowledge import Data, Validate
    from raftops.steps.validate import validate

    sections = Validate(**config["validate"]), Data(**config["data"])
    reported(fetch_missing)(config.get("source"), "validate", sections[1])
    metrics.metadata.update(reported(validate)(*sections, Path(accepted.path), Path(report.path)))
    write_json(Path(metrics.path), metrics.metadata)
