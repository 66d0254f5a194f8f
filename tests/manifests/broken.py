"""Broken manifests: one mutation each, and the path that the finding must name. No two are the same kind of mistake."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

GONE = object()
"""Take the field away."""


class Broken(NamedTuple):
    mistake: str
    resource: str
    """Kind/name."""
    field: str
    value: Any
    path: str = ""
    """Where the finding must be; `field` if empty."""
    by: str = ""
    """Kind/name of the resource that the finding is about; `resource` if empty."""


S = "Deployment/raftops-service"
SPEC = "spec.template.spec"
C = f"{SPEC}.containers[0]"
CONTEXT = f"{C}.securityContext"
NET = "NetworkPolicy/allow-steps"
HPA = "HorizontalPodAutoscaler/raftops-service"
PDB = "PodDisruptionBudget/raftops-service"
SVC = "Service/raftops-service"
JOB = "Job/once"
PATH = "spec.rules[0].http.paths[0]"
QUEUE = "ClusterQueue/raftops-gpu"
MILVUS = "Milvus/milvus"
GPU = "nvidia.com/gpu"
LAUNCHER = "ConfigMap/kfp-launcher"
REF = "data.providers.s3.default.credentials.secretRef"


def provider(**changes: Any) -> str:
    """The launcher's providers, with something else in the default of s3; None takes it away."""
    keys = {"secretName": "raftops-artifacts", "accessKeyKey": "access-key", "secretKeyKey": "secret-key"}
    default = {"endpoint": "https://minio.example", "credentials": {"fromEnv": False, "secretRef": keys}} | changes
    return yaml.safe_dump({"s3": {"default": {k: v for k, v in default.items() if v is not None}}})


def secret_ref(**changes: Any) -> str:
    """The same, with another reference to the secret."""
    keys = {"secretName": "raftops-artifacts", "accessKeyKey": "access-key", "secretKeyKey": "secret-key"} | changes
    return provider(credentials={"fromEnv": False, "secretRef": keys})


BROKEN = (
    # shape
    Broken("a field that there is not", S, "spec.replcias", 2),
    Broken("a word for a number", S, "spec.minReadySeconds", "five"),
    Broken("a mapping for a list", S, f"{SPEC}.containers", {"name": "service"}),
    Broken("a selector left out", S, "spec.selector", GONE),
    Broken("a version of long ago", S, "apiVersion", "apps/v1beta1", "kind"),
    Broken("a kind that there is not", S, "kind", "Deploymant", "kind", "Deploymant/raftops-service"),
    Broken("no kind", "LimitRange/raftops", "kind", GONE, "kind", "resource/raftops"),
    Broken("no apiVersion", "LimitRange/raftops", "apiVersion", GONE),
    Broken("a kind of an unknown operator", MILVUS, "apiVersion", "milvus.io/v9", "kind"),
    Broken("a number in a config map", "ConfigMap/raftops-service", "data.RAFTOPS_TIMEOUT", 60),
    Broken("a number as a variable", S, f"{C}.env[0]", {"name": "N", "value": 3}, f"{C}.env[0].value"),
    Broken("true as a label", "Namespace/raftops", "metadata.labels.fast", True),
    Broken("a null where something must be", S, "spec.selector", None),
    Broken("a container without a name", S, f"{C}.name", GONE),
    Broken("an element that is nothing", S, f"{C}.env[0]", None),
    Broken("a probe's path misspelt", S, f"{C}.livenessProbe.httpGet.pth", "/livez"),
    # names
    Broken("no name", "LimitRange/raftops", "metadata.name", GONE),
    Broken("a capital in a name", SVC, "metadata.name", "Raftops"),
    Broken("an underscore in a namespace", "Namespace/raftops", "metadata.name", "raft_ops"),
    Broken("a dot in a service's name", SVC, "metadata.name", "raftops.service"),
    Broken("a name with 64 letters", "Namespace/raftops", "metadata.name", "a" * 64),
    Broken("a dot in a container's name", S, f"{C}.name", "raft.ops"),
    Broken("a port's name of 16 letters", S, f"{C}.ports[0].name", "a" * 16),
    Broken("a port's name without a letter", S, f"{C}.ports[0].name", "3000"),
    Broken("a capital in a volume's name", S, f"{SPEC}.volumes[0].name", "Store"),
    Broken("a space in a label", S, "spec.template.metadata.labels.team", "two words"),
    Broken("a label's key with two slashes", "Namespace/raftops", "metadata.labels[a/b/c]", "x"),
    Broken("a slash in a key", "ConfigMap/raftops-service", "data[a/b]", "x"),
    Broken("an = in a variable's name", S, f"{C}.env[0].name", "MILVUS=TOKEN"),
    Broken("a namespace with a slash", SVC, "metadata.namespace", "raft/ops"),
    Broken("a space in a selector", NET, "spec.egress[2].to[0].podSelector.matchExpressions[0].key", "a name"),
    Broken("a slash in a selector's value", NET, "spec.egress[0].to[0].namespaceSelector.matchLabels.a", "x/y"),
    Broken("a dash before a toleration's key", S, f"{SPEC}.tolerations[0].key", "-gpu"),
    Broken("a space in a secret's key", S, f"{C}.env[0].valueFrom.secretKeyRef.key", "the token"),
    Broken("a policy's port without a letter", NET, "spec.egress[2].ports[0].port", "3000"),
    Broken("an autoscaler of a path", HPA, "spec.scaleTargetRef.kind", "apps/Deployment"),
    Broken("a metric with a slash", HPA, "spec.metrics[0].pods.metric.name", "raftops/queue"),
    Broken("a host with an underscore", "Ingress/raftops", "spec.rules[0].host", "my_answers.example.com"),
    # each once
    Broken("two containers of one name", S, f"{SPEC}.initContainers", "COPY", f"{C}.name"),
    Broken("two variables of one name", S, f"{C}.env[1]", {"name": "MILVUS_TOKEN", "value": "x"}, f"{C}.env[1].name"),
    Broken("two mounts at one place", S, f"{C}.volumeMounts[1].mountPath", "/dev/shm"),
    Broken("a service's port twice", SVC, "spec.ports[1]", {"name": "again", "port": 80}, "spec.ports[1].port"),
    Broken("ports without names", SVC, "spec.ports[1]", {"port": 81, "targetPort": "http"}, "spec.ports[1].name"),
    Broken("two resources of one name", "Role/raftops-trainer", "metadata.name", "raftops-runner"),
    # ports
    Broken("a container's port of 70000", S, f"{C}.ports[0].containerPort", 70000),
    Broken("a service's port of 0", SVC, "spec.ports[0].port", 0),
    Broken("a target port below 0", SVC, "spec.ports[0].targetPort", -1),
    Broken("a policy's port of 65536", NET, "spec.egress[0].ports[0].port", 65536),
    Broken("a probe's port of 0", S, f"{C}.livenessProbe.httpGet.port", 0),
    Broken("a range of ports that ends first", NET, "spec.egress[0].ports[0].endPort", 80),
    # choices
    Broken("a type of service that there is not", SVC, "spec.type", "Internal"),
    Broken("a pull policy that there is not", S, f"{C}.imagePullPolicy", "Sometimes"),
    Broken("a protocol that there is not", SVC, "spec.ports[0].protocol", "HTTP"),
    Broken("a direction that there is not", NET, "spec.policyTypes[0]", "Outgoing"),
    Broken("a strategy that there is not", S, "spec.strategy.type", "Rolling"),
    Broken("a spreading that there is not", S, f"{SPEC}.topologySpreadConstraints[0].whenUnsatisfiable", "Try"),
    Broken("a toleration's effect", S, f"{SPEC}.tolerations[0].effect", "NoRun"),
    Broken("a toleration's operator", S, f"{SPEC}.tolerations[0].operator", "Is"),
    Broken("an access mode that there is not", "PersistentVolumeClaim/raftops-store", "spec.accessModes[0]", "RWX"),
    Broken("a seccomp profile that there is not", S, f"{SPEC}.securityContext.seccompProfile.type", "Default"),
    Broken("an operator of a selector", NET, "spec.egress[1].to[0].namespaceSelector.matchExpressions[0].operator",
           "Of"),
    Broken("an autoscaler's target type", HPA, "spec.metrics[0].pods.target.type", "Mean"),
    Broken("a medium that there is not", S, f"{SPEC}.volumes[2].emptyDir.medium", "Disk"),
    Broken("a group below zero", S, f"{SPEC}.securityContext.fsGroup", -1),
    Broken("a user with too large a number", S, f"{CONTEXT}.runAsUser", 2**31),
    Broken("steps of an hour", HPA, "spec.behavior.scaleDown.policies[0].periodSeconds", 3600),
    Broken("a step of nothing", HPA, "spec.behavior.scaleDown.policies[0].value", 0),
    Broken("a window of two hours", HPA, "spec.behavior.scaleDown.stabilizationWindowSeconds", 7200),
    Broken("a way to match paths", "Ingress/raftops", f"{PATH}.pathType", "Regex"),
    # amounts
    Broken("a unit that there is not", S, f"{C}.resources.requests.memory", "4 GB"),
    Broken("an amount below zero", S, f"{C}.resources.requests.cpu", "-1"),
    Broken("more memory than the limit", S, f"{C}.resources.requests.memory", "64Gi"),
    Broken("more cpu than the limit", S, f"{C}.resources.limits.cpu", "1", f"{C}.resources.requests.cpu"),
    Broken("a third of a GPU", S, f"{C}.resources.limits[{GPU}]", "0.3"),
    Broken("a GPU asked for without a limit", S, f"{C}.resources.limits[{GPU}]", GONE),
    Broken("two GPUs of which one is asked for", S, f"{C}.resources.limits[{GPU}]",
           "2", f"{C}.resources.requests[{GPU}]"),
    Broken("a resource that there is not", S, f"{C}.resources.requests.ram", "1Gi"),
    Broken("no limit of memory", S, f"{C}.resources.limits.memory", GONE),
    Broken("no request of cpu", S, f"{C}.resources.requests.cpu", GONE),
    Broken("a quota of nothing sensible", "ResourceQuota/raftops", "spec.hard.pods", "many"),
    Broken("a default above the maximum", "LimitRange/raftops", "spec.limits[0].default.memory", "256Gi"),
    Broken("a claim without a size", "PersistentVolumeClaim/raftops-store", "spec.resources.requests.storage", GONE),
    Broken("a claim without a mode", "PersistentVolumeClaim/raftops-store", "spec.accessModes", []),
    Broken("half a GPU for a node of training", "TrainJob/handbook-train",
           f"spec.trainer.resourcesPerNode.limits[{GPU}]", "0.5"),
    # pods and what makes them
    Broken("a job that restarts for ever", JOB, f"{SPEC}.restartPolicy", "Always"),
    Broken("a job that does not say", JOB, f"{SPEC}.restartPolicy", GONE),
    Broken("a service that is not restarted", S, f"{SPEC}.restartPolicy", "Never"),
    Broken("a schedule of four fields", "CronJob/nightly", "spec.schedule", "0 3 * *"),
    Broken("a probe with two handlers", S, f"{C}.readinessProbe.tcpSocket", {"port": 3000}, f"{C}.readinessProbe"),
    Broken("a probe without a handler", S, f"{C}.startupProbe.httpGet", GONE, f"{C}.startupProbe"),
    Broken("a liveness of two successes", S, f"{C}.livenessProbe.successThreshold", 2),
    Broken("a probe every 0 seconds", S, f"{C}.livenessProbe.periodSeconds", 0),
    Broken("a hook longer than the grace period", S, f"{SPEC}.terminationGracePeriodSeconds", 10,
           f"{C}.lifecycle.preStop.sleep.seconds"),
    Broken("nothing may be down and nothing on top", S, "spec.strategy.rollingUpdate.maxSurge", 0,
           "spec.strategy.rollingUpdate.maxUnavailable"),
    Broken("a rolling update of type Recreate", S, "spec.strategy.type", "Recreate", "spec.strategy.rollingUpdate"),
    Broken("a container without an image", S, f"{C}.image", GONE),
    Broken("no container", S, f"{SPEC}.containers", []),
    Broken("a volume without a source", S, f"{SPEC}.volumes[1].persistentVolumeClaim", GONE, f"{SPEC}.volumes[1]"),
    Broken("a path out of a volume", S, f"{C}.volumeMounts[1].subPath", "../etc"),
    Broken("replicas below zero", "StatefulSet/milvus", "spec.replicas", -1),
    Broken("a selector of nothing", "StatefulSet/milvus", "spec.selector", {"matchLabels": {}}),
    Broken("a source of variables that is none", S, f"{C}.envFrom[0].configMapRef", GONE, f"{C}.envFrom[0]"),
    Broken("a source of variables without a name", S, f"{C}.envFrom[0].configMapRef.name", ""),
    Broken("a variable from nowhere", S, f"{C}.env[0].valueFrom", {}),
    Broken("a toleration of nothing", S, f"{SPEC}.tolerations[0]", {}, f"{SPEC}.tolerations[0].operator"),
    Broken("a spreading over nothing", S, f"{SPEC}.topologySpreadConstraints[0].topologyKey", ""),
    Broken("a metric's target in words", HPA, "spec.metrics[0].pods.target.averageValue", "some"),
    Broken("a metric's target of nothing", HPA, "spec.metrics[0].pods.target.averageValue", "0"),
    Broken("a surge beyond what a server can count", S, "spec.strategy.rollingUpdate.maxSurge", 2**31),
    Broken("a budget beyond what a server can count", PDB, "spec.maxUnavailable", 2**40),
    Broken("a surge in words", S, "spec.strategy.rollingUpdate.maxSurge", "half"),
    # references of pods
    Broken("a config map that there is not", S, f"{C}.envFrom[0].configMapRef.name", "raftops-settings"),
    Broken("a key that a config map has not", S, f"{C}.env[0].valueFrom",
           {"configMapKeyRef": {"name": "raftops-service", "key": "PORT"}},
           f"{C}.env[0].valueFrom.configMapKeyRef.key"),
    Broken("a key that a secret will not have", S, f"{C}.env[0].valueFrom",
           {"secretKeyRef": {"name": "raftops-milvus", "key": "password"}}, f"{C}.env[0].valueFrom.secretKeyRef.key"),
    Broken("a secret that there is not", S, f"{C}.envFrom[0]", {"secretRef": {"name": "none"}},
           f"{C}.envFrom[0].secretRef.name"),
    Broken("a file that a config map has not", "StatefulSet/milvus", f"{SPEC}.volumes[0].configMap.items[0].key",
           "e.yaml"),
    Broken("an account that there is not", S, f"{SPEC}.serviceAccountName", "raftops"),
    Broken("a claim that there is not", S, f"{SPEC}.volumes[1].persistentVolumeClaim.claimName", "raftops"),
    Broken("a mount of no volume", S, f"{C}.volumeMounts[1].name", "storage"),
    Broken("a port's name that there is not", S, f"{C}.readinessProbe.httpGet.port", "web"),
    Broken("a registry's secret that there is not", S, f"{SPEC}.imagePullSecrets", [{"name": "pull"}],
           f"{SPEC}.imagePullSecrets[0].name"),
    Broken("a priority that there is not", S, f"{SPEC}.priorityClassName", "urgent"),
    Broken("a selector of other pods", S, "spec.selector.matchLabels[app.kubernetes.io/name]", "service",
           "spec.selector"),
    Broken("a spreading of other pods", S,
           f"{SPEC}.topologySpreadConstraints[0].labelSelector.matchLabels[app.kubernetes.io/name]", "service",
           f"{SPEC}.topologySpreadConstraints[0].labelSelector"),
    # references between resources
    Broken("a service of no pods", SVC, "spec.selector[app.kubernetes.io/name]", "service", "spec.selector"),
    Broken("a target port that nobody has", SVC, "spec.ports[0].targetPort", "web"),
    Broken("a target port that nobody listens on", SVC, "spec.ports[0].targetPort", 8080),
    Broken("a budget of no pods", PDB, "spec.selector.matchLabels[app.kubernetes.io/name]", "service", "spec.selector"),
    Broken("a policy of no pods", "NetworkPolicy/allow-service", "spec.podSelector.matchExpressions[0].values",
           ["service"], "spec.podSelector"),
    Broken("an opening to no pods", NET, "spec.egress[2].to[0].podSelector.matchExpressions[0].values",
           ["service"], "spec.egress[2].to[0].podSelector"),
    Broken("an autoscaler of nothing", HPA, "spec.scaleTargetRef.name", "service"),
    Broken("two autoscalers of one deployment", "HorizontalPodAutoscaler/handbook-green", "spec.scaleTargetRef.name",
           "handbook-blue", "spec.scaleTargetRef"),
    Broken("an autoscaler that is fought", S, "spec.replicas", 2),
    Broken("a role that there is not", "RoleBinding/raftops-runner", "roleRef.name", "runner"),
    Broken("an account of a binding that there is not", "RoleBinding/raftops-runner", "subjects[0].name", "runner"),
    Broken("an account of no namespace", "RoleBinding/raftops-runner", "subjects[0].namespace", GONE),
    Broken("a namespace that there is not", SVC, "metadata.namespace", "raftopps"),
    Broken("a stateful set's service that there is not", "StatefulSet/milvus", "spec.serviceName", "milvus-headless"),
    Broken("a monitor of no service", "ServiceMonitor/raftops-service",
           "spec.selector.matchExpressions[0].values", ["service"], "spec.selector"),
    Broken("a monitor of no port", "ServiceMonitor/raftops-service", "spec.endpoints[0].port", "metrics"),
    Broken("an ingress to no service", "Ingress/raftops", "spec.rules[0].http.paths[0].backend.service.name", "web"),
    Broken("an ingress to no port", "Ingress/raftops", "spec.rules[0].http.paths[0].backend.service.port.name", "web"),
    Broken("a secret of S3 that there is not", MILVUS, "spec.dependencies.storage.secretRef", "s3"),
    Broken("a queue of no queue", "LocalQueue/raftops-gpu", "spec.clusterQueue", "gpu"),
    Broken("a flavour that there is not", QUEUE, "spec.resourceGroups[0].flavors[0].name", "nvidia"),
    Broken("a queue that leaves out a resource", QUEUE, "spec.resourceGroups[0].flavors[0].resources[2]", GONE,
           "spec.resourceGroups[0].flavors[0].resources"),
    Broken("a store of secrets that there is not", "ExternalSecret/raftops-hub", "spec.secretStoreRef.kind",
           "SecretStore",
           "spec.secretStoreRef.name"),
    Broken("two makers of one secret", "ExternalSecret/raftops-hub", "spec.target.name", "raftops-made"),
    Broken("a rule without verbs", "Role/raftops-runner", "rules[1].verbs", []),
    Broken("a verb that nobody asks for", "Role/raftops-deployer", "rules[0].verbs[1]", "lst"),
    Broken("a resource in the singular", "Role/raftops-deployer", "rules[0].resources[0]", "deployment"),
    Broken("a resource of another group", "Role/raftops-deployer", "rules[0].apiGroups", ["batch"],
           "rules[0].resources[0]"),
    Broken("a port that nobody listens on", "NetworkPolicy/allow-service", "spec.ingress[0].ports[0].port", 3333),
    Broken("an application of nothing", "Application/raftops", "spec.source", GONE),
    Broken("an application without a folder", "Application/raftops", "spec.source.path", GONE, "spec.source"),
    Broken("an application for two clusters", "Application/raftops", "spec.destination.name", "in-cluster",
           "spec.destination"),
    Broken("a scrape longer than its interval", "ServiceMonitor/raftops-service", "spec.endpoints[0].scrapeTimeout",
           "30s"),
    Broken("a rule without a group", "Role/raftops-runner", "rules[1].apiGroups", GONE),
    Broken("a rule without resources", "Role/raftops-runner", "rules[1].resources", []),
    Broken("a role of another group", "RoleBinding/raftops-runner", "roleRef.apiGroup", "rbac"),
    Broken("an account of a group", "RoleBinding/raftops-runner", "subjects[0].apiGroup", "v1"),
    # where Kubeflow keeps artifacts
    Broken("a root that is no bucket", LAUNCHER, "data.defaultPipelineRoot", "/artifacts"),
    Broken("a root of a provider without keys", LAUNCHER, "data.defaultPipelineRoot", "gs://bucket", "data.providers"),
    Broken("providers that are no YAML", LAUNCHER, "data.providers", "s3: {"),
    Broken("a provider that there is not", LAUNCHER, "data.providers", "azure: {}\n" + provider(),
           "data.providers.azure"),
    Broken("an address without credentials", LAUNCHER, "data.providers", provider(credentials=None),
           "data.providers.s3.default.credentials"),
    Broken("keys from nowhere", LAUNCHER, "data.providers", provider(credentials={"fromEnv": False}),
           f"{REF}.secretName"),
    Broken("a bucket's field misspelt", LAUNCHER, "data.providers", provider(disableSsl=True),
           "data.providers.s3.default.disableSsl"),
    Broken("no encryption at an https address", LAUNCHER, "data.providers", provider(disableSSL=True),
           "data.providers.s3.default.disableSSL"),
    Broken("a bucket's secret that there is not", LAUNCHER, "data.providers", secret_ref(secretName="keys"),  # noqa: S106
           f"{REF}.secretName"),
    Broken("a key that the bucket's secret has not", LAUNCHER, "data.providers", secret_ref(accessKeyKey="accesskey"),
           f"{REF}.accessKeyKey"),
    Broken("a bucket's secret that nobody may read", "Role/raftops-artifacts", "rules[0].resourceNames",
           ["raftops-hub"], f"{REF}.secretName", LAUNCHER),
    Broken("an exception for no bucket", LAUNCHER, "data.providers",
           provider() + "  overrides: [{credentials: {fromEnv: true}}]", "data.providers.s3.overrides[0].bucketName"),
    # services, policies, autoscalers, budgets
    Broken("a node's port inside the cluster", SVC, "spec.ports[0].nodePort", 30080),
    Broken("an external name that is not said", "Service/milvus", "spec.externalName", GONE),
    Broken("an external name that is no host", "Service/milvus", "spec.externalName", "milvus_proxy"),
    Broken("a direction twice", "NetworkPolicy/default-deny", "spec.policyTypes", ["Ingress", "Egress", "Ingress"]),
    Broken("a peer that is nothing", NET, "spec.egress[3].to[0]", {"ipBlock": None}),
    Broken("a budget in words", PDB, "spec.maxUnavailable", "one"),
    Broken("steps without a rule", HPA, "spec.behavior.scaleDown.policies", []),
    Broken("an ingress without rules", "Ingress/raftops", "spec.rules", []),
    Broken("an ingress without paths", "Ingress/raftops", "spec.rules[0].http.paths", []),
    Broken("a path that begins nowhere", "Ingress/raftops", f"{PATH}.path", "answers"),
    Broken("a path with nothing behind it", "Ingress/raftops", f"{PATH}.backend", {}),
    Broken("a port with a name and a number", "Ingress/raftops", f"{PATH}.backend.service.port.number", 80,
           f"{PATH}.backend.service.port"),
    Broken("a network that is none", NET, "spec.egress[3].to[0].ipBlock.cidr", "0.0.0.0/99"),
    Broken("an exception outside", NET, "spec.egress[3].to[0].ipBlock.except[0]", "fe80::/10"),
    Broken("an empty peer", NET, "spec.egress[0].to[0]", {}),
    Broken("more replicas at least than at most", HPA, "spec.minReplicas", 9),
    Broken("a metric without its section", HPA, "spec.metrics[0].pods", GONE),
    Broken("a target without its value", HPA, "spec.metrics[0].pods.target.averageValue", GONE),
    Broken("a budget that says it twice", PDB, "spec.minAvailable", 1, "spec.maxUnavailable"),
    Broken("a budget that never yields", PDB, "spec.maxUnavailable", 0),
    # the operators' kinds
    Broken("a mode of Milvus that there is not", MILVUS, "spec.mode", "distributed"),
    Broken("a part of Milvus that there is not", MILVUS, "spec.components.searchNode", {"replicas": 1}),
    Broken("an interval without a unit", "ServiceMonitor/raftops-service", "spec.endpoints[0].interval", "15"),
    Broken("a relabelling that there is not", "ServiceMonitor/raftops-service", "spec.endpoints[0].relabelings",
           [{"action": "rename"}], "spec.endpoints[0].relabelings[0].action"),
    Broken("a store of no name", "ExternalSecret/raftops-hub", "spec.secretStoreRef.name", ""),
    Broken("a field of kustomize misspelt", "Application/raftops", "spec.source.kustomize", {"nameprefix": "x"},
           "spec.source.kustomize.nameprefix"),
    Broken("processes in words", "TrainJob/handbook-train", "spec.trainer.numProcPerNode", "auto"),
    Broken("a patch of a runtime by nobody", "TrainJob/handbook-train", "spec.runtimePatches", [{}],
           "spec.runtimePatches[0].manager"),
    Broken("a remote key left out", "ExternalSecret/raftops-hub", "spec.data[0].remoteRef.key", GONE),
    Broken("an order of queueing that there is not", QUEUE, "spec.queueingStrategy", "LIFO"),
    Broken("a signature in a form that there is not", "ClusterImagePolicy/raftops-signed",
           "spec.authorities[0].signatureFormat", "simple"),
    Broken("a policy of no image", "ClusterImagePolicy/raftops-signed", "spec.images", GONE),
    Broken("a signer of no kind", "ClusterImagePolicy/raftops-others", "spec.authorities[0].static", GONE,
           "spec.authorities[0]"),
    Broken("an application of no project", "Application/raftops", "spec.project", GONE),
    Broken("a training on no node", "TrainJob/handbook-train", "spec.trainer.numNodes", 0),
    Broken("a training of no runtime", "TrainJob/handbook-train", "spec.runtimeRef", GONE),
    # the restricted profile and rights
    Broken("the network of the node", S, f"{SPEC}.hostNetwork", True),
    Broken("the processes of the node", S, f"{SPEC}.hostPID", True),
    Broken("a folder of the node", S, f"{SPEC}.volumes[1]", {"name": "store", "hostPath": {"path": "/"}},
           f"{SPEC}.volumes[1].hostPath"),
    Broken("a port of the node", S, f"{C}.ports[0].hostPort", 3000),
    Broken("a privileged container", S, f"{CONTEXT}.privileged", True),
    Broken("rights that can be gained", S, f"{CONTEXT}.allowPrivilegeEscalation", GONE),
    Broken("root as the user", S, f"{SPEC}.securityContext.runAsUser", 0),
    Broken("root not ruled out", S, f"{SPEC}.securityContext.runAsNonRoot", GONE, f"{CONTEXT}.runAsNonRoot"),
    Broken("capabilities kept", S, f"{CONTEXT}.capabilities.drop", ["NET_RAW"]),
    Broken("a capability added", S, f"{CONTEXT}.capabilities.add", ["SYS_ADMIN"], f"{CONTEXT}.capabilities.add[0]"),
    Broken("no filter of system calls", S, f"{SPEC}.securityContext.seccompProfile", GONE, f"{CONTEXT}.seccompProfile"),
    Broken("a filter that filters nothing", S, f"{SPEC}.securityContext.seccompProfile.type", "Unconfined"),
    Broken("a sysctl that is not safe", S, f"{SPEC}.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}],
           f"{SPEC}.securityContext.sysctls[0].name"),
    Broken("a namespace without a profile", "Namespace/raftops",
           "metadata.labels[pod-security.kubernetes.io/enforce]", GONE),
    Broken("traffic that is not denied", "NetworkPolicy/default-deny", "spec.policyTypes", ["Ingress"], "metadata.name",
           "Namespace/raftops"),
    Broken("every verb", "Role/raftops-runner", "rules[0].verbs", ["*"], "rules[0].verbs[0]"),
    Broken("every secret", "Role/raftops-runner", "rules[3].resourceNames", GONE),
    Broken("a list of secrets", "Role/raftops-runner", "rules[3].verbs", ["list"], "rules[3].verbs[0]"),
    Broken("rights that give rights", "Role/raftops-deployer", "rules[0].verbs[0]", "escalate"),
    Broken("the value of a secret", "Secret/raftops-milvus-s3", "stringData", {"accesskey": "AKIA"},
           "stringData.accesskey"),
    # images and dashboards
    Broken("an image without a version", S, f"{C}.image", "ghcr.io/raftops/deploy"),
    Broken("an image that moves", S, f"{C}.image", "ghcr.io/raftops/deploy:latest"),
    Broken("an image without a digest", S, f"{C}.image", "ghcr.io/raftops/deploy:0.1.0"),
    Broken("a digest that is not set", S, f"{C}.image", "ghcr.io/raftops/deploy@sha256:" + "0" * 64),
    Broken("an image that is none", S, f"{C}.image", "ghcr.io/Raftops/deploy:0.1.0"),
    Broken("a digest cut short", MILVUS, "spec.components.image", "docker.io/milvusdb/milvus@sha256:abc"),
    Broken("a dashboard that is no JSON", "ConfigMap/raftops-dashboard", "data[raftops.json]", "{"),
    Broken("a dashboard that asks nothing", "ConfigMap/raftops-dashboard", "data[raftops.json]",
           '{"uid": "a", "title": "a", "panels": [{"id": 1, "targets": [{}]}]}',
           "data[raftops.json].panels[0].targets[0].expr"),
)  # fmt: skip
