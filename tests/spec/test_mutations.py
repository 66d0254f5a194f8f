"""Whatever is done to a valid spec, it loads or is refused with a place; what loads, fits the schema."""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftops.errors import SpecError
from raftops.spec.load import load_spec
from raftops.spec.model.assistant import Assistant
from raftops.spec.schema import json_schema
from raftops.spec.template import write_project

VALUES: list[Any] = [
    None, True, 0, -1, 3, 2.5, 1e300, "", "x", "raft", "8", "2Gi", "no", "a: b", "\u2028é", [], [1], ["x"], {},
    {"a": 1}, [[]], {"secret": "x"}, "x" * 700, "../..", "/", "**", "\n", "hf://a/b",
]  # fmt: skip
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
PLACE = re.compile(r"^(raftops|data/access)\.yaml(:\d+:\d+: |: the file )", re.MULTILINE)
"""A line and column, or the whole file where there is nothing in it."""
VALIDATOR = jsonschema.Draft7Validator(json_schema())


@pytest.fixture(scope="module", autouse=True)
def _project() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), "demo")
        os.chdir(folder)
        yield
        os.chdir(before)


def full() -> Any:
    """A spec in which every default is written out."""
    data = load_spec_values()
    data["spec"]["platform"]["resources"] = {"train": {"cpu": 2, "accelerator": {"count": 1}, "secrets": []}}
    data["spec"]["evaluate"]["gates"] = [{"metric": "raft.f1", "min": 0.1}]
    return data


def load_spec_values() -> Any:
    minimal = {
        "apiVersion": "raftops/v1", "kind": "Assistant", "metadata": {"name": "demo"},
        "spec": {
            "data": {"documents": {"path": "data/documents"}, "access": "data/access.yaml"},
            "train": {"audience": ["staff"]},
        },
    }  # fmt: skip
    return Assistant.model_validate(minimal).model_dump(mode="json", by_alias=True)


def nodes(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key)."""
    found: list[tuple[Any, Any]] = []
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        found += [(data, key), *nodes(data[key])]
    return found


def mutate(data: Any, draw: st.DrawFn) -> None:
    container, key = draw(st.sampled_from(nodes(data)))
    kind = draw(st.sampled_from(["delete", "rename", "replace", "add"]))
    if kind == "delete":
        del container[key]
    elif kind == "rename" and isinstance(container, dict):
        name = draw(
            st.sampled_from(["", "x", f"{key}s", str(key)[:-1], str(key).upper(), "password", "a.b", "[0]", "é\u2028"])
        )
        container[name] = container.pop(key)
    elif kind == "add" and isinstance(container, dict):
        container[draw(st.text(max_size=6))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    else:
        container[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    data = full()
    for _ in range(draw(st.integers(1, 4))):
        mutate(data, draw)
    return data


def verdict(text: str | bytes) -> Assistant | str:
    Path("raftops.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        return load_spec(Path("raftops.yaml")).assistant
    except SpecError as error:
        assert not re.search(r"pydantic|Input should|Value error|NoneType|dictionary", str(error)), str(error)
        return str(error)


@SETTINGS
@given(mutated())
def test_a_mutated_spec_loads_and_fits_the_schema_or_is_refused_with_a_place(data: Any) -> None:
    result = verdict(yaml.safe_dump(data, allow_unicode=True))
    if isinstance(result, str):
        assert PLACE.search(result), result
    else:
        assert not list(VALIDATOR.iter_errors(data))
        assert Assistant.model_validate(result.model_dump(mode="json", by_alias=True)) == result


@SETTINGS
@given(st.data())
def test_a_spec_with_broken_text_loads_or_is_refused_with_a_place(data: st.DataObject) -> None:
    text = yaml.safe_dump(full())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(
            st.sampled_from(
                [
                    "",
                    "\t",
                    ":",
                    "- ",
                    "{",
                    "]",
                    "'",
                    '"',
                    "&a ",
                    "*a",
                    "!x ",
                    "#",
                    "\n",
                    "---\n",
                    "%",
                    "|",
                    ">",
                    "? ",
                    "\x00",
                    "é",
                ]
            )
        )  # noqa: E501
        text = text[:at] + put + text[at + cut :]
    result = verdict(text)
    assert not isinstance(result, str) or PLACE.search(result), result


@SETTINGS
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_without_a_traceback(data: bytes) -> None:
    assert isinstance(verdict(data), str)
