from __future__ import annotations

import pytest

from pipelines.runs.advisories import is_vulnerable


@pytest.mark.parametrize(
    "version", ["2.17.0", "v2.17.3", "1.8.22", "2.18.0", "2.9.9", "2.18.1-rc.1", "2.18.1rc1", "2.17.2-r4"]
)
def test_what_is_older_than_the_fixes_is_vulnerable(version: str) -> None:
    assert is_vulnerable(version) is True


@pytest.mark.parametrize("version", ["2.18.1", "v2.18.1", "2.18.2", "2.100.0", "3.0.0", "2.18.1-r4", "2.18.1+build.7"])
def test_the_fixes_and_what_came_after_are_not(version: str) -> None:
    assert is_vulnerable(version) is False


@pytest.mark.parametrize("version", ["", "unknown", "fixture", "master", "2.18", "a1b2c3d"])
def test_what_is_no_version_is_neither(version: str) -> None:
    assert is_vulnerable(version) is None
