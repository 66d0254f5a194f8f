from __future__ import annotations

from typing import Any

import pytest

from pipelines.reach import out_of_reach, reach_note

EVERYTHING = ["data/documents", "data/access.yaml", "data/*.jsonl", "models/base.gguf", "models/embedder"]


@pytest.mark.parametrize(
    ("mounts", "lost"),
    [
        ([], EVERYTHING),
        (["/app/data"], EVERYTHING[3:]),
        (["/app/data/documents/"], EVERYTHING[1:]),
        (["/app/data", "/app/models"], []),
        (["/app"], []),
        (["/data"], EVERYTHING),
    ],
)
def test_a_file_is_within_reach_where_a_claim_is_mounted_over_it(
    project: Any, mounts: list[str], lost: list[str]
) -> None:
    volumes = [{"claim": f"c{index}", "path": path} for index, path in enumerate(mounts)]
    project.spec["spec"]["platform"] = {"volumes": volumes}
    assistant = project.load().assistant
    assert out_of_reach(assistant) == lost
    assert bool(reach_note(assistant)) == bool(lost)


def test_the_store_is_within_reach_on_its_claim(project: Any) -> None:
    project.spec["spec"]["data"]["documents"]["path"] = ".raftops/documents"
    project.write(".raftops/documents/a.md", "# A\n\nText.\n")
    assert ".raftops/documents" in out_of_reach(project.load().assistant)
    project.spec["spec"]["platform"] = {"workspace": "store"}
    assert ".raftops/documents" not in out_of_reach(project.load().assistant)
