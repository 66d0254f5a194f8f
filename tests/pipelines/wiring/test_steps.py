"""The one table of steps: it says what is so, and nothing says it a second time."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.wiring.code import Code
from pipelines.wiring.compile import compile_spec
from pipelines.wiring.steps import BESIDE, LISTING, PARTS, TABLE, downstream, step_of
from raftops.spec.load import load_spec
from raftops.spec.model.base import STEPS, Mark, StepName, marked
from raftops.spec.model.learning import Train

ROOT = Path(__file__).parents[3]


def test_every_step_has_a_row_in_the_order_of_the_pipeline() -> None:
    assert tuple(TABLE) == STEPS


def test_no_step_leans_on_a_later_one() -> None:
    for place, (step, row) in enumerate(TABLE.items()):
        assert set(row.needs) | set(row.follows) <= set(STEPS[:place]), step


def _steps_named_in(node: ast.AST) -> set[str]:
    """Steps and parts of steps among the members of a literal."""
    members: list[ast.expr | None] = []
    if isinstance(node, ast.Dict):
        members = list(node.keys)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        members = list(node.elts)
    names = {member.value for member in members if isinstance(member, ast.Constant)}
    return {name for name in names if isinstance(name, str) and step_of(name)}


def _lists_of_steps() -> Iterator[tuple[Path, int]]:
    for path in (ROOT / "pipelines").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if len(_steps_named_in(node)) >= 3:
                yield path, getattr(node, "lineno", 0)


def test_steps_are_listed_here_and_nowhere_else_in_the_pipelines() -> None:
    places = [f"{path.relative_to(ROOT)}:{line}" for path, line in _lists_of_steps()]
    assert places and [place for place in places if not place.startswith("pipelines/wiring/steps.py:")] == []


def test_a_second_list_would_be_found() -> None:
    twice = ast.parse("_LOOK = {'ingest': 1, 'index': 2, 'train-plain': 3}").body[0]
    assert max(len(_steps_named_in(node)) for node in ast.walk(twice)) == 3


@pytest.mark.parametrize("step", STEPS)
def test_the_table_knows_which_steps_search(step: StepName) -> None:
    searched = "raftops.retrieval.milvus" in Code().closure(f"components.{step}.component")
    assert TABLE[step].searches is searched


@pytest.mark.parametrize("step", STEPS)
def test_the_table_knows_which_steps_read_files_of_the_project(step: StepName) -> None:
    body = (ROOT / "components" / step / "component.py").read_text(encoding="utf-8")
    assert bool(TABLE[step].reads) is ('config.get("source")' in body)


@pytest.mark.parametrize("step", STEPS)
def test_every_part_of_a_step_is_a_component_of_its_folder(step: StepName) -> None:
    bodies = [path.read_text(encoding="utf-8") for path in (ROOT / "components" / step).glob("*.py")]
    functions = {name.replace("_", "-") for body in bodies for name in re.findall(r"^def (\w+)\(", body, re.MULTILINE)}
    assert functions - {step} - BESIDE.keys() == set(PARTS[step])


def test_the_page_of_a_step_lies_in_an_artifact_that_it_makes() -> None:
    compiled = compile_spec(load_spec(ROOT / "specs" / "quickstart.yaml"))
    for step, row in TABLE.items():
        made = compiled.pipeline["components"][f"comp-{step}"]["outputDefinitions"]["artifacts"]
        assert row.page.partition("/")[0] in made, step


def test_a_task_belongs_to_its_step() -> None:
    assert step_of("ingest-shard") == "ingest" and step_of("train") == "train" and step_of("hold") == "evaluate"
    assert step_of("finish") is None and step_of("ingest-other") is None
    assert {step_of(task) for task in LISTING} == {"ingest"}


def test_what_reads_a_steps_result_is_downstream_of_it() -> None:
    assert downstream(["augment"]) == {"augment", "train", "evaluate", "deploy"}
    assert downstream([]) == frozenset()


def test_settings_say_themselves_what_they_are_to_a_key() -> None:
    assert {"threads", "nodes", "init_from"} <= marked(Train, Mark.PLACE)
    assert marked(Train, Mark.PLACE, Mark.SHARED) >= marked(Train, Mark.PLACE) | marked(Train, Mark.SHARED)
    assert "rank" not in marked(Train, *Mark)
