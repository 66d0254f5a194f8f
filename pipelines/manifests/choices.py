"""Values from a fixed list, and numbers within bounds, that the schemas give as any string and any number."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, select

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_ACCESS = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_SELECTS = ("In", "NotIn", "Exists", "DoesNotExist")
_OF_PODS = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "preemptionPolicy": ("Never", "PreemptLowerPriority"),
    "tolerations[].operator": ("Exists", "Equal", "Lt", "Gt"),
    "tolerations[].effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "topologySpreadConstraints[].whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "securityContext.seccompProfile.type": ("RuntimeDefault", "Localhost", "Unconfined"),
    "securityContext.fsGroupChangePolicy": ("OnRootMismatch", "Always"),
    "volumes[].emptyDir.medium": ("", "Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"),
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[].matchExpressions[].operator":
        (*_SELECTS, "Gt", "Lt"),
}  # fmt: skip
_OF_CONTAINERS = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "ports[].protocol": _PROTOCOLS,
    "terminationMessagePolicy": ("File", "FallbackToLogsOnError"),
    "securityContext.seccompProfile.type": ("RuntimeDefault", "Localhost", "Unconfined"),
    "securityContext.procMount": ("Default", "Unmasked"),
    "livenessProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "readinessProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "startupProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "volumeMounts[].mountPropagation": ("None", "HostToContainer", "Bidirectional"),
}
_METRICS = ("Resource", "ContainerResource", "Pods", "Object", "External")
_OF_KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "Service": {
        "spec.type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        "spec.ports[].protocol": _PROTOCOLS,
        "spec.sessionAffinity": ("None", "ClientIP"),
        "spec.externalTrafficPolicy": ("Cluster", "Local"),
        "spec.internalTrafficPolicy": ("Cluster", "Local"),
        "spec.ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
    },
    "Deployment": {"spec.strategy.type": ("Recreate", "RollingUpdate")},
    "StatefulSet": {
        "spec.updateStrategy.type": ("RollingUpdate", "OnDelete"),
        "spec.podManagementPolicy": ("OrderedReady", "Parallel"),
        "spec.volumeClaimTemplates[].spec.accessModes[]": _ACCESS,
    },
    "CronJob": {"spec.concurrencyPolicy": ("Allow", "Forbid", "Replace")},
    "Job": {"spec.completionMode": ("NonIndexed", "Indexed")},
    "PersistentVolumeClaim": {
        "spec.accessModes[]": _ACCESS,
        "spec.volumeMode": ("Filesystem", "Block"),
    },
    "NetworkPolicy": {
        "spec.policyTypes[]": ("Ingress", "Egress"),
        "spec.ingress[].ports[].protocol": _PROTOCOLS,
        "spec.egress[].ports[].protocol": _PROTOCOLS,
    },
    "HorizontalPodAutoscaler": {
        "spec.metrics[].type": _METRICS,
        "spec.metrics[].*.target.type": ("Utilization", "Value", "AverageValue"),
        "spec.behavior.*.selectPolicy": ("Max", "Min", "Disabled"),
        "spec.behavior.*.policies[].type": ("Pods", "Percent"),
    },
    "PodDisruptionBudget": {"spec.unhealthyPodEvictionPolicy": ("IfHealthyBudget", "AlwaysAllow")},
    "LimitRange": {"spec.limits[].type": ("Container", "Pod", "PersistentVolumeClaim")},
    "RoleBinding": {"subjects[].kind": ("User", "Group", "ServiceAccount"), "roleRef.kind": ("Role", "ClusterRole")},
    "ClusterRoleBinding": {"subjects[].kind": ("User", "Group", "ServiceAccount"), "roleRef.kind": ("ClusterRole",)},
}
_SELECTORS = (
    "spec.selector", "spec.podSelector", "spec.namespaceSelector",
    "spec.ingress[].from[].podSelector", "spec.ingress[].from[].namespaceSelector",
    "spec.egress[].to[].podSelector", "spec.egress[].to[].namespaceSelector",
)  # fmt: skip

_PORT, _COUNT, _POSITIVE = (1, 65535), (0, 2**31 - 1), (1, 2**31 - 1)
_USERS = ("securityContext.runAsUser", "securityContext.runAsGroup")
_NUMBERS_OF_PODS = {
    "terminationGracePeriodSeconds": _COUNT, "topologySpreadConstraints[].maxSkew": _POSITIVE,
    "securityContext.fsGroup": _COUNT, "securityContext.supplementalGroups[]": _COUNT, **dict.fromkeys(_USERS, _COUNT),
}  # fmt: skip
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NUMBERS_OF_CONTAINERS = {
    "ports[].containerPort": _PORT, "ports[].hostPort": _PORT, **dict.fromkeys(_USERS, _COUNT),
    "lifecycle.*.httpGet.port": _PORT, "lifecycle.*.tcpSocket.port": _PORT,
} | {f"{probe}.{handler}.port": _PORT for probe in _PROBES for handler in ("httpGet", "tcpSocket", "grpc")} | {
    f"{probe}.{field}": bounds for probe in _PROBES
    for field, bounds in {"initialDelaySeconds": _COUNT, "timeoutSeconds": _POSITIVE, "periodSeconds": _POSITIVE,
                          "failureThreshold": _POSITIVE, "successThreshold": _POSITIVE}.items()
}  # fmt: skip
_NUMBERS_OF_KINDS: dict[str, dict[str, tuple[int, int]]] = {
    "Service": {"spec.ports[].port": _PORT, "spec.ports[].targetPort": _PORT, "spec.ports[].nodePort": _PORT},
    "Deployment": {"spec.replicas": _COUNT, "spec.minReadySeconds": _COUNT, "spec.revisionHistoryLimit": _COUNT,
                   "spec.progressDeadlineSeconds": _POSITIVE, "spec.strategy.rollingUpdate.*": _COUNT},
    "StatefulSet": {"spec.replicas": _COUNT, "spec.revisionHistoryLimit": _COUNT,
                    "spec.updateStrategy.rollingUpdate.*": _COUNT},
    "PodDisruptionBudget": {"spec.minAvailable": _COUNT, "spec.maxUnavailable": _COUNT},
    "Job": {"spec.backoffLimit": _COUNT, "spec.parallelism": _COUNT, "spec.completions": _COUNT},
    "NetworkPolicy": {f"spec.{way}[].ports[].{field}": _PORT for way in ("ingress", "egress")
                      for field in ("port", "endPort")},
    "HorizontalPodAutoscaler": {
        "spec.minReplicas": _POSITIVE, "spec.maxReplicas": _POSITIVE, "spec.behavior.*.policies[].value": _POSITIVE,
        "spec.behavior.*.policies[].periodSeconds": (1, 1800), "spec.behavior.*.stabilizationWindowSeconds": (0, 3600),
    },
    "Ingress": {"spec.rules[].http.paths[].backend.service.port.number": _PORT},
}  # fmt: skip


def choices(resource: Resource) -> Iterator[Finding]:
    """Values that are not among those allowed, numbers out of bounds."""
    for pattern, allowed in _OF_KINDS.get(resource.kind, {}).items():
        yield from _chosen(resource, pattern, allowed)
    for base in _SELECTORS:
        yield from _chosen(resource, f"{base}.matchExpressions[].operator", _SELECTS)
    for pattern, bounds in _NUMBERS_OF_KINDS.get(resource.kind, {}).items():
        yield from _bounded(resource, pattern, bounds)
    for pod in resource.pods:
        spec = ".".join(str(part) for part in pod.spec_path)
        for pattern, allowed in _OF_PODS.items():
            yield from _chosen(resource, f"{spec}.{pattern}", allowed)
        for pattern, bounds in _NUMBERS_OF_PODS.items():
            yield from _bounded(resource, f"{spec}.{pattern}", bounds)
        for group in ("containers", "initContainers"):
            for pattern, allowed in _OF_CONTAINERS.items():
                yield from _chosen(resource, f"{spec}.{group}[].{pattern}", allowed)
            for pattern, bounds in _NUMBERS_OF_CONTAINERS.items():
                yield from _bounded(resource, f"{spec}.{group}[].{pattern}", bounds)


def _chosen(resource: Resource, pattern: str, allowed: tuple[str, ...]) -> Iterator[Finding]:
    for path, value in select(resource.body, pattern):
        if isinstance(value, str) and value not in allowed:
            mend = f"one of {', '.join(filter(None, allowed))}"
            yield resource.finding(path, f"{value!r:.40} is not allowed", mend)


def _bounded(resource: Resource, pattern: str, bounds: tuple[int, int]) -> Iterator[Finding]:
    low, high = bounds
    for path, value in select(resource.body, pattern):
        if isinstance(value, int) and not isinstance(value, bool) and not low <= value <= high:
            yield resource.finding(path, f"{value} is out of range", f"from {low} to {high}")
