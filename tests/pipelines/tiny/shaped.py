"""The tiny steps in the shape of our pipeline: shards, gates, and an end that is always recorded."""

from typing import Any

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.evaluate.hold import hold
from components.finish import finish


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def validate(
    script: str, config: dict[str, Any], made: dsl.Output[dsl.Artifact], metrics: dsl.Output[dsl.Metrics]
) -> None:
    """The first step."""
    import runpy

    runpy.run_path(script)["work"](config, made, metrics)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def ingest_shard(
    script: str,
    config: dict[str, Any],
    shard: int,
    before: dsl.Input[dsl.Artifact],
    made: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """A part of a step."""
    import runpy

    runpy.run_path(script)["work"]({**config, "step": f"ingest-{shard}"}, made, metrics)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def ingest(
    script: str,
    config: dict[str, Any],
    parts: dsl.Input[list[dsl.Artifact]],
    made: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """What joins the parts."""
    import runpy

    runpy.run_path(script)["work"](config, made, metrics)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def evaluate(
    script: str,
    config: dict[str, Any],
    before: dsl.Input[dsl.Artifact],
    made: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    """A step with a verdict."""
    import runpy
    from pathlib import Path

    from raftops.evaluation.gates import verdict
    from raftops.files import write_json

    runpy.run_path(script)["work"](config, made, metrics)
    write_json(Path(made.path, "report.json"), {"held": config["held"]})
    return config["says"] or verdict(Path(made.path))


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def deploy(
    script: str,
    config: dict[str, Any],
    before: dsl.Input[dsl.Artifact],
    made: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """The last step."""
    import runpy

    runpy.run_path(script)["work"](config, made, metrics)


def shaped(
    script: str, config: dict[str, dict[str, Any]], keys: dict[str, str], about: dict[str, Any]
) -> BaseComponent:
    """Four of the seven steps, which is all that the shape needs."""

    def placed(step: str, task: dsl.PipelineTask) -> Any:
        return task.set_caching_options(True, cache_key=keys[step]).outputs["made"]

    @dsl.pipeline(name="tiny")
    def pipeline() -> None:
        ended = finish(config=about).set_caching_options(False)
        with dsl.ExitHandler(ended, name="run"):
            first = placed("validate", validate(script=script, config=config["validate"]))
            with dsl.ParallelFor([0, 1, 2], parallelism=2) as shard:
                part = ingest_shard(script=script, config=config["ingest"], shard=shard, before=first)
                part.set_caching_options(True)
            parts = dsl.Collected(part.outputs["made"])
            joined = placed("ingest", ingest(script=script, config=config["ingest"], parts=parts))
            measured = evaluate(script=script, config=config["evaluate"], before=joined)
            report = placed("evaluate", measured)
            with dsl.If(measured.outputs["Output"] == "passed"):
                placed("deploy", deploy(script=script, config=config["deploy"], before=report))
            with dsl.Else():
                hold(report=report).set_caching_options(False)

    return pipeline
