"""Kubernetes' quantities as numbers, in the form in which specs and compiled pipelines write them.

Not here: signs, exponents, and units below a thousandth or above a tera, which neither of the two writes.
"""

from __future__ import annotations

import re
from decimal import Decimal

GIB = 2**30
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|Ki|Mi|Gi|Ti|k|M|G|T)?")
_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def quantity(text: str) -> float:
    """A quantity (500m, 2Gi, 1.5) as a number of CPUs or bytes. ValueError where it is none."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return float(Decimal(match[1]) * _UNITS[match[2] or ""])
