"""Wiring: from a spec to a Kubeflow pipeline, and to its runs."""
