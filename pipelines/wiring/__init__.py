"""From a spec to a Kubeflow pipeline: what depends on what, and what each task is given."""
