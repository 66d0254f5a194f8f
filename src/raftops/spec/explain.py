"""Pydantic's errors as located, plain sentences. No pydantic words, no links, no secrets in what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from raftops.errors import plainly
from raftops.spec import shape
from raftops.spec.mask import is_secret_key, masked
from raftops.spec.model.base import CPU, IMAGE, LABEL, MEMORY, REGISTRY, SOURCE, SUBDOMAIN, SecretRef
from raftops.spec.position import Loc, Located, dotted, quoted
from raftops.spec.tree import Items, Leaf, Mapping, Tree, at, place_of

_KEY = "[key]"
MOST_EXPLAINED = 1000
"""Errors put into words; a file with more is no spec, and words take time."""
MOST_LETTERS = 60
FORMS = {
    r"^([a-z]{2}|any)$": "two lower-case letters such as en, or any",
    r"^[a-z0-9_+@.-]+$": "a dotted path of lower-case letters, digits and _ + @ . - such as raft.citation_precision",
    r"^[A-Z_][A-Z0-9_]*$": "capital letters, digits and _, not starting with a digit, such as HF_TOKEN",
    r"^(https?://\S+)?$": "an address that starts with http:// or https://, or empty",
    r"^(embedded|https?://\S+)$": "embedded, or an address that starts with http:// or https://",
    LABEL: "an RFC 1123 label: lower-case letters, digits and '-', at most 63 characters",
    SOURCE: "hf://org/name@revision, file://path or package://module/file",
    CPU: "a CPU quantity such as 2, 0.5 or 500m",
    MEMORY: "a memory quantity such as 512Mi or 8Gi",
    REGISTRY: "a registry and a path, such as registry.example.com/team: no scheme, no / at the end",
    IMAGE: "an image by its digest, such as registry.example.com/team/train@sha256:<64 digits>",
    SUBDOMAIN: "a name as Kubernetes writes it: lower-case letters, digits and - or . inside",
    r"^[-._a-zA-Z0-9]{1,253}$": "a key of a secret: letters, digits, - _ and .",
    r"^[-._a-zA-Z0-9]{0,253}$": "a key of a config map: letters, digits, - _ and .",
}
"""What a text must be that has to match a pattern of the model."""
_ELSEWHERE = {
    "lora_r": "rank", "lora_rank": "rank", "r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout",
    "lr": "learning_rate", "num_epochs": "epochs", "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size", "micro_batch_size": "batch_size", "train_batch_size": "batch_size",
    "gradient_accumulation_steps": "batch_size", "max_seq_length": "sequence_tokens", "max_seq_len": "sequence_tokens",
    "sequence_len": "sequence_tokens", "cutoff_len": "sequence_tokens", "max_length": "sequence_tokens",
    "load_in_4bit": "method", "load_in_8bit": "method", "quantization": "method", "base_model": "base", "model": "base",
    "model_name_or_path": "base", "embedding_model": "embedder", "top_k": "passages", "save_steps": "checkpoint_steps",
    "chunk_size": "chunk_tokens",
}  # fmt: skip
"""What other tools call a key of ours."""
_GIVEN = {
    "optim": "the optimiser is AdamW",
    "optimizer": "the optimiser is AdamW",
    "bf16": "precision follows the machine: bf16 where it has it",
    "fp16": "precision follows the machine: bf16 where it has it",
    "lr_scheduler": "the learning rate warms up and decays by a cosine",
    "lr_scheduler_type": "the learning rate warms up and decays by a cosine",
    "warmup_ratio": "the learning rate warms up and decays by a cosine",
    "warmup_steps": "the learning rate warms up and decays by a cosine",
    "target_modules": "every linear layer is adapted",
    "chunk_overlap": "passages do not overlap: they end where sentences do",
    "temperature": "answers are generated greedily",
}
"""Keys of other tools for what is no choice here, and what holds instead."""
_SECRET = "a secret is never written here; name it with secret, key and env (see platform.resources.<step>.secrets)"


@dataclass(frozen=True)
class _Fault:
    """One pydantic error and what it is about."""

    model: shape.Model
    tree: Tree
    loc: Loc
    type: str

    @property
    def node(self) -> Tree | None:
        return at(self.tree, self.loc)

    @property
    def kind(self) -> Any:
        return shape.wanted(self.model, self.loc)

    @property
    def meaning(self) -> str:
        """The field's docstring as a clause."""
        return " ".join(shape.description(self.model, self.loc).split()).rstrip(".")

    @property
    def found(self) -> str:
        """What the file has there; never a secret."""
        node = self.node
        if isinstance(node, (Items, Mapping)):
            return "a list" if isinstance(node, Items) else "a mapping"
        if node is None or node.value is None:
            return "nothing"
        if any(is_secret_key(part) for part in self.loc):
            return "a value"
        if isinstance(node.value, str):
            return f"the text {quoted(masked(node.value))}"
        return node.text if isinstance(node.value, bool) else f"the number {node.text}"


def explain(error: ValidationError, model: shape.Model, tree: Tree) -> Iterator[tuple[Loc, bool, Located]]:
    """Each error with its location in the tree, and whether it is the key that is wrong."""
    for number, item in enumerate(error.errors(include_url=False, include_input=False)):
        loc = tuple(item["loc"])
        of_key = item["type"] == "extra_forbidden" or loc[-1:] == (_KEY,)
        loc = loc[:-1] if loc[-1:] == (_KEY,) else loc
        fault = _Fault(model, tree, loc, item["type"])
        if number > MOST_EXPLAINED:
            message = "is wrong too"
        elif of_key:
            message = _unknown_key(fault)
        elif fault.type in _SENTENCES:
            message = _SENTENCES[fault.type](fault)
        else:
            # A bound of a float field is a float, however it was written in the model: 0.0 is shown as 0.
            limits = {k: f"{v:g}" if isinstance(v, float) else v for k, v in item.get("ctx", {}).items()}
            blank = fault.type == "string_too_short" and limits["min_length"] == 1
            template = "is empty" if blank else _TEMPLATES.get(fault.type, _UNKNOWN_TYPE)
            form = FORMS.get(str(limits.get("pattern")), fault.meaning)
            rule = plainly(ValueError(item["msg"].removeprefix("Value error, ")))
            message = template.format(**limits, found=fault.found, meaning=fault.meaning, form=form, rule=rule)
            message = message.removesuffix(": ")  # a field without a docstring
            if limits.get("pattern") == SOURCE:
                message += _source_meant(fault.node)
        yield loc, of_key, Located(place_of(tree, loc, key=of_key), dotted(loc), message)


def did_you_mean(word: str, choices: tuple[str, ...]) -> str:
    """`, did you mean x?` where something is close, else nothing."""
    if len(word) > MOST_LETTERS:
        return ""
    lowered = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), lowered, 1, 0.6)
    inside = [c for c in choices if len(c) > 2 and c in word.lower().replace("-", "_").split("_")]
    best = [lowered[close[0]]] if close else inside
    return f", did you mean {best[0]}?" if best else ""


def _source_meant(node: Tree | None) -> str:
    """A model without its scheme, as it would be written: the hub's org/name, or a path."""
    text = str(node.value) if isinstance(node, Leaf) else ""
    text = text.removeprefix("https://huggingface.co/").removeprefix("huggingface.co/").strip("/")
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", text):
        return f", did you mean hf://{text}@<commit>? Commits are at https://huggingface.co/{text}/commits"
    path = text.removeprefix("./")
    return f", did you mean file://{path}?" if re.fullmatch(r"[./~]*[\w.-]+(/[\w.-]+)*", text) else ""


def _unknown_key(fault: _Fault) -> str:
    key, parent = str(fault.loc[-1]), fault.loc[:-1]
    allowed = shape.keys(fault.model, parent)
    if is_secret_key(key) and not isinstance(fault.node, (Items, type(None))):
        return f"unknown key; {_SECRET}"
    if (given := _GIVEN.get(key.lower())) and key not in shape.homes(fault.model):
        return f"unknown key; {given}: remove it"
    ours = _ELSEWHERE.get(key.lower(), key)
    close = f", did you mean {ours}?" if ours in allowed else did_you_mean(key, allowed)
    if close:
        return f"unknown key{close}"
    homes = shape.homes(fault.model).get(ours, ())
    if len(homes) == 1:
        return f"unknown key here, did you mean {dotted((*homes[0], ours))}?"
    return f"unknown key; known here: {', '.join(allowed)}"


def _type_wanted(fault: _Fault) -> str:
    """What should be there instead, and how what is there becomes it."""
    found, node = fault.found, fault.node
    value = node.value if isinstance(node, Leaf) else None
    if fault.type == "tuple_type":
        return f"must be a list, found {found}{'; put it in [brackets]' if isinstance(value, str) else ''}"
    if fault.type == "string_type":
        if isinstance(node, Leaf) and isinstance(value, bool) and found != "a value":
            return f"must be text, and YAML reads {node.text} as {str(value).lower()}; put it in quotes"
        return f"must be text, found {found}{'' if value is None or found == 'a value' else '; put it in quotes'}"
    number = isinstance(value, str) and value.strip().lstrip("+-").replace(".", "", 1).isdecimal()
    whole = "a whole number" if fault.kind is int else "a number"
    return f"must be {whole}, found {found}{'; remove the quotes' if number else ''}"


def _section_wanted(fault: _Fault) -> str:
    if fault.kind is SecretRef and fault.node is not None:
        return _SECRET
    if isinstance(fault.node, Leaf) and fault.node.value is None:
        return "is empty; put keys under it, or remove it to take the defaults"
    known = ", ".join(shape.keys(fault.model, fault.loc))
    return f"must be a mapping{' (keys: ' + known + ')' if known else ''}, found {fault.found}"


def _choice_wanted(fault: _Fault) -> str:
    choices = shape.choices(fault.kind)
    node = fault.node
    word = str(node.value) if isinstance(node, Leaf) and node.value is not None else ""
    close = did_you_mean(word, choices) if word and fault.found != "a value" else ""
    one_of = "one of " if len(choices) > 1 else ""
    return f"must be {one_of}{', '.join(choices)}; found {fault.found}{close}"


_SENTENCES: dict[str, Callable[[_Fault], str]] = {
    "string_type": _type_wanted,
    "int_type": _type_wanted,
    "int_from_float": _type_wanted,
    "float_type": _type_wanted,
    "tuple_type": _type_wanted,
    "model_type": _section_wanted,
    "model_attributes_type": _section_wanted,
    "dict_type": _section_wanted,
    "literal_error": _choice_wanted,
}
"""Types of errors whose sentence depends on what is there."""
_UNKNOWN_TYPE = "cannot be taken: {meaning}; found {found}"
_TEMPLATES = {
    "missing": "is missing: {meaning}",
    "bool_type": "must be true or false, found {found}",
    "greater_than_equal": "must be at least {ge}, found {found}",
    "greater_than": "must be more than {gt}, found {found}",
    "less_than_equal": "must be at most {le}, found {found}",
    "less_than": "must be less than {lt}, found {found}",
    "string_pattern_mismatch": "must be {form}; found {found}",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "is longer than {max_length} characters",
    "too_short": "needs at least {min_length} item(s): {meaning}",
    "too_long": "has more than {max_length} items",
    "value_error": "{rule}; found {found}",
}
"""Types of errors whose sentence is the same for whatever is there."""
