"""What a server would refuse is refused when the file is written, all at once; and which versions are vulnerable."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pipelines.wiring.compile import compile_spec
from pipelines.wiring.server_rules import (
    FILE_BYTES,
    INLINE_BYTES,
    WORKFLOW_BYTES,
    check_accepted,
    inline,
    is_vulnerable,
)
from raftops.errors import SpecError


@pytest.fixture
def documents(project: Any) -> list[dict[str, Any]]:
    """A compiled pipeline and its platform."""
    compiled = compile_spec(project.load())
    assert list(yaml.safe_load_all(compiled.text)) == [compiled.pipeline, compiled.platform], "the file says the same"
    return [dict(compiled.pipeline), dict(compiled.platform)]


def test_what_compile_writes_is_accepted(documents: list[dict[str, Any]]) -> None:
    check_accepted(*documents, "")


def test_a_file_that_is_too_large_is_refused(documents: list[dict[str, Any]]) -> None:
    with pytest.raises(SpecError, match="the file has .* are accepted"):
        check_accepted(*documents, "x" * (FILE_BYTES + 1))


@pytest.mark.parametrize("name", ["Handbook", "-handbook", "hand_book", "h" * 129, ""])
def test_a_name_that_kfp_does_not_take_is_refused(documents: list[dict[str, Any]], name: str) -> None:
    documents[0]["pipelineInfo"]["name"] = name
    with pytest.raises(SpecError, match="does not match"):
        check_accepted(*documents, "")


def test_a_workflow_too_large_for_etcd_is_refused_with_the_tasks_that_carry_data(project: Any) -> None:
    project.spec["spec"]["router"] = {
        name: {"questions": [f"{name} {n}: " + "how many days of leave are there? " * 15 for n in range(500)]}
        for name in ("behaviour", "knowledge", "both")
    }
    with pytest.raises(SpecError, match=f"{WORKFLOW_BYTES} fit; task evaluate carries .* {INLINE_BYTES}") as caught:
        compile_spec(project.load())
    assert "data names" in caught.value.next_step


def test_every_task_of_every_group_is_weighed(documents: list[dict[str, Any]]) -> None:
    weights = dict(inline(documents[0]))
    assert weights["deploy"] > weights["train"] > 0 and weights["hold"] == 2


@pytest.mark.parametrize("text", ["{{workflow.name}}", "{{$.inputs.parameters['x']}}", "{{channel:task=a}}", "{{= 1}}"])
def test_a_placeholder_of_kubeflow_in_a_text_is_refused_with_its_place(project: Any, text: str) -> None:
    project.spec["spec"]["deploy"] = {"smoke_questions": ["What is it?", f"What is {text}?"]}
    with pytest.raises(SpecError, match=r"^spec\.deploy\.smoke_questions\[1\]: .* is a placeholder"):
        compile_spec(project.load())


def test_other_braces_are_text(project: Any) -> None:
    project.spec["spec"]["deploy"] = {"smoke_questions": ["What is {{name}}, { {workflow.name} } and {x}?"]}
    assert "{{name}}" in compile_spec(project.load()).text


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
