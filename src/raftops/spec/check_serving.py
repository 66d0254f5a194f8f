"""Checks on where a release runs, who may call it, and what a run may cost: identity, addresses, budget."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from raftops.spec.project import Check, Problem, Project


def callers_can_be_known(project: Project) -> Iterator[Problem]:
    """There is a way to verify who calls, and development tokens never leave the machine."""
    deploy = project.spec.deploy
    identity = deploy.identity
    if not identity.jwks and not identity.dev_tokens:
        message = "needs jwks (a key set) or dev_tokens (development only): nobody could prove who they are"
        yield Problem("spec.deploy.identity", message)
    if identity.dev_tokens and not is_loopback(deploy.host):
        mend = f"and spec.deploy.host is {deploy.host}; use identity.jwks"
        message = f"development tokens are refused unless the service listens on loopback, {mend}"
        yield Problem("spec.deploy.identity.dev_tokens", message, ("spec.deploy.host",))


def key_set_can_be_trusted(project: Project) -> Iterator[Problem]:
    """A key set comes by https, from this machine, or from a file that exists."""
    jwks = project.spec.deploy.identity.jwks
    address = urlsplit(jwks) if "://" in jwks else None
    path = "spec.deploy.identity.jwks"
    if not jwks or (address and address.scheme == "https" and address.hostname):
        return
    if address is None:
        if not project.at(jwks).is_file():
            yield Problem(path, f"no such file: {project.shown(jwks)}; give an https address or a file")
    elif not (address.scheme == "http" and is_loopback(address.hostname or "")):
        yield Problem(path, "must be an https address or a file: over plain http anyone could put their own keys in")


def tokens_are_meant_for_us(project: Project) -> Iterator[Problem]:
    """A key set signs for many applications: issuer and audience say which tokens are for this one."""
    identity = project.spec.deploy.identity
    missing = [name for name in ("issuer", "audience") if not getattr(identity, name)]
    if identity.jwks and missing:
        message = f"needs {' and '.join(missing)} beside it: else a token for another application would be good here"
        yield Problem("spec.deploy.identity.jwks", message)


def smoke_questions_can_be_asked(project: Project) -> Iterator[Problem]:
    """The smoke test asks questions that the service takes."""
    longest = project.spec.validate_.question_chars_max
    for index, question in enumerate(project.spec.deploy.smoke_questions):
        path = f"spec.deploy.smoke_questions[{index}]"
        if not question.strip():
            yield Problem(path, "is empty")
        elif len(question) > longest:
            yield Problem(path, f"has {len(question)} characters; spec.validate.question_chars_max is {longest}")


def budget_can_be_kept(project: Project) -> Iterator[Problem]:
    """A budget needs prices, of every accelerator that a step asks for."""
    platform = project.spec.platform
    if platform.budget is not None and platform.prices is None:
        yield Problem("spec.platform.budget", "needs spec.platform.prices: nobody could tell what a run costs")
    if platform.prices is not None:
        for step, resources in platform.resources.items():
            accelerator = resources.accelerator
            if accelerator and accelerator.type not in platform.prices.accelerator_hour:
                path = "spec.platform.prices.accelerator_hour"
                yield Problem(path, f"has no price of {accelerator.type}, which step {step} asks for", (_PRICES,))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_RESOURCES = "spec.platform.resources"
_PRICES = "spec.platform.prices"
SERVING_CHECKS: dict[Check, tuple[str, ...]] = {
    callers_can_be_known: ("spec.deploy.identity", "spec.deploy.host"),
    key_set_can_be_trusted: ("spec.deploy.identity.jwks",),
    tokens_are_meant_for_us: ("spec.deploy.identity",),
    smoke_questions_can_be_asked: ("spec.deploy.smoke_questions", "spec.validate.question_chars_max"),
    budget_can_be_kept: ("spec.platform.budget", _PRICES, _RESOURCES),
}
"""Each check with the parts of the spec that it reads."""
