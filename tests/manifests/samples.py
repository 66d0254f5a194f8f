"""Resources to check: overlays as kubectl builds them, and kinds that no overlay has."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from pipelines.manifests import Resource, read
from pipelines.manifests.read import parse

FOLDER = Path(__file__).parents[2] / "manifests"
OVERLAYS = sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))
OPTIONS = ("gpu", "kueue", "external-secrets", "signed-images")
"""Components that an overlay of one's own adds to production."""
DIGEST = "sha256:" + "5e" * 32


@cache
def overlay(name: str) -> tuple[Resource, ...]:
    return tuple(read(FOLDER / "overlays" / name))


@cache
def everything() -> tuple[Resource, ...]:
    """Production as a company would have it: every option, and the digests of its registry."""
    with TemporaryDirectory() as folder:
        there = Path(os.path.relpath(FOLDER, Path(folder).resolve()))
        milvus = {"op": "replace", "path": "/spec/components/image", "value": f"docker.io/milvusdb/milvus@{DIGEST}"}
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [str(there / "overlays" / "production")],
            "components": [str(there / "components" / name) for name in OPTIONS],
            "images": [{"name": "ghcr.io/raftops/deploy", "digest": DIGEST}],
            "patches": [{"target": {"kind": "Milvus"}, "patch": yaml.safe_dump([milvus])}],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return tuple(read(Path(folder)))


POD = f"""
      restartPolicy: Never
      serviceAccountName: raftops-runner
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: main
          image: ghcr.io/raftops/train@{DIGEST}
          resources: {{requests: {{cpu: "1", memory: 1Gi}}, limits: {{memory: 2Gi}}}}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""
MORE = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: once, namespace: raftops}}
spec:
  backoffLimit: 2
  template:
    spec:{POD}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: nightly, namespace: raftops}}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
{POD.replace(chr(10), chr(10) + "    ").rstrip()}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: raftops, namespace: raftops}}
spec:
  rules:
    - host: answers.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {{service: {{name: raftops-service, port: {{name: http}}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: raftops-made, namespace: raftops}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: handbook-train, namespace: raftops}}
spec:
  runtimeRef: {{name: torch-distributed}}
  trainer:
    image: ghcr.io/raftops/train@{DIGEST}
    numNodes: 2
    resourcesPerNode:
      requests: {{cpu: "8", nvidia.com/gpu: "1"}}
      limits: {{nvidia.com/gpu: "1"}}
"""


@cache
def all_kinds() -> tuple[Resource, ...]:
    """What the mutations are made in: production with its options, the laptop's Milvus, and kinds of our own making."""
    stateful = tuple(r for r in overlay("laptop") if (r.kind, r.name) in _STANDALONE)
    application = tuple(read(FOLDER / "argo-cd"))
    text = yaml.safe_dump_all([dict(resource.body) for resource in stateful])
    pinned = parse(text.replace("milvus:v2.6.11", f"milvus@{DIGEST}"), "standalone")
    return (*everything(), *pinned, *application, *parse(MORE, "more"))


_STANDALONE = {("StatefulSet", "milvus"), ("ServiceAccount", "milvus"), ("ConfigMap", "milvus")}
