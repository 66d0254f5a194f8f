"""References from pods: config maps, secrets and their keys, claims, volumes, accounts, names of ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.manifests.finding import Finding, Path
from pipelines.manifests.index import Index, matches, ports
from pipelines.manifests.probes import PROBES
from pipelines.manifests.resource import Container, Pod, at, listing, mapping, select

_ALWAYS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
_SYSTEM_PRIORITY = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_MEND = "add it to the files that are checked, or correct the name"
_MOUNTED = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}


def references(index: Index) -> Iterator[Finding]:
    """What pods refer to and is not there."""
    for resource in index.resources:
        for pod in resource.pods:
            yield from _of_pod(index, pod)
            for container in pod.containers():
                yield from _environment(index, container)
                yield from _mounts(container)
                yield from _handlers(container)


def there(index: Index, pod: Pod, path: Path, kind: str, name: Any) -> Iterator[Finding]:
    """A finding where a named resource is not there."""
    namespace = pod.owner.namespace
    if name and (kind, str(name)) not in _ALWAYS and not _known(index, kind, namespace, name):
        yield pod.owner.finding(path, f"no {kind} {name} in {namespace}", _MEND)


def _known(index: Index, kind: str, namespace: str, name: Any) -> bool:
    if kind in ("Secret", "ConfigMap"):
        return index.keys(kind, namespace, name) is not None
    return index.get(kind, namespace, name) is not None


def _of_pod(index: Index, pod: Pod) -> Iterator[Finding]:
    spec, path = pod.spec, pod.spec_path
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    yield from there(index, pod, (*path, "serviceAccountName"), "ServiceAccount", account)
    yield from _priority(index, pod)
    for place, name in select(spec, "imagePullSecrets[].name", path):
        yield from there(index, pod, place, "Secret", name)
    for number, volume in enumerate(listing(spec.get("volumes"))):
        yield from _volume(index, pod, (*path, "volumes", number), mapping(volume))
    if pod.owner.kind not in ("Pod", "Job", "CronJob"):
        yield from _selects_itself(pod)


def _priority(index: Index, pod: Pod) -> Iterator[Finding]:
    """The class of a pod, from which the server computes its priority."""
    name, given = pod.spec.get("priorityClassName"), pod.spec.get("priority")
    of = index.get("PriorityClass", "", name) if name else None
    if name and str(name) not in _SYSTEM_PRIORITY and of is None:
        yield pod.owner.finding((*pod.spec_path, "priorityClassName"), f"no PriorityClass {name}", _MEND)
    computed = of.body.get("value") if of else _SYSTEM_PRIORITY.get(str(name), 0)
    if given is not None and given != computed:
        yield pod.owner.finding((*pod.spec_path, "priority"), f"computed: {computed}", "remove it")


def _selects_itself(pod: Pod) -> Iterator[Finding]:
    """A workload finds its own pods, and its spreading counts them."""
    selector = mapping(at(pod.owner.body, "spec", "selector"))
    if selector and not matches(selector, pod.labels):
        mend = "give the selector labels that the template has"
        yield pod.owner.finding(("spec", "selector"), "does not find the pods of its own template", mend)
    if selector == {} and "selector" in mapping(pod.owner.body.get("spec")):
        yield pod.owner.finding(("spec", "selector"), "an empty selector", "give it labels of the template")
    for path, spread in select(pod.spec, "topologySpreadConstraints[].labelSelector", pod.spec_path):
        if not matches(mapping(spread), pod.labels):
            yield pod.owner.finding(path, "does not find the pods of its own template", "labels that the template has")


def _volume(index: Index, pod: Pod, path: Path, volume: Mapping[str, Any]) -> Iterator[Finding]:
    claim = at(volume, "persistentVolumeClaim", "claimName")
    where = (*path, "persistentVolumeClaim", "claimName")
    yield from there(index, pod, where, "PersistentVolumeClaim", claim)
    for source, (kind, field) in _MOUNTED.items():
        if isinstance(volume.get(source), Mapping):
            yield from _data(index, pod, (*path, source), kind, field, volume[source])
    for number, part in enumerate(listing(at(volume, "projected", "sources"))):
        for source, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if isinstance(mapping(part).get(source), Mapping):
                place = (*path, "projected", "sources", number, source)
                yield from _data(index, pod, place, kind, "name", mapping(part)[source])


def _data(index: Index, pod: Pod, path: Path, kind: str, field: str, source: Mapping[str, Any]) -> Iterator[Finding]:  # noqa: PLR0913  what, where and who
    if source.get("optional"):
        return
    yield from there(index, pod, (*path, field), kind, source.get(field))
    keys = index.keys(kind, pod.owner.namespace, source.get(field))
    for place, key in select(source, "items[].key", path):
        if keys is not None and str(key) not in keys:
            yield _no_key(pod, place, kind, source.get(field), key)


def _no_key(pod: Pod, path: Path, kind: str, name: Any, key: Any) -> Finding:
    return pod.owner.finding(path, f"{kind} {name} has no key {key}", "add the key, or correct its name")


def _environment(index: Index, container: Container) -> Iterator[Finding]:
    pod, path = container.pod, container.path
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        for place, ref in select(container.body, f"env[].valueFrom.{field}", path):
            if mapping(ref).get("optional"):
                continue
            keys = index.keys(kind, pod.owner.namespace, at(ref, "name"))
            if keys is None:
                yield from there(index, pod, (*place, "name"), kind, at(ref, "name"))
            elif str(at(ref, "key")) not in keys:
                yield _no_key(pod, (*place, "key"), kind, at(ref, "name"), at(ref, "key"))
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        for place, ref in select(container.body, f"envFrom[].{field}", path):
            if not mapping(ref).get("optional"):
                yield from there(index, pod, (*place, "name"), kind, at(ref, "name"))
    yield from _amounts(container)


def _amounts(container: Container) -> Iterator[Finding]:
    """A variable is the limit of a container that is there."""
    names = [one.body.get("name") for one in container.pod.containers()]
    for place, name in select(container.body, "env[].valueFrom.resourceFieldRef.containerName", container.path):
        if name and name not in names:
            yield container.pod.owner.finding(place, f"no container {name}", "correct the name")


def _mounts(container: Container) -> Iterator[Finding]:
    pod = container.pod
    volumes = [mapping(volume).get("name") for volume in listing(pod.spec.get("volumes"))]
    volumes += [name for _, name in select(pod.owner.body, "spec.volumeClaimTemplates[].metadata.name")]
    for place, name in select(container.body, "volumeMounts[].name", container.path):
        if name not in volumes:
            yield pod.owner.finding(place, f"no volume {name}", "add the volume, or correct the name")


def _handlers(container: Container) -> Iterator[Finding]:
    names, _ = ports(container)
    for base in (*PROBES, "lifecycle.preStop", "lifecycle.postStart"):
        for handler in ("httpGet", "tcpSocket"):
            for place, port in select(container.body, f"{base}.{handler}.port", container.path):
                if isinstance(port, str) and port not in names:
                    yield container.pod.owner.finding(place, f"no port named {port}", "name it among the ports")
