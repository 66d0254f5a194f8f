"""The pipeline: seven tasks joined by their outputs. What the cluster gives each task is in `place.py`.

The branches of index and train meet where the data does: RAFT trains on what the product's own retriever finds, so it
is downstream of the index. The plain adapter is not, and can be trained beside it. A release needs the gates to pass; a
run that they hold ends as failed, with its report. However it ends, `finish` writes the record.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.augment.component import augment
from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.evaluate.hold import hold
from components.finish import finish
from components.validate.component import validate
from pipelines.wiring.config import configs
from pipelines.wiring.data_source import Sources, folders, with_sources
from pipelines.wiring.fan_out import FanOut
from pipelines.wiring.keys import Key, with_keys
from pipelines.wiring.place import Placer
from pipelines.wiring.provenance import Provenance
from pipelines.wiring.steps import FINISH, HOLD
from raftops.spec.model.assistant import Assistant
from raftops.spec.model.base import STEPS, StepName


def raft(
    assistant: Assistant, keys: Mapping[StepName, Key], origin: Provenance, found: Sources = MappingProxyType({})
) -> BaseComponent:
    """The pipeline of an assistant; the pods of its steps fetch what is `found`.

    It has no parameters: the spec is the parameter, the compiled file the record.
    """
    digests = {step: key.digest for step, key in keys.items()}
    config, platform = with_keys(with_sources(configs(assistant), found), digests), assistant.spec.platform
    places = {step: folders(found.get(step)) for step in STEPS}
    placer = Placer(platform, digests, assistant.name, origin.annotations(), places)
    fan_out = FanOut(placer, config, keys["train"].without("spec.train"))
    description = f"{assistant.metadata.description}\n\n{origin.line()}".strip()
    runs, hook = f"{platform.store}/runs" if platform.workspace else "", platform.notify
    ending = {"about": origin.as_json(), "runs": runs, "webhook": hook.env if hook else ""}
    deployed = assistant.spec.deploy
    # The step asks the pods of a cluster its smoke questions with this token.
    token = deployed.kubernetes.smoke_token if deployed.target == "kubernetes" else None
    asking = [token] if token else []

    @dsl.pipeline(name=assistant.name, description=description, pipeline_root=_root(assistant))
    def pipeline() -> None:
        ended = finish(config=ending)
        placer.beside(FINISH, ended, *([hook] if hook else []))
        with dsl.ExitHandler(ended, name="run"):
            checked = placer.step("validate", validate(config=config["validate"]))
            accepted = checked.outputs["accepted"]
            parsed = fan_out.ingest(accepted)
            built = fan_out.index(parsed.outputs["passages"]).outputs["built"]
            raised = placer.step("augment", augment(config=config["augment"], accepted=accepted, built=built))
            plain = fan_out.plain(accepted, parsed.outputs["passages"])
            tuned = fan_out.train(raised.outputs["conversations"], assistant.spec.train.nodes > 1, plain)
            made = {"accepted": accepted, "built": built, "adapters": tuned.outputs["adapters"]}
            measured = placer.step("evaluate", evaluate(config=config["evaluate"], **made))
            report = measured.outputs["report"]
            with dsl.If(measured.outputs["Output"] == "passed", name="gates passed"):
                placer.step("deploy", deploy(config=config["deploy"], **made, report=report), *asking)
            with dsl.Else(name="gates held"):
                placer.beside(HOLD, hold(report=report))

    return pipeline


def _root(assistant: Assistant) -> str | None:
    """Where a cluster keeps the artifacts; Kubeflow's own place without a bucket. A laptop has its store."""
    artifacts = assistant.spec.platform.artifacts
    return f"{artifacts.uri.rstrip('/')}/pipelines/{assistant.name}" if artifacts else None
