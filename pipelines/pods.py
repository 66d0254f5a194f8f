"""What only Kubernetes understands: nodes, tolerations, secrets, time. Apart from `place.py` for its heavy import."""

from __future__ import annotations

from collections.abc import Sequence

from kfp import kubernetes
from kfp.dsl import PipelineTask

from raftops.spec.model import Resources, SecretRef


def place_pod(task: PipelineTask, wanted: Resources | None, secrets: Sequence[SecretRef]) -> None:
    """Say where a task's pod may run, for how long, and which secrets it gets as environment variables."""
    for secret in secrets:
        kubernetes.use_secret_as_env(task, secret_name=secret.secret, secret_key_to_env={secret.key: secret.env})
    if wanted is None:
        return
    kubernetes.set_timeout(task, wanted.timeout_minutes * 60)
    if wanted.node_selector:
        kubernetes.add_node_selector_json(task, dict(sorted(wanted.node_selector.items())))
    for toleration in wanted.tolerations:
        kubernetes.add_toleration(
            task, key=toleration.key, operator=toleration.operator,
            value=toleration.value or None, effect=toleration.effect or None,
        )  # fmt: skip
