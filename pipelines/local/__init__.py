"""Runs on this machine: each task a process, or a container."""

import components  # noqa: F401  loads Kubeflow's package the light way
