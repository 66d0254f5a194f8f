"""Steps as Kubeflow sees them: thin shells over raftops.steps."""
