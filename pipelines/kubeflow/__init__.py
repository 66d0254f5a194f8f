"""Runs on a cluster: submitted to Kubeflow Pipelines, followed and remembered there."""
