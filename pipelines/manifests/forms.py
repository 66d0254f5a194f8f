"""Fields against the forms of `rules.yaml`: names, ports, amounts, words. Nothing about which of them go together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import yaml

from pipelines.manifests.resource import Finding, Path, Resource, below, select, show

RULES = yaml.safe_load((files("pipelines.manifests") / "rules.yaml").read_text(encoding="utf-8"))
UNSET = "sha256:" + "0" * 64
"""Stands in an overlay until the digest of a registry is put there; no image has it."""
_LABEL, _DOMAIN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", r"(?=.{1,253}$)[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_NAMES = dict.fromkeys(("Namespace", "Service", "StatefulSet"), _LABEL)
_NAMES |= dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), "[^/%]+")
_KEYS = {"metadata.labels": r"([a-z0-9.-]+/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", "data": r"[-.\w]+"}


def forms(resource: Resource) -> Iterator[Finding]:
    """Values that no Kubernetes takes, and rights that reach too far."""
    if not resource.name:
        yield resource.finding(("metadata", "name"), "missing", "name the resource")
    elif not re.fullmatch(_NAMES.get(resource.kind, _DOMAIN), resource.name):
        what = f"{resource.name!r:.80}: not a name of a {resource.kind}"
        yield resource.finding(("metadata", "name"), what, "lower-case letters, digits and - inside")
    for field, form in _KEYS.items():
        for path, _ in select(resource.body, f"{field}.*"):
            if not re.fullmatch(form, str(path[-1]), re.ASCII):
                yield resource.finding(path, f"{path[-1]!r:.80}: not a key", "letters, digits, -, _ and .")
    # Of data and of operators' kinds nobody knows what a field called port or max means.
    free = resource.of_an_operator or resource.kind in ("ConfigMap", "Secret", "CustomResourceDefinition")
    for path, what, mend in misfits({} if free else resource.body, "forms"):
        yield resource.finding(path, what, mend)


def images(resource: Resource, production: bool) -> Iterator[Finding]:
    """Images that may change: without a version or, for production, without a digest. The first mistake of each."""
    found = [row for table in ("images", "production")[: 1 + production] for row in misfits(resource.body, table)]
    for path, (what, mend) in {path: problem for path, *problem in reversed(found)}.items():
        yield resource.finding(path, what, mend)


def misfits(root: Any, table: str) -> Iterator[tuple[Path, str, str]]:
    """Where, what and what next of every value below that is not in the form that a table wants for its path."""
    for path, value in below(root):
        if isinstance(value, str | int):
            text, said = (str(value).lower(), "") if isinstance(value, bool) else (str(value), f"{value!r:.100} ")
            shown = show(path)
            for where, form, what, mend in RULES[table]:
                if re.fullmatch(where, shown) and not re.fullmatch(form, text, re.ASCII):
                    yield path, said + what, mend.replace("NAME", text.partition("@")[0])
