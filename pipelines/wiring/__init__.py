"""From a spec to a Kubeflow pipeline: what depends on what, and what each task is given."""

import components  # noqa: F401  loads Kubeflow's package the light way
