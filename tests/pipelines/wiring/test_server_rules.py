"""What a server would refuse is refused when the file is written, all at once."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pipelines.wiring.compile import compile_spec
from pipelines.wiring.server_rules import INLINE_BYTES, WORKFLOW_BYTES, check_accepted, inline
from raftops.errors import SpecError


@pytest.fixture
def documents(project: Any) -> list[dict[str, Any]]:
    """A compiled pipeline and its platform."""
    return list(yaml.safe_load_all(compile_spec(project.load()).text))


def text_of(documents: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(documents)


def test_what_compile_writes_is_accepted(documents: list[dict[str, Any]]) -> None:
    check_accepted(text_of(documents))


@pytest.mark.parametrize("name", ["Handbook", "-handbook", "hand_book", "h" * 129, ""])
def test_a_name_that_kfp_does_not_take_is_refused(documents: list[dict[str, Any]], name: str) -> None:
    documents[0]["pipelineInfo"]["name"] = name
    with pytest.raises(SpecError, match="does not match"):
        check_accepted(text_of(documents))


@pytest.mark.parametrize("extra", [{"platforms": {}}, {"pipelineInfo": {"name": "x"}}, {"other": 1}])
def test_more_than_one_pipeline_and_one_platform_is_refused(documents: list[dict[str, Any]], extra: Any) -> None:
    with pytest.raises(SpecError, match="3 documents"):
        check_accepted(text_of([*documents, extra]))


def test_a_workflow_too_large_for_etcd_is_refused_with_the_tasks_that_carry_data(project: Any) -> None:
    project.spec["spec"]["router"] = {
        name: {"questions": [f"{name} {n}: " + "how many days of leave are there? " * 15 for n in range(300)]}
        for name in ("behaviour", "knowledge", "both")
    }
    with pytest.raises(SpecError, match=f"{WORKFLOW_BYTES} fit; task deploy carries .* {INLINE_BYTES}") as caught:
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
