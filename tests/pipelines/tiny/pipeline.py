"""Seven steps under our names; each runs `work` of work.py."""

import tempfile
from pathlib import Path
from typing import Any

from kfp import compiler, components, dsl
from kfp.dsl.base_component import BaseComponent

from raftops.spec.model.base import STEPS


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def first(
    script: str, config: dict[str, Any], made: dsl.Output[dsl.Artifact], metrics: dsl.Output[dsl.Metrics]
) -> None:
    """The first step."""
    import runpy

    runpy.run_path(script)["work"](config, made, metrics)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def later(
    script: str,
    config: dict[str, Any],
    before: dsl.Input[dsl.Artifact],
    made: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """A step behind another."""
    import runpy

    runpy.run_path(script)["work"](config, made, metrics)


def _named(component: Any, old: str, name: str) -> Any:
    """A component under another name: KFP takes the name from the function, so its text is rewritten."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "component.yaml")
        compiler.Compiler().compile(component, str(path))
        return components.load_component_from_text(path.read_text(encoding="utf-8").replace(old, name))


def tiny(script: str, config: dict[str, dict[str, Any]], keys: dict[str, str]) -> BaseComponent:
    """The steps one behind the other."""
    made = {step: _named(later, "later", step) if n else _named(first, "first", step) for n, step in enumerate(STEPS)}

    @dsl.pipeline(name="tiny")
    def pipeline() -> None:
        before: dict[str, Any] = {}
        for step in STEPS:
            task = made[step](script=script, config=config[step], **before)
            task.set_caching_options(True, cache_key=keys[step])
            before = {"before": task.outputs["made"]}

    return pipeline
