"""What a run is, wherever it runs: its record, its events, what it would cost, how it is told."""

import components  # noqa: F401  loads Kubeflow's package the light way
