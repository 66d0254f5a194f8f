"""YAML as kubectl and the servers read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipelines.manifests.loader import Loader
from pipelines.manifests.read import parse, read
from raftops.errors import ManifestError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-02", "2020-01-02"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("12:30:45", "12:30:45"),
        ("1:30.5", "1:30.5"),
        ("=", "="),
        ("_1", "_1"),
        ('"it\\\'s"', "it's"),
        ("y", True),
        ("N", False),
        ("on", True),
        ("~", None),
        ("", None),
        ("0o17", 15),
        ("017", 15),
        ("09", 9),
        ("0b11", 3),
        ("0x1F", 31),
        ("+1", 1),
        ("1_000", 1000),
        ("1e3", 1000),
        (".5", 0.5),
        ("1.", 1),
        ("-.inf", float("-inf")),
    ],
)
def test_a_value_is_what_kubectl_takes_it_for(text: str, value: object) -> None:
    assert yaml.load(f"a: {text}", Loader) == {"a": value}  # noqa: S506  a safe loader


@pytest.mark.parametrize("text", ["a: b\t", "a: b \t# c", "a:\tb", "{a:\tb\t}", "{\n\ta: b}", "a\t: b", "a: 'b'\t\n"])
def test_tabs_between_tokens_are_blanks(text: str) -> None:
    assert yaml.load(text, Loader) == {"a": "b"}  # noqa: S506  a safe loader


@pytest.mark.parametrize("text", ["\ta: b", "a:\n\tb: c", "a:\n  - b\n\t- c", "a:\n- \tb", "a: b\n \tc: d"])
def test_tabs_do_not_indent(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.load(text, Loader)  # noqa: S506  a safe loader


def test_a_merged_mapping_is_no_key_that_stands_twice() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}"
    assert yaml.load(text, Loader)["b"] == {"x": 3, True: 2}  # noqa: S506  a safe loader


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("kind: A\nspec: 1\nspec: 2\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="spec stands twice"):
        read(tmp_path / "two.yaml")


@pytest.mark.parametrize("item", ["{kind: Role, apiVersion: g/v1, metadata: {name: r}}", "{metadata: {name: r}}"])
def test_a_list_of_one_kind_gives_its_items(item: str) -> None:
    [resource] = parse(f"apiVersion: g/v1\nkind: RoleList\nitems: [{item}]\n", "here")
    assert (resource.api_version, resource.kind, resource.name) == ("g/v1", "Role", "r")


def test_a_kind_that_only_ends_in_list_is_a_resource() -> None:
    [resource] = parse("apiVersion: g/v1\nkind: AllowList\nmetadata: {name: a}\n", "here")
    assert resource.kind == "AllowList"
