"""Pydantic's errors as located, plain sentences. No pydantic words, no links, no secrets in what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from raftops.spec import shape
from raftops.spec.mask import is_secret_key, masked
from raftops.spec.model.base import IMAGE, REGISTRY, SUBDOMAIN, SecretRef
from raftops.spec.position import Loc, Located, dotted, quoted
from raftops.spec.tree import Items, Leaf, Tree, at, place_of

_KEY = "[key]"
MOST_EXPLAINED = 1000
"""Errors put into words; a file with more is no spec, and words take time."""
MOST_LETTERS = 60
_FORMS = {
    r"^([a-z]{2}|any)$": "two lower-case letters such as en, or any",
    r"^[a-z0-9_+@.-]+$": "a dotted path of lower-case letters, digits and _ + @ . - such as raft.citation_precision",
    r"^[A-Z_][A-Z0-9_]*$": "capital letters, digits and _, not starting with a digit, such as HF_TOKEN",
    r"^(embedded|https?://\S+)$": "embedded, or an address that starts with http:// or https://",
    REGISTRY: "a registry and a path, such as registry.example.com/team: no scheme, no / at the end",
    IMAGE: "an image by its digest, such as registry.example.com/team/train@sha256:<64 digits>",
    SUBDOMAIN: "a name as Kubernetes writes it: lower-case letters, digits and - or . inside",
    r"^[-._a-zA-Z0-9]{1,253}$": "a key of a secret: letters, digits, - _ and .",
    r"^[-._a-zA-Z0-9]{0,253}$": "a key of a config map: letters, digits, - _ and .",
}
_SECRET = "a secret is never written here; name it with secret, key and env (see platform.resources.<step>.secrets)"


@dataclass(frozen=True)
class _Fault:
    """One pydantic error and what it is about."""

    model: shape.Model
    tree: Tree
    loc: Loc
    context: dict[str, Any]
    said: str

    @property
    def node(self) -> Tree | None:
        return at(self.tree, self.loc)

    @property
    def kind(self) -> Any:
        return shape.wanted(self.model, self.loc)

    @property
    def found(self) -> str:
        return _found(self.node, self.loc)


def explain(error: ValidationError, model: shape.Model, tree: Tree) -> Iterator[tuple[Loc, bool, Located]]:
    """Each error with its location in the tree, and whether it is the key that is wrong."""
    for number, item in enumerate(error.errors(include_url=False, include_input=False)):
        loc = tuple(item["loc"])
        of_key = item["type"] == "extra_forbidden" or loc[-1:] == (_KEY,)
        loc = loc[:-1] if loc[-1:] == (_KEY,) else loc
        fault = _Fault(model, tree, loc, item.get("ctx", {}), item["msg"])
        say = (
            _briefly if number > MOST_EXPLAINED else _unknown_key if of_key else _SENTENCES.get(item["type"], _as_said)
        )
        yield loc, of_key, Located(place_of(tree, loc, key=of_key), dotted(loc), say(fault))


def _briefly(_: _Fault) -> str:
    return "is wrong too"


def did_you_mean(word: str, choices: tuple[str, ...]) -> str:
    """`, did you mean x?` where something is close, else nothing."""
    if len(word) > MOST_LETTERS:
        return ""
    lowered = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), lowered, 1, 0.6)
    inside = [c for c in choices if len(c) > 2 and c in word.lower().replace("-", "_").split("_")]
    best = [lowered[close[0]]] if close else inside
    return f", did you mean {best[0]}?" if best else ""


def _found(node: Tree | None, loc: Loc) -> str:
    if node is None:
        return "nothing"
    if not isinstance(node, Leaf):
        return "a list" if isinstance(node, Items) else "a mapping"
    if node.value is None:
        return "nothing"
    if any(is_secret_key(part) for part in loc):
        return "a value"
    if isinstance(node.value, str):
        return f"the text {quoted(masked(node.value))}"
    return node.text if isinstance(node.value, bool) else f"the number {node.text}"


def _unknown_key(fault: _Fault) -> str:
    key, parent = str(fault.loc[-1]), fault.loc[:-1]
    allowed = shape.keys(fault.model, parent)
    if is_secret_key(key) and not isinstance(fault.node, (Items, type(None))):
        return f"unknown key; {_SECRET}"
    close = did_you_mean(key, allowed)
    if close:
        return f"unknown key{close}"
    homes = shape.homes(fault.model).get(key, ())
    if len(homes) == 1:
        return f"unknown key here, did you mean {dotted((*homes[0], key))}?"
    return f"unknown key; known here: {', '.join(allowed)}"


def _missing(fault: _Fault) -> str:
    text = shape.description(fault.model, fault.loc)
    return f"is missing{': ' + _clause(text) if text else ''}"


def _text_wanted(fault: _Fault) -> str:
    node = fault.node
    if not isinstance(node, Leaf) or node.value is None or fault.found == "a value":
        return f"must be text, found {fault.found}"
    if isinstance(node.value, bool):
        return f"must be text, and YAML reads {node.text} as {str(node.value).lower()}; put it in quotes"
    return f"must be text, found {fault.found}; put it in quotes"


def _number_wanted(fault: _Fault) -> str:
    whole = "a whole number" if fault.kind is int else "a number"
    node = fault.node
    in_quotes = isinstance(node, Leaf) and isinstance(node.value, str) and _is_number(node.value)
    return f"must be {whole}, found {fault.found}{'; remove the quotes' if in_quotes else ''}"


def _is_number(text: str) -> bool:
    return text.strip().lstrip("+-").replace(".", "", 1).isdecimal()


def _bool_wanted(fault: _Fault) -> str:
    return f"must be true or false, found {fault.found}"


def _section_wanted(fault: _Fault) -> str:
    if fault.kind is SecretRef and fault.node is not None:
        return _SECRET
    if isinstance(fault.node, Leaf) and fault.node.value is None:
        return "is empty; put keys under it, or remove it to take the defaults"
    known = ", ".join(shape.keys(fault.model, fault.loc))
    return f"must be a mapping{' (keys: ' + known + ')' if known else ''}, found {fault.found}"


def _list_wanted(fault: _Fault) -> str:
    node = fault.node
    hint = "; put it in [brackets]" if isinstance(node, Leaf) and isinstance(node.value, str) else ""
    return f"must be a list, found {fault.found}{hint}"


def _choice_wanted(fault: _Fault) -> str:
    choices = shape.choices(fault.kind)
    node = fault.node
    word = str(node.value) if isinstance(node, Leaf) and node.value is not None else ""
    close = did_you_mean(word, choices) if word and fault.found != "a value" else ""
    one_of = "one of " if len(choices) > 1 else ""
    return f"must be {one_of}{', '.join(choices)}; found {fault.found}{close}"


def _bound(words: str, name: str) -> Callable[[_Fault], str]:
    return lambda fault: f"must be {words} {_figure(fault.context[name])}, found {fault.found}"


def _figure(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _form_wanted(fault: _Fault) -> str:
    form = _FORMS.get(str(fault.context.get("pattern")))
    return f"must be {form or _clause(shape.description(fault.model, fault.loc))}; found {fault.found}"


def _too_short(fault: _Fault) -> str:
    return (
        "is empty" if fault.context["min_length"] == 1 else f"needs at least {fault.context['min_length']} characters"
    )


def _too_long(fault: _Fault) -> str:
    return f"is longer than {fault.context['max_length']} characters"


def _too_few(fault: _Fault) -> str:
    return f"needs at least {fault.context['min_length']} item(s): {_clause(shape.description(fault.model, fault.loc))}"


def _too_many(fault: _Fault) -> str:
    return f"has more than {fault.context['max_length']} items"


def _own_rule(fault: _Fault) -> str:
    return f"{fault.said.removeprefix('Value error, ')}; found {fault.found}"


def _as_said(fault: _Fault) -> str:
    return f"cannot be taken: {_clause(shape.description(fault.model, fault.loc))}; found {fault.found}"


def _clause(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


_SENTENCES: dict[str, Callable[[_Fault], str]] = {
    "missing": _missing,
    "string_type": _text_wanted,
    "int_type": _number_wanted,
    "int_from_float": _number_wanted,
    "float_type": _number_wanted,
    "bool_type": _bool_wanted,
    "model_type": _section_wanted,
    "model_attributes_type": _section_wanted,
    "dict_type": _section_wanted,
    "tuple_type": _list_wanted,
    "literal_error": _choice_wanted,
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "less_than_equal": _bound("at most", "le"),
    "less_than": _bound("less than", "lt"),
    "string_pattern_mismatch": _form_wanted,
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "too_short": _too_few,
    "too_long": _too_many,
    "value_error": _own_rule,
}
