"""The pipeline: seven tasks joined by their outputs. What the cluster gives each task stands in `place.py`."""

from collections.abc import Mapping

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.augment.component import augment
from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.index.component import index
from components.ingest.component import ingest
from components.train.component import train
from components.validate.component import validate
from pipelines.config import configs
from pipelines.place import place
from raftops.spec.model import Assistant, StepName


def raft(assistant: Assistant, keys: Mapping[StepName, str]) -> BaseComponent:
    """The pipeline of an assistant. It has no parameters: the spec is the parameter, the compiled file the record."""
    config = configs(assistant)

    @dsl.pipeline(name=assistant.name, description=assistant.metadata.description or None)
    def pipeline() -> None:
        checked = validate(config=config["validate"])
        accepted = checked.outputs["accepted"]
        parsed = ingest(config=config["ingest"], accepted=accepted)
        indexed = index(config=config["index"], passages=parsed.outputs["passages"])
        built = indexed.outputs["built"]
        raised = augment(config=config["augment"], accepted=accepted, built=built)
        tuned = train(config=config["train"], conversations=raised.outputs["conversations"])
        adapters = tuned.outputs["adapters"]
        measured = evaluate(config=config["evaluate"], accepted=accepted, built=built, adapters=adapters)
        released = deploy(
            config=config["deploy"], accepted=accepted, built=built, adapters=adapters,
            report=measured.outputs["report"],
        )  # fmt: skip
        tasks = (checked, parsed, indexed, raised, tuned, measured, released)
        place(assistant.spec.platform, keys, tasks)

    return pipeline
