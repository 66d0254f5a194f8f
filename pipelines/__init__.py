"""Wiring: from a spec to a Kubeflow pipeline, and to its runs."""

import components  # noqa: F401  loads Kubeflow's package the light way
