"""deploy as Kubeflow sees it."""

from typing import Any

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("deploy"), install_kfp_package=False)
def deploy(
    config: dict[str, Any],
    accepted: dsl.Input[dsl.Dataset],
    built: dsl.Input[dsl.Artifact],
    adapters: dsl.Input[dsl.Model],
    report: dsl.Input[dsl.Artifact],
    release: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Write the release, start it beside the old one, ask it, and promote it if it answers."""
    from pathlib import Path

    from raftops.files import write_json
    from raftops.progress import reported
    from raftops.release.parts import Parts
    from raftops.release.store import keep
    from raftops.spec.model.learning import Prompt
    from raftops.spec.model.serving import Deploy, Router
    from raftops.steps.deploy import deploy

    sections = Deploy(**config["deploy"]), Prompt(**config["prompt"]), Router(**config["router"])
    parts = Parts(config["name"], config["title"], *map(Path, (accepted.path, built.path, adapters.path, report.path)))
    places = Path(config["releases"]), Path(release.path)
    metrics.metadata.update(reported(deploy)(*sections, parts, *places, config.get("cluster")))
    keep(config.get("artifacts"), Path(release.path))
    write_json(Path(metrics.path), metrics.metadata)
