"""The end of a run as Kubeflow sees it, good or bad."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("validate"), install_kfp_package=False)
def finish(
    config: dict[str, Any],
    status: dsl.PipelineTaskFinalStatus,
    record: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Write the run's record, and tell the webhook."""
    from pathlib import Path

    from raftops.release.outcome import finish

    ended = status.state, status.pipeline_job_resource_name, status.error_message
    finish(config, ended, Path(record.path), Path(summary.path))
