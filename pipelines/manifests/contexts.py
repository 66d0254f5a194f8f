"""What a server refuses about how a pod is confined, whatever the profile: profiles, systems, users, sysctls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.resource import Pod, Resource, at, listing, mapping

_SYSCTL = re.compile(r"(?=.{1,253}$)[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_COST = "controller.kubernetes.io/pod-deletion-cost"
_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_OF_LINUX_PODS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_OF_LINUX_CONTAINERS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_OF_LINUX = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_HOST_USERS_ALONE = ("hostNetwork", "hostPID", "hostIPC")


def contexts(pod: Pod) -> Iterator[Finding]:
    """Mistakes in the security contexts of a pod and of its containers."""
    resource, spec, path = pod.owner, pod.spec, pod.spec_path
    context = mapping(spec.get("securityContext"))
    yield from _profiles(resource, (*path, "securityContext"), context)
    yield from _sysctls(resource, (*path, "securityContext", "sysctls"), listing(context.get("sysctls")))
    for container in pod.containers():
        own, place = mapping(container.body.get("securityContext")), (*container.path, "securityContext")
        yield from _profiles(resource, place, own)
        yield from _confined(resource, place, own, spec.get("hostUsers"))
    for field in _HOST_USERS_ALONE if spec.get("hostUsers") is False else ():
        if spec.get(field) is True:
            yield resource.finding((*path, field), "beside hostUsers: false", "remove one of them")
    if spec.get("shareProcessNamespace") is True and spec.get("hostPID") is True:
        yield resource.finding((*path, "shareProcessNamespace"), "beside hostPID", "remove one of them")
    yield from _system(pod, context)
    yield from _annotations(pod)


def _profiles(resource: Resource, path: Path, context: Mapping[str, Any]) -> Iterator[Finding]:
    for field in ("seccompProfile", "appArmorProfile"):
        profile = context.get(field)
        if not isinstance(profile, Mapping):
            continue
        kind, local = profile.get("type"), profile.get("localhostProfile")
        place: Path = (*path, field, "localhostProfile")
        if kind in (None, ""):
            yield resource.finding((*path, field, "type"), "missing", "RuntimeDefault")
        if kind == "Localhost" and not str(local or "").strip():
            yield resource.finding(place, "missing beside type Localhost", "name the profile")
        elif kind != "Localhost" and local is not None:
            yield resource.finding(place, f"beside type {kind}", "remove it, or choose Localhost")
        elif field == "seccompProfile" and (str(local or "").startswith("/") or ".." in str(local or "").split("/")):
            yield resource.finding(place, f"{local!r:.60} leaves the node's profiles", "a relative path without ..")


def _sysctls(resource: Resource, path: Path, sysctls: Any) -> Iterator[Finding]:
    names = [mapping(one).get("name") for one in sysctls]
    for index, name in enumerate(names):
        if not _SYSCTL.fullmatch(str(name or "")):
            yield resource.finding((*path, index, "name"), f"{name!r:.60} is no name of a sysctl", "net.ipv4.tcp_rmem")
        elif name in names[:index]:
            yield resource.finding((*path, index, "name"), f"{name} stands twice", "each once")


def _confined(resource: Resource, path: Path, context: Mapping[str, Any], host_users: Any) -> Iterator[Finding]:
    if context.get("procMount") == "Unmasked" and host_users is not False:
        yield resource.finding((*path, "procMount"), "Unmasked beside the node's users", "set hostUsers: false")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield resource.finding((*path, "privileged"), "beside allowPrivilegeEscalation: false", "remove it")
        if "CAP_SYS_ADMIN" in listing(at(context, "capabilities", "add")):
            what = "CAP_SYS_ADMIN beside allowPrivilegeEscalation: false"
            yield resource.finding((*path, "capabilities", "add"), what, "remove it")


def _system(pod: Pod, context: Mapping[str, Any]) -> Iterator[Finding]:
    resource, path, system = pod.owner, pod.spec_path, at(pod.spec, "os", "name")
    bodies = [(c.path, mapping(c.body.get("securityContext"))) for c in pod.containers()]
    if system == "linux":
        for place, own in ((path, context), *bodies):
            if own.get("windowsOptions") is not None:
                yield resource.finding((*place, "securityContext", "windowsOptions"), "in a Linux pod", "remove it")
    if system == "windows":
        for place, own in ((path, context), *bodies):
            for field in _OF_LINUX_PODS if place == path else _OF_LINUX_CONTAINERS:
                if own.get(field) is not None:
                    yield resource.finding((*place, "securityContext", field), "in a Windows pod", "remove it")
        for field in _OF_LINUX:
            if pod.spec.get(field) not in (None, False) or (field == "hostUsers" and field in pod.spec):
                yield resource.finding((*path, field), "in a Windows pod", "remove it")


def _annotations(pod: Pod) -> Iterator[Finding]:
    notes, place = mapping(at(pod.template, "metadata", "annotations")), (*pod.path, "metadata", "annotations")
    names = [container.body.get("name") for container in pod.containers()]
    for key, value in notes.items():
        if str(key).startswith(_ANNOTATION):
            if str(key).removeprefix(_ANNOTATION) not in names:
                yield pod.owner.finding((*place, str(key)), "names no container", "correct it, or appArmorProfile")
            if value not in ("", "runtime/default", "unconfined") and not str(value).startswith("localhost/"):
                yield pod.owner.finding((*place, str(key)), f"{value!r:.40} is no profile", "runtime/default")
    cost = notes.get(_COST)
    if isinstance(cost, str) and not (_NUMBER.fullmatch(cost) and abs(int(cost)) < 2**31):
        yield pod.owner.finding((*place, _COST), f"{cost!r:.40} is no whole number", "10")
