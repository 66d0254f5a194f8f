from __future__ import annotations

import pytest

from pipelines.wiring.quantities import GIB, quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("0.5", 0.5), ("1.5", 1.5), ("250m", 0.25), ("700m", 0.7), ("3G", 3e9), ("64Ki", 65536),
     ("512Mi", GIB / 2), ("8Gi", 8 * GIB), ("1.5Gi", 1.5 * GIB), ("1Ti", 1024 * GIB)],
)  # fmt: skip
def test_quantities_are_those_of_kubernetes(text: str, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "2GB", "two", "-1", "1e3 "])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        quantity(text)
