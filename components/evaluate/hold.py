"""What follows evaluate, as Kubeflow sees it, where a gate of the spec did not pass."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("evaluate"), install_kfp_package=False)
def hold(report: dsl.Input[dsl.Artifact]) -> None:
    """End the run with the gates that did not pass: nothing is released."""
    from pathlib import Path

    from raftops.evaluation.gates import hold
    from raftops.progress import reported

    reported(hold)(Path(report.path))
