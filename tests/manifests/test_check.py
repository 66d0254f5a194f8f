"""From files to resources, kinds and versions, each rule's limits, and no crash whatever stands in a resource."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.manifests import Resource, check, read, unchecked
from pipelines.manifests.read import parse
from pipelines.manifests.resource import show
from raftops.errors import ManifestError
from tests.manifests.samples import all_kinds

ODD = (None, "", "x", "0", -1, 3.5, True, [], {}, [None], ["x"], {"x": 1}, [[]])
WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: %s}\n"


def test_a_path_is_written_as_kubernetes_writes_it() -> None:
    assert show(("spec", "containers", 0, "image")) == "spec.containers[0].image"
    assert show(("limits", "nvidia.com/gpu")) == "limits[nvidia.com/gpu]"


class TestFiles:
    """From a path to resources."""

    def test_a_folder_without_a_kustomization_gives_every_file(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "a.yaml").write_text(WIDGET % 1, encoding="utf-8")
        (tmp_path / "deep" / "b.yml").write_text(f"---\n{WIDGET % 2}---\n", encoding="utf-8")
        assert [resource.body["spec"]["size"] for resource in read(tmp_path)] == [1, 2]

    def test_a_list_gives_its_items(self) -> None:
        text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n- {apiVersion: v1, kind: B}\n"
        assert [resource.kind for resource in parse(text, "x")] == ["A", "B"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "not valid YAML"),
            ("a: 1\na: 2\n", "stands twice"),
            ("- 1\n", "not a mapping"),
            ("", "no Kubernetes"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ManifestError, match=message):
            read(tmp_path / "x.yaml")

    def test_times_and_dates_are_text_as_for_kubectl(self) -> None:
        [resource] = parse('kind: A\na: 2020-01-02\nb: 2020-01-02T03:04:05Z\nc: "="\nd: on\n', "x")
        assert list(resource.body.values())[1:] == ["2020-01-02", "2020-01-02T03:04:05Z", "=", True]

    def test_a_path_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="no such file"):
            read(tmp_path / "none")

    def test_a_kustomization_that_cannot_be_built_says_why(self, tmp_path: Path) -> None:
        (tmp_path / "kustomization.yaml").write_text("resources: [none.yaml]\n", encoding="utf-8")
        with pytest.raises(ManifestError, match=r"none\.yaml"):
            read(tmp_path)


def test_of_a_kind_without_a_schema_the_rest_is_checked_and_the_kind_is_named() -> None:
    resources = list(parse(WIDGET % "[{port: 70000}]", "x"))
    assert check(resources) == [] and unchecked(resources) == ["Widget (example.com/v1)"]
    assert "Milvus (milvus.io/v1beta1)" in unchecked(all_kinds())


def test_a_minor_version_without_schemas() -> None:
    with pytest.raises(ManifestError, match="1.29"):
        check(all_kinds(), "1.29")


def test_a_kind_may_be_new() -> None:
    """ServiceCIDR became v1 with 1.33."""
    text = "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: more}\nspec: {cidrs: [10.0.0.0/24]}\n"
    assert [f.path for f in check(list(parse(text, "x")), "1.32")] == ["kind"]
    assert "kind" not in [f.path for f in check(list(parse(text, "x")), "1.33")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.parametrize("seed", range(60))
def test_whatever_stands_anywhere_the_check_ends(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    resources = list(all_kinds())
    number = chance.randrange(len(resources))
    body = copy.deepcopy(dict(resources[number].body))
    *way, last = chance.choice(list(places(body)))
    place: Any = body
    for part in way:
        place = place[part]
    place[last] = chance.choice(ODD)
    resources[number] = Resource(body, "odd")
    assert isinstance(check(resources), list)
