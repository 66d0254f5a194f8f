"""Checks on what the model reads, learns and is measured by: budgets fit, shares add up, arms and gates exist."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import get_args

from raftops.spec.explain import did_you_mean
from raftops.spec.figures import METRICS_ELSEWHERE, USUAL_GATES, metric_names
from raftops.spec.model.base import ARMS, STEPS, Language
from raftops.spec.model.learning import Train
from raftops.spec.model.serving import RouterClass
from raftops.spec.position import quoted
from raftops.spec.project import Check, Problem, Project

CHARS_PER_TOKEN = 3
"""Of a question, on the careful side."""
TOKENS_PER_WORD = 4 / 3
TEMPLATE_TOKENS = 24
"""Role marks of the chat template, and the words around evidence and question."""
LEAST_UNIT_TOKENS = 12
"""A short sentence with its number and heading."""
STEMMERS: tuple[str, ...] = get_args(Language)


def units_fit_the_evidence(project: Project) -> Iterator[Problem]:
    """The evidence budget can hold as many units, or one whole passage, as the spec asks for."""
    prompt = project.spec.prompt
    needed = prompt.units * LEAST_UNIT_TOKENS
    if prompt.evidence == "units" and needed > prompt.evidence_tokens:
        budget = f"spec.prompt.evidence_tokens is {prompt.evidence_tokens}"
        message = f"{prompt.units} units need about {needed} tokens, and {budget}"
        yield Problem("spec.prompt.units", message, ("spec.prompt.evidence_tokens",))
    chunk = project.spec.ingest.chunk_tokens
    if prompt.evidence == "passages" and chunk > prompt.evidence_tokens:
        message = f"is less than one whole passage: spec.ingest.chunk_tokens is {chunk}"
        yield Problem("spec.prompt.evidence_tokens", message, ("spec.ingest.chunk_tokens", "spec.prompt.evidence"))


def conversation_fits(project: Project) -> Iterator[Problem]:
    """Evidence, question, system message and answer fit the sequence length; nothing is ever cut."""
    spec = project.spec
    words = spec.prompt.system.replace("{name}", project.assistant.title).split()
    parts = {
        "evidence": spec.prompt.evidence_tokens,
        f"question of {spec.validate_.question_chars_max} characters": ceil(
            spec.validate_.question_chars_max / CHARS_PER_TOKEN
        ),
        f"system message of {len(words)} words": ceil(len(words) * TOKENS_PER_WORD),
        "answer": spec.evaluate.max_new_tokens,
        "chat template": TEMPLATE_TOKENS,
    }
    total = sum(parts.values())
    if total > spec.train.sequence_tokens:
        shown = " + ".join(f"{tokens} ({name})" for name, tokens in parts.items())
        message = (
            f"{spec.train.sequence_tokens} tokens are too few: {shown} = {total}; "
            f"raise it to {total} or lower spec.prompt.evidence_tokens"
        )
        others = ("spec.prompt.evidence_tokens", "spec.validate.question_chars_max", "spec.evaluate.max_new_tokens")
        yield Problem("spec.train.sequence_tokens", message, (*others, "spec.prompt.system"))


def router_is_whole(project: Project) -> Iterator[Problem]:
    """All three classes have questions, or none has; no question stands in two."""
    router = project.spec.router
    classes: dict[str, RouterClass] = {
        "behaviour": router.behaviour,
        "knowledge": router.knowledge,
        "both": router.both,
    }
    filled = [name for name, cls in classes.items() if cls.questions]
    for name in classes:
        if filled and name not in filled:
            message = (
                f"has no example questions, while {' and '.join(filled)} has; give all three classes some, or none"
            )
            yield Problem(f"spec.router.{name}.questions", message, (f"spec.router.{name}",))
    seen: dict[str, str] = {}
    for name, cls in classes.items():
        for index, question in enumerate(cls.questions):
            other = seen.setdefault(" ".join(question.lower().split()), name)
            path = f"spec.router.{name}.questions[{index}]"
            if not question.strip():
                yield Problem(path, "is empty")
            elif other != name:
                yield Problem(path, f"stands in the class {other} too; a question has one class")


def shares_fit(project: Project) -> Iterator[Problem]:
    """An example is either shown without its evidence or without any: the two shares are parts of one whole."""
    augment = project.spec.augment
    total = augment.abstain_fraction + augment.memorise_fraction
    if total > 1.000001:
        message = f"abstain_fraction and memorise_fraction together are {total:g}; they may be at most 1"
        yield Problem("spec.augment.memorise_fraction", message, ("spec.augment.abstain_fraction",))


def arms_can_run(project: Project) -> Iterator[Problem]:
    """There are arms, each once, and those of the plain fine-tune have an adapter."""
    arms = project.spec.evaluate.arms
    if not arms:
        yield Problem("spec.evaluate.arms", f"is empty; name at least one of {', '.join(ARMS)}")
    for index, arm in enumerate(arms):
        if arm in arms[:index]:
            yield Problem(f"spec.evaluate.arms[{index}]", f"{arm} stands here twice")
    plain = [arm for arm in arms if arm.startswith("fine-tuned")]
    if plain and not project.spec.train.plain:
        mend = "set it to true or leave them out of spec.evaluate.arms"
        message = f"the arms {' and '.join(plain)} need the plain adapter; {mend}"
        yield Problem("spec.train.plain", message, ("spec.evaluate.arms",))


def candidates_differ(project: Project) -> Iterator[Problem]:
    """Each candidate has its own name and settings, and fits the adapter that training continues from."""
    train = project.spec.train
    names, settings = dict[str, int](), dict[Train, str]()
    for index, candidate in enumerate(train.candidates):
        path, made = f"spec.train.candidates[{index}]", train.tried(candidate)
        if names.setdefault(candidate.name, index) != index:
            yield Problem(
                f"{path}.name", f"{quoted(candidate.name)} stands here twice; name each candidate differently"
            )
        elif (other := settings.setdefault(made, candidate.name)) != candidate.name:
            yield Problem(path, f"has the same settings as the candidate {other}: one of them is enough")
        for name in ("rank", "alpha"):
            if train.init_from and getattr(made, name) != getattr(train, name):
                message = f"an adapter that is continued from keeps its {name}; leave it out, or spec.train.init_from"
                yield Problem(f"{path}.{name}", message, ("spec.train.init_from",))


def formats_differ(project: Project) -> Iterator[Problem]:
    """Each format of replies has its own name: reports and gates know it by that. Both places are told."""
    names: dict[str, int] = {}
    for index, format_ in enumerate(project.spec.prompt.formats):
        first = names.setdefault(format_.name, index)
        if first != index:
            name = quoted(format_.name)
            message = f"{name} is the name of spec.prompt.formats[{index}], too"
            yield Problem(f"spec.prompt.formats[{first}].name", message)
            message = f"{name} is the name of spec.prompt.formats[{first}] already; name each format differently"
            yield Problem(f"spec.prompt.formats[{index}].name", message)


def candidates_can_be_chosen(project: Project) -> Iterator[Problem]:
    """There are questions to choose a candidate by, and one machine that trains it."""
    train = project.spec.train
    if not train.candidates:
        return
    if project.spec.data.splits.dev <= 0:
        message = "must be more than 0: spec.train.candidates are chosen by their loss on the dev split"
        yield Problem("spec.data.splits.dev", message, ("spec.train.candidates",))
    if train.nodes > 1:
        message = f"cannot be trained on {train.nodes} nodes each; take one node, or settle on one candidate"
        yield Problem("spec.train.candidates", message, ("spec.train.nodes",))


def without_examples_nothing_is_chosen(project: Project) -> Iterator[Problem]:
    """A spec without examples trains nothing: there is neither a candidate to choose nor anything to train beside."""
    train = project.spec.train
    if project.spec.data.examples:
        return
    for name, asked in (("candidates", bool(train.candidates)), ("plain_beside", train.plain_beside)):
        if asked:
            message = "needs examples, and spec.data.examples names no file; remove it, or add examples"
            yield Problem(f"spec.train.{name}", message, ("spec.data.examples",))


def plain_can_be_beside(project: Project) -> Iterator[Problem]:
    """The plain adapter is trained, its settings are known before the index is there, and one pod can train it."""
    train, path = project.spec.train, "spec.train.plain_beside"
    if not train.plain_beside:
        return
    if not train.plain:
        yield Problem(path, "has nothing to train: spec.train.plain is false", ("spec.train.plain",))
    if train.candidates:
        message = "cannot begin early: the plain adapter takes the settings of the candidate that is chosen"
        yield Problem(path, message, ("spec.train.candidates",))
    if train.nodes > 1:
        message = f"means one pod, and spec.train.nodes is {train.nodes}: those train both adapters"
        yield Problem(path, message, ("spec.train.nodes",))


def gates_can_pass(project: Project) -> Iterator[Problem]:
    """A gate names a figure that the report will have, and a bound that something can meet."""
    arms, names = project.spec.evaluate.arms, metric_names()
    for index, gate in enumerate(project.spec.evaluate.gates):
        path = f"spec.evaluate.gates[{index}]"
        family = gate.metric.partition(".")[0]
        if gate.metric not in names:
            known = f"; known are {', '.join(USUAL_GATES)} and more (raftops schema --metrics lists all)"
            meant = METRICS_ELSEWHERE.get(gate.metric.rpartition(".")[2])
            close = f", did you mean {meant}?" if meant else did_you_mean(gate.metric, names) or known
            yield Problem(f"{path}.metric", f"{quoted(gate.metric)} is no metric of the report{close}")
        elif family in ARMS and family not in (*arms, "extract"):
            yield Problem(f"{path}.metric", f"the arm {family} is not among spec.evaluate.arms")
        if gate.min is None and gate.max is None:
            yield Problem(path, "needs min, max or both: without a bound it checks nothing")
        elif gate.min is not None and gate.max is not None and gate.min > gate.max:
            yield Problem(path, f"min {gate.min:g} is above max {gate.max:g}: nothing can pass")


def stemmer_exists(project: Project) -> Iterator[Problem]:
    """The language of BM25 has a Snowball stemmer."""
    language = project.spec.index.bm25.language
    if language not in STEMMERS:
        yield Problem(
            "spec.index.bm25.language", f"{quoted(language)} has no stemmer; choose one of {', '.join(STEMMERS)}"
        )


def accelerators_are_used(project: Project) -> Iterator[Problem]:
    """An accelerator is asked for only where something can use it."""
    spec = project.spec
    for step in STEPS:
        resources = spec.platform.resources.get(step)
        if resources is None or resources.accelerator is None:
            continue
        path, kind = f"spec.platform.resources.{step}.accelerator", resources.accelerator.type
        nf4 = kind.startswith(("nvidia.com/", "gpu.intel.com/")) or kind == "amd.com/gpu"
        if step in ("validate", "ingest", "augment"):
            yield Problem(path, f"the step {step} cannot use an accelerator; remove it")
        elif step == "deploy" and spec.deploy.engine == "openvino":
            yield Problem(
                path, "spec.deploy.engine is openvino, which runs on the CPU; remove it or choose transformers"
            )
        elif step == "train" and spec.train.method == "qlora" and not nf4:
            message = f"{kind} cannot train with spec.train.method qlora (4-bit NF4 needs a GPU or a CPU); choose lora"
            yield Problem(f"{path}.type", message, (path,))


LEARNING_CHECKS: dict[Check, tuple[str, ...]] = {
    units_fit_the_evidence: ("spec.prompt", "spec.ingest.chunk_tokens"),
    conversation_fits: (
        "metadata.description", "spec.prompt", "spec.validate.question_chars_max", "spec.evaluate.max_new_tokens",
        "spec.train.sequence_tokens",
    ),
    router_is_whole: ("spec.router",),
    shares_fit: ("spec.augment.abstain_fraction", "spec.augment.memorise_fraction"),
    arms_can_run: ("spec.evaluate.arms", "spec.train.plain"),
    candidates_differ: ("spec.train",),
    formats_differ: ("spec.prompt.formats",),
    candidates_can_be_chosen: ("spec.train.candidates", "spec.train.nodes", "spec.data.splits"),
    without_examples_nothing_is_chosen: (
        "spec.data.examples", "spec.train.candidates", "spec.train.plain_beside",
    ),
    plain_can_be_beside: (
        "spec.train.plain", "spec.train.plain_beside", "spec.train.candidates", "spec.train.nodes",
    ),
    gates_can_pass: ("spec.evaluate.gates", "spec.evaluate.arms"),
    stemmer_exists: ("spec.index.bm25.language",),
    accelerators_are_used: ("spec.platform.resources", "spec.deploy.engine", "spec.train.method"),
}  # fmt: skip
"""Each check with the parts of the spec that it reads."""
