"""The Pod Security profile "restricted", rights that reach too far, and values of secrets in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.probes import PROBES
from pipelines.manifests.resource import Container, Pod, Resource, at, listing, mapping, select

ENFORCE = "pod-security.kubernetes.io/enforce"
PROFILES = ("privileged", "baseline", "restricted")
_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")
_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_SYSCTLS_SINCE = {"net.ipv4.tcp_rmem": 32, "net.ipv4.tcp_wmem": 32}
"""Safe ones, by the minor version from which they count as safe."""
_IMAGES_SINCE, _HOSTS_SINCE, _OWN_USERS_SINCE = 33, 34, 35
"""Minor versions: images as volumes are allowed, addresses in probes are not, and a pod with users of its own may be
root in its own."""
_HANDLERS = (*PROBES, "lifecycle.preStop", "lifecycle.postStart")
_OLD_PROFILE = "container.apparmor.security.beta.kubernetes.io/"
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SECCOMP = ("RuntimeDefault", "Localhost")
_READS_ALL = ("list", "watch", "deletecollection")
_RAISES = ("escalate", "bind", "impersonate")


def security(resources: Sequence[Resource], minor: int) -> Iterator[Finding]:
    """What breaks the profile of a namespace on a server of this minor version, and what gives away too much."""
    declared = {r.name: r for r in resources if r.kind == "Namespace"}
    for resource in resources:
        if resource.kind == "Namespace":
            yield from _namespace(resource, resources)
        elif resource.kind in ("Role", "ClusterRole"):
            yield from _role(resource)
        elif resource.kind in ("RoleBinding", "ClusterRoleBinding"):
            yield from _binding(resource)
        elif resource.kind == "Secret":
            yield from _secret(resource)
        namespace = declared.get(resource.namespace)
        if namespace is None or at(namespace.body, "metadata", "labels", ENFORCE) not in ("baseline", "privileged"):
            for pod in resource.pods:
                yield from _pod(pod, minor)


def _namespace(resource: Resource, resources: Sequence[Resource]) -> Iterator[Finding]:
    profile = at(resource.body, "metadata", "labels", ENFORCE)
    if profile not in ("baseline", "restricted"):
        what = f"{profile!r:.40} is no protection" if profile in PROFILES else "no profile for its pods"
        yield resource.finding(("metadata", "labels", ENFORCE), what, "set restricted")
    yield from _labels(resource)
    policies = [r.body.get("spec") for r in resources if r.kind == "NetworkPolicy" and r.namespace == resource.name]
    if not any(_denies(mapping(policy)) for policy in policies):
        mend = "add a NetworkPolicy with podSelector: {}, both policyTypes and no rule"
        yield resource.finding(("metadata", "name"), "traffic is not denied by default", mend)


def _labels(resource: Resource) -> Iterator[Finding]:
    """Profiles and versions of them that there are not: a server refuses the namespace."""
    for mode in ("enforce", "audit", "warn"):
        label, dated = f"pod-security.kubernetes.io/{mode}", f"pod-security.kubernetes.io/{mode}-version"
        profile, version = (at(resource.body, "metadata", "labels", name) for name in (label, dated))
        if isinstance(profile, str) and profile not in PROFILES and label != ENFORCE:
            yield resource.finding(("metadata", "labels", label), f"{profile!r:.40} is no profile", "restricted")
        if isinstance(version, str) and not _VERSION.fullmatch(version):
            yield resource.finding(("metadata", "labels", dated), f"{version!r:.40} is no version", "latest, or v1.36")


def _denies(policy: Mapping[str, Any]) -> bool:
    """Whether a network policy closes every pod in both directions."""
    closes = not mapping(policy.get("podSelector")) and not policy.get("ingress") and not policy.get("egress")
    return closes and {"Ingress", "Egress"} <= {str(name) for name in listing(policy.get("policyTypes"))}


def _role(resource: Resource) -> Iterator[Finding]:
    for index, rule in enumerate(listing(resource.body.get("rules"))):
        path: Path = ("rules", index)
        for field in ("apiGroups", "resources", "verbs"):
            for number, value in enumerate(listing(mapping(rule).get(field))):
                if value == "*":
                    yield resource.finding((*path, field, number), "everything", "name what is needed")
                if field == "verbs" and value in _RAISES:
                    yield resource.finding((*path, field, number), f"{value} lets it take any right", "remove it")
        if "secrets" in listing(mapping(rule).get("resources")):
            yield from _reads_secrets(resource, path, mapping(rule))


def _reads_secrets(resource: Resource, path: Path, rule: Mapping[str, Any]) -> Iterator[Finding]:
    if not listing(rule.get("resourceNames")):
        yield resource.finding((*path, "resourceNames"), "every secret of the namespace", "name the secrets")
    for number, verb in enumerate(listing(rule.get("verbs"))):
        if verb in _READS_ALL:
            yield resource.finding((*path, "verbs", number), f"{verb} shows every secret", "get, by name")


def _binding(resource: Resource) -> Iterator[Finding]:
    if at(resource.body, "roleRef", "name") in ("cluster-admin", "admin", "edit"):
        name = at(resource.body, "roleRef", "name")
        yield resource.finding(("roleRef", "name"), f"{name} may do nearly everything", "a role with what is needed")
    for index, subject in enumerate(listing(resource.body.get("subjects"))):
        name = str(mapping(subject).get("name"))
        if name in ("system:authenticated", "system:unauthenticated", "system:anonymous", "system:serviceaccounts"):
            yield resource.finding(("subjects", index, "name"), f"{name} is everybody", "name an account")


def _secret(resource: Resource) -> Iterator[Finding]:
    if resource.body.get("type") == "kubernetes.io/service-account-token":
        return
    for field in ("data", "stringData"):
        for key, value in mapping(resource.body.get(field)).items():
            if value:
                mend = "remove it: values come from kubectl patch or External Secrets"
                yield resource.finding((field, str(key)), "the value of a secret in a file", mend)


def _pod(pod: Pod, minor: int) -> Iterator[Finding]:
    resource, spec, path = pod.owner, pod.spec, pod.spec_path
    own_users = minor >= _OWN_USERS_SINCE and spec.get("hostUsers") is False
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield resource.finding((*path, field), "shares the node", "remove it")
    context, place = mapping(spec.get("securityContext")), (*path, "securityContext")
    yield from _both(resource, place, context, own_users)
    yield from _sysctls(pod, minor)
    yield from _volumes(pod, minor)
    for container in pod.containers():
        yield from _container(container, context, own_users)
        if minor >= _HOSTS_SINCE:
            yield from _hosts(container)
    notes = mapping(at(pod.template, "metadata", "annotations"))
    for key, value in notes.items():
        if str(key).startswith(_OLD_PROFILE) and value == "unconfined":
            yield resource.finding((*pod.path, "metadata", "annotations", str(key)), "confines nothing", "remove it")


def _sysctls(pod: Pod, minor: int) -> Iterator[Finding]:
    for index, sysctl in enumerate(listing(at(pod.spec, "securityContext", "sysctls"))):
        name = str(mapping(sysctl).get("name"))
        if name not in _SYSCTLS and minor < _SYSCTLS_SINCE.get(name, minor + 1):
            path = (*pod.spec_path, "securityContext", "sysctls", index, "name")
            yield pod.owner.finding(path, "not a safe sysctl", "remove it")


def _volumes(pod: Pod, minor: int) -> Iterator[Finding]:
    allowed = ("name", *_VOLUMES, *(("image",) if minor >= _IMAGES_SINCE else ()))
    for index, volume in enumerate(listing(pod.spec.get("volumes"))):
        for source, value in mapping(volume).items():
            if source not in allowed and value is not None:
                what, path = "not a volume that restricted pods may have", (*pod.spec_path, "volumes", index, source)
                yield pod.owner.finding(path, what, "a claim, a config map, an emptyDir")


def _hosts(container: Container) -> Iterator[Finding]:
    """A probe or a hook asks the pod itself, not whom it likes."""
    for base in _HANDLERS:
        for handler in ("httpGet", "tcpSocket"):
            for path, _ in select(container.body, f"{base}.{handler}.host", container.path):
                yield container.pod.owner.finding(path, "another than the pod", "remove it")


def _both(resource: Resource, path: Path, context: Mapping[str, Any], own_users: bool) -> Iterator[Finding]:
    """What is refused in the context of a pod and in that of a container."""
    if at(context, "windowsOptions", "hostProcess") is True:
        yield resource.finding((*path, "windowsOptions", "hostProcess"), "a process of the node", "remove it")
    if own_users:
        yield from _profiles(resource, path, context)
        return
    if context.get("runAsUser") == 0:
        yield resource.finding((*path, "runAsUser"), "root", "a user's number, 10001")
    if context.get("runAsNonRoot") is False:
        yield resource.finding((*path, "runAsNonRoot"), "root is allowed", "set true")
    yield from _profiles(resource, path, context)


def _profiles(resource: Resource, path: Path, context: Mapping[str, Any]) -> Iterator[Finding]:
    profile = at(context, "seccompProfile", "type")
    if profile is not None and profile not in _SECCOMP:
        yield resource.finding((*path, "seccompProfile", "type"), f"{profile!r:.40} filters nothing", "RuntimeDefault")
    if at(context, "seLinuxOptions", "type") not in (None, *_SELINUX):
        yield resource.finding((*path, "seLinuxOptions", "type"), "not a type of a container", "remove it")
    for field in ("user", "role"):
        if at(context, "seLinuxOptions", field):
            yield resource.finding((*path, "seLinuxOptions", field), "not allowed", "remove it")
    if at(context, "appArmorProfile", "type") == "Unconfined":
        yield resource.finding((*path, "appArmorProfile", "type"), "confines nothing", "RuntimeDefault")


def _container(container: Container, around: Mapping[str, Any], own_users: bool) -> Iterator[Finding]:
    resource, body = container.pod.owner, container.body
    linux = at(container.pod.spec, "os", "name") != "windows"
    context, path = mapping(body.get("securityContext")), (*container.path, "securityContext")
    yield from _both(resource, path, context, own_users)
    if context.get("privileged"):
        yield resource.finding((*path, "privileged"), "has the whole node", "remove it")
    if linux and context.get("allowPrivilegeEscalation") is not False:
        yield resource.finding((*path, "allowPrivilegeEscalation"), "may gain rights", "set false")
    if context.get("procMount") not in (None, "Default"):
        yield resource.finding((*path, "procMount"), "shows the kernel's /proc", "remove it")
    if not own_users and context.get("runAsNonRoot", around.get("runAsNonRoot")) is None:
        yield resource.finding((*path, "runAsNonRoot"), "root is not ruled out", "set true, here or for the pod")
    if linux and at(context, "seccompProfile", "type") is None and at(around, "seccompProfile", "type") is None:
        yield resource.finding((*path, "seccompProfile"), "no filter of system calls", "type: RuntimeDefault")
    if linux:
        yield from _capabilities(resource, (*path, "capabilities"), mapping(context.get("capabilities")))
    for index, port in enumerate(listing(body.get("ports"))):
        if mapping(port).get("hostPort"):
            yield resource.finding(
                (*container.path, "ports", index, "hostPort"), "takes a port of the node", "remove it"
            )


def _capabilities(resource: Resource, path: Path, capabilities: Mapping[str, Any]) -> Iterator[Finding]:
    if "ALL" not in listing(capabilities.get("drop")):
        yield resource.finding((*path, "drop"), "keeps capabilities", "drop: [ALL]")
    for index, name in enumerate(listing(capabilities.get("add"))):
        if name != "NET_BIND_SERVICE":
            yield resource.finding((*path, "add", index), f"{name} is not allowed", "remove it")
