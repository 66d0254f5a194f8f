"""Values from a fixed list, and numbers within bounds, that the schemas give as any string and any number."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.manifests.finding import Finding
from pipelines.manifests.resource import Resource, select

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_PULLS = ("Always", "IfNotPresent", "Never")
_PROFILES = ("RuntimeDefault", "Localhost", "Unconfined")
_INCLUSIONS = ("Honor", "Ignore")
_OF_PODS = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "preemptionPolicy": ("Never", "PreemptLowerPriority"),
    "tolerations[].operator": ("", "Exists", "Equal"),
    "tolerations[].effect": ("", "NoSchedule", "PreferNoSchedule", "NoExecute"),
    "topologySpreadConstraints[].whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "topologySpreadConstraints[].nodeAffinityPolicy": _INCLUSIONS,
    "topologySpreadConstraints[].nodeTaintsPolicy": _INCLUSIONS,
    "securityContext.seccompProfile.type": _PROFILES,
    "securityContext.appArmorProfile.type": _PROFILES,
    "securityContext.fsGroupChangePolicy": ("OnRootMismatch", "Always"),
    "securityContext.supplementalGroupsPolicy": ("Merge", "Strict"),
    "securityContext.seLinuxChangePolicy": ("Recursive", "MountOption"),
    "os.name": ("linux", "windows"),
    "volumes[].image.pullPolicy": _PULLS,
    "volumes[].hostPath.type": ("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice",
                                "BlockDevice"),
    "volumes[].emptyDir.medium": ("", "Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"),
}  # fmt: skip
_OF_CONTAINERS = {
    "imagePullPolicy": _PULLS,
    "resizePolicy[].resourceName": ("cpu", "memory"),
    "resizePolicy[].restartPolicy": ("NotRequired", "RestartContainer"),
    "volumeMounts[].recursiveReadOnly": ("Disabled", "IfPossible", "Enabled"),
    "ports[].protocol": _PROTOCOLS,
    "terminationMessagePolicy": ("File", "FallbackToLogsOnError"),
    "securityContext.seccompProfile.type": _PROFILES,
    "securityContext.appArmorProfile.type": _PROFILES,
    "securityContext.procMount": ("Default", "Unmasked"),
    "livenessProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "readinessProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "startupProbe.httpGet.scheme": ("HTTP", "HTTPS"),
    "volumeMounts[].mountPropagation": ("None", "HostToContainer", "Bidirectional"),
}
_WEBHOOKS = {
    "webhooks[].sideEffects": ("None", "NoneOnDryRun"),
    "webhooks[].failurePolicy": ("Fail", "Ignore"),
    "webhooks[].matchPolicy": ("Exact", "Equivalent"),
    "webhooks[].reinvocationPolicy": ("Never", "IfNeeded"),
    "webhooks[].rules[].operations[]": ("*", "CREATE", "UPDATE", "DELETE", "CONNECT"),
    "webhooks[].rules[].scope": ("*", "Cluster", "Namespaced"),
}
_METRICS = ("Resource", "ContainerResource", "Pods", "Object", "External")
_OF_KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "Service": {
        "spec.type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        "spec.ports[].protocol": _PROTOCOLS,
        "spec.sessionAffinity": ("None", "ClientIP"),
        "spec.externalTrafficPolicy": ("Cluster", "Local"),
        "spec.internalTrafficPolicy": ("Cluster", "Local"),
        "spec.ipFamilies[]": ("IPv4", "IPv6"),
        "spec.ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
    },
    "Deployment": {"spec.strategy.type": ("Recreate", "RollingUpdate")},
    "StatefulSet": {
        "spec.updateStrategy.type": ("RollingUpdate", "OnDelete"),
        "spec.podManagementPolicy": ("OrderedReady", "Parallel"),
        "spec.persistentVolumeClaimRetentionPolicy.*": ("Retain", "Delete"),
    },
    "DaemonSet": {"spec.updateStrategy.type": ("RollingUpdate", "OnDelete")},
    "CronJob": {
        "spec.concurrencyPolicy": ("Allow", "Forbid", "Replace"),
        "spec.jobTemplate.spec.completionMode": ("NonIndexed", "Indexed"),
        "spec.jobTemplate.spec.podReplacementPolicy": ("TerminatingOrFailed", "Failed"),
    },
    "Job": {
        "spec.completionMode": ("NonIndexed", "Indexed"),
        "spec.podReplacementPolicy": ("TerminatingOrFailed", "Failed"),
    },
    "StorageClass": {
        "volumeBindingMode": ("Immediate", "WaitForFirstConsumer"),
        "reclaimPolicy": ("Delete", "Retain"),
    },
    "PersistentVolume": {
        "spec.persistentVolumeReclaimPolicy": ("Retain", "Delete", "Recycle"),
        "spec.volumeMode": ("Filesystem", "Block"),
        "spec.accessModes[]": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
    },
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "MutatingWebhookConfiguration": _WEBHOOKS,
    "IngressClass": {"spec.parameters.scope": ("Cluster", "Namespace")},
    "EndpointSlice": {"addressType": ("IPv4", "IPv6", "FQDN")},
    "PriorityClass": {"preemptionPolicy": ("Never", "PreemptLowerPriority")},
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
    "RoleBinding": {"subjects[].kind": ("User", "Group", "ServiceAccount"), "roleRef.kind": ("Role", "ClusterRole")},
    "ClusterRoleBinding": {"subjects[].kind": ("User", "Group", "ServiceAccount"), "roleRef.kind": ("ClusterRole",)},
}
_PORT, _COUNT, _POSITIVE, _WEIGHT, _MODE = (1, 65535), (0, 2**31 - 1), (1, 2**31 - 1), (1, 100), (0, 0o777)
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution[].weight"
_USERS = ("securityContext.runAsUser", "securityContext.runAsGroup")
_NUMBERS_OF_PODS = {
    "terminationGracePeriodSeconds": _COUNT, "topologySpreadConstraints[].maxSkew": _POSITIVE,
    "topologySpreadConstraints[].minDomains": _POSITIVE, "activeDeadlineSeconds": _POSITIVE,
    **{f"affinity.{kind}.{_PREFERRED}": _WEIGHT for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")},
    **{f"volumes[].{source}.defaultMode": _MODE for source in ("configMap", "secret", "downwardAPI", "projected")},
    **{f"volumes[].{base}{source}.items[].mode": _MODE
       for base in ("", "projected.sources[].") for source in ("configMap", "secret", "downwardAPI")},
    "securityContext.fsGroup": _COUNT, "securityContext.supplementalGroups[]": _COUNT, **dict.fromkeys(_USERS, _COUNT),
}  # fmt: skip
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NUMBERS_OF_CONTAINERS = {
    "ports[].containerPort": _PORT, "ports[].hostPort": _PORT, **dict.fromkeys(_USERS, _COUNT),
    "lifecycle.*.httpGet.port": _PORT, "lifecycle.*.tcpSocket.port": _PORT,
} | {f"{probe}.{handler}.port": _PORT for probe in _PROBES for handler in ("httpGet", "tcpSocket", "grpc")} | {
    f"{probe}.{field}": bounds for probe in _PROBES
    for field, bounds in {"initialDelaySeconds": _COUNT, "timeoutSeconds": _POSITIVE, "periodSeconds": _POSITIVE,
                          "failureThreshold": _POSITIVE, "successThreshold": _POSITIVE,
                          "terminationGracePeriodSeconds": _POSITIVE}.items()
}  # fmt: skip
_OF_JOBS = (
    "backoffLimit", "parallelism", "completions", "activeDeadlineSeconds", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_OF_CRON_JOBS = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
_NUMBERS_OF_KINDS: dict[str, dict[str, tuple[int, int]]] = {
    "Service": {"spec.ports[].port": _PORT, "spec.ports[].targetPort": _PORT},
    "Deployment": {"spec.replicas": _COUNT, "spec.minReadySeconds": _COUNT, "spec.revisionHistoryLimit": _COUNT,
                   "spec.progressDeadlineSeconds": _POSITIVE, "spec.strategy.rollingUpdate.*": _COUNT},
    "DaemonSet": {"spec.minReadySeconds": _COUNT, "spec.revisionHistoryLimit": _COUNT,
                  "spec.updateStrategy.rollingUpdate.*": _COUNT},
    "StatefulSet": {"spec.replicas": _COUNT, "spec.revisionHistoryLimit": _COUNT, "spec.minReadySeconds": _COUNT,
                    "spec.ordinals.start": _COUNT,
                    "spec.updateStrategy.rollingUpdate.*": _COUNT},
    "PodDisruptionBudget": {"spec.minAvailable": _COUNT, "spec.maxUnavailable": _COUNT},
    "Job": {f"spec.{field}": _COUNT for field in _OF_JOBS},
    "CronJob": {f"spec.jobTemplate.spec.{field}": _COUNT for field in _OF_JOBS}
    | {f"spec.{field}": _COUNT for field in _OF_CRON_JOBS},
    "NetworkPolicy": {f"spec.{way}[].ports[].{field}": _PORT for way in ("ingress", "egress")
                      for field in ("port", "endPort")},
    "HorizontalPodAutoscaler": {
        "spec.minReplicas": _POSITIVE, "spec.maxReplicas": _POSITIVE, "spec.behavior.*.policies[].value": _POSITIVE,
        "spec.behavior.*.policies[].periodSeconds": (1, 1800), "spec.behavior.*.stabilizationWindowSeconds": (0, 3600),
    },
    **dict.fromkeys(("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
                    {"webhooks[].timeoutSeconds": (1, 30)}),
    "APIService": {"spec.groupPriorityMinimum": (1, 20000), "spec.versionPriority": (1, 1000)},
    "Ingress": {"spec.rules[].http.paths[].backend.service.port.number": _PORT,
                "spec.defaultBackend.service.port.number": _PORT},
}  # fmt: skip


def choices(resource: Resource) -> Iterator[Finding]:
    """Values that are not among those allowed, numbers out of bounds."""
    for pattern, allowed in _OF_KINDS.get(resource.kind, {}).items():
        yield from _chosen(resource, pattern, allowed)
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
