"""Training alone, as a pipeline of real components: conversations from a folder, then what a spec asks for."""

from collections.abc import Mapping

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from pipelines.wiring.config import configs
from pipelines.wiring.fan_out import FanOut
from pipelines.wiring.keys import Key
from pipelines.wiring.place import Placer
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import StepName


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def augment(folder: str, conversations: dsl.Output[dsl.Dataset]) -> None:
    """Conversations that are there already."""
    import shutil

    shutil.copytree(folder, conversations.path, dirs_exist_ok=True)


def training(assistant: Assistant, keys: Mapping[StepName, Key], folder: str) -> BaseComponent:
    """The tasks of augment and train."""
    placer = Placer(assistant.spec.platform, {step: key.digest for step, key in keys.items()})
    fan_out = FanOut(placer, configs(assistant), keys["train"].without("spec.train"))

    @dsl.pipeline(name="training")
    def pipeline() -> None:
        raised = augment(folder=folder).set_caching_options(True, cache_key=keys["augment"].digest)
        fan_out.train(raised.outputs["conversations"], on_nodes=False)

    return pipeline
