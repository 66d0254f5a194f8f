"""How much each sign counts for behaviour, knowledge and both: written by `benchmarks/router.py --write`."""

from __future__ import annotations

WEIGHTS: dict[str, tuple[float, float, float]] = {
    "near_behaviour": (0.495, -0.069, -0.426),
    "near_knowledge": (-0.347, 0.256, 0.092),
    "near_both": (-0.148, -0.187, 0.335),
    "changes": (-0.177, -0.868, 1.046),
    "composes": (0.274, -1.026, 0.752),
    "asks": (-1.156, 1.685, -0.529),
    "tells": (-0.727, 0.539, 0.188),
    "as": (-0.285, 0.06, 0.225),
    "format": (-0.473, -1.682, 2.154),
    "code": (2.377, -0.846, -1.531),
    "letter": (-1.028, -0.609, 1.637),
    "art": (1.32, -0.103, -1.216),
    "this": (0.453, -0.598, 0.145),
    "fill": (-1.522, -0.164, 1.686),
    "voice": (1.359, -1.622, 0.263),
    "brings": (2.729, -1.776, -0.953),
    "brings_question": (0.874, -0.928, 0.054),
    "brings_much": (1.178, -0.719, -0.46),
    "asks_in_form": (-0.781, -1.191, 1.972),
    "mark": (-0.785, 1.569, -0.785),
    "facts": (-0.319, -0.249, 0.568),
    "short": (-0.298, 0.611, -0.314),
    "form_of_facts": (-0.08, -0.994, 1.073),
    "form_alone": (-0.015, 0.484, -0.469),
    "changes_this": (0.368, -0.277, -0.091),
    "one": (-0.578, 1.256, -0.678),
}
