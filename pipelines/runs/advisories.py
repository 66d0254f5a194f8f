"""Which versions of Kubeflow Pipelines have published vulnerabilities. One line of versions for SDK and server.

Knows the newest advisories that concern us and no others; it asks no database.
"""

from __future__ import annotations

import re

FIXED = (2, 18, 1)
"""Fixes, of the SDK, the evaluation of outputs as Python by the local runner (GHSA-rhjm-6347-5x33); of servers, what
`SERVERS` says."""
SERVERS = (
    "published advisories about tenants' metadata (GHSA-j53r-x5f5-j4hr) and visualizations of other namespaces, "
    "https://github.com/kubeflow/pipelines/releases/tag/2.18.1"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(.*)")


def is_vulnerable(version: str) -> bool | None:
    """Whether a version is older than the fixes; None where the text is no version."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    number, rest = tuple(map(int, match.groups()[:3])), match[4]
    # 2.18.1-rc.1 and 2.18.1rc1 come before 2.18.1; a distribution's 2.18.1-r4 and 2.18.1+build after it
    return number < FIXED or (number == FIXED and re.match(r"[-.]?(rc|a|b|alpha|beta|dev)[\d.-]*", rest) is not None)
