"""The compiled file as people and as other readers of YAML see it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipelines.wiring.ir_text import LINE, ir_text

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(-(2**60), 2**60).map(float) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(documents=st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), min_size=1, max_size=2))
def test_what_is_read_is_what_was_written(documents: list[dict[str, Any]]) -> None:
    assert list(yaml.safe_load_all(ir_text(documents))) == documents


@given(words=st.lists(st.text("0123456789eE.+-_:xobnyTZ ", max_size=12), min_size=1, max_size=5))
def test_a_reader_of_yaml_1_2_reads_the_same(words: list[str]) -> None:
    text = ir_text([{"words": words, "labels": dict.fromkeys(words, "x")}])
    assert YAML(typ="safe", pure=True).load(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "word",
    ["1e5", "12E03", "08", "0o17", "0x1F", "0b11", "1_000", ".5e3", "1.5e3", "+1", "2024-1-2", "2024-01-02", "y", "N",
     "1.", "no", "~", "null", "True", ".inf"],
)  # fmt: skip
def test_a_text_that_another_reader_takes_for_something_else_is_quoted(word: str) -> None:
    assert ir_text([{"label": word, word: "label"}]).count(f"'{word}'") == 2


@pytest.mark.parametrize("word", ["0.0.1", "2.1.0", "sha256", "v1", "e5", "1e5a", "handbook", "ja", "10m", "-"])
def test_a_text_that_is_none_of_these_is_not(word: str) -> None:
    assert f"'{word}'" not in ir_text([{"label": word}]).replace("'-'", "")


def test_a_program_stands_as_it_is() -> None:
    program = "\nimport kfp\n\ndef step() -> None:\n    pass\n"
    assert "\n  import kfp\n\n  def step() -> None:\n      pass\n" in ir_text([{"command": ["sh", program]}])


def test_what_is_small_stands_on_a_line_and_what_is_not_does_not() -> None:
    small = {"artifactType": {"schemaTitle": "system.Model"}}
    assert ir_text([{"a": {"adapters": small}, "b": "x" * LINE}]) == (
        f"a:\n  adapters: {{artifactType: {{schemaTitle: system.Model}}}}\nb: {'x' * LINE}\n"
    )
    assert max(map(len, ir_text([{"a": [small] * 40}]).splitlines())) < LINE


def test_whole_numbers_have_no_fraction_and_large_ones_no_three_hundred_digits() -> None:
    text = ir_text([{"count": 3.0, "rate": 1e-05, "huge": 1e300}])
    assert "count: 3," in text and json.loads(json.dumps(yaml.safe_load(text))) == {
        "count": 3, "rate": 1e-05, "huge": 1e300,
    }  # fmt: skip
