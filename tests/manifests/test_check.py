"""The validator's parts: amounts, files, schemas of others, and no crash whatever it is given."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.manifests import Resource, check, read
from pipelines.manifests.finding import show
from pipelines.manifests.quantities import amount
from pipelines.manifests.read import parse
from raftops.errors import ManifestError
from tests.manifests.samples import all_kinds

ODD = (None, "", "x", "0", -1, 3.5, True, [], {}, [None], ["x"], {"x": 1}, [[]])
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, required: [size], properties: {size: {type: integer}}}
"""
WIDGET = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: %s}\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("500m", "0.5"), ("1.5", "1.5"), ("2Ki", "2048"), ("1Gi", "1073741824"), ("3k", "3000"),
     ("1e3", "1000"), (2, "2"), (0.5, "0.5"), ("-1", "-1"), ("100n", "1E-7")],
)  # fmt: skip
def test_an_amount_is_read_as_kubernetes_reads_it(text: Any, number: str) -> None:
    assert amount(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "4 GB", "1KB", "Gi", "1,5", "ten", True, None, "1ki", "--1"])
def test_what_is_no_amount(text: Any) -> None:
    assert amount(text) is None


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

    def test_a_path_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="no such file"):
            read(tmp_path / "none")

    def test_a_kustomization_that_cannot_be_built_says_why(self, tmp_path: Path) -> None:
        (tmp_path / "kustomization.yaml").write_text("resources: [none.yaml]\n", encoding="utf-8")
        with pytest.raises(ManifestError, match=r"none\.yaml"):
            read(tmp_path)


class TestSchemasOfOthers:
    """A CustomResourceDefinition among the files is the schema of its kind."""

    def test_it_accepts_and_refuses(self) -> None:
        assert check(list(parse(CRD + "---\n" + WIDGET % 3, "x"))) == []
        found = check(list(parse(CRD + "---\n" + WIDGET % "big", "x")))
        assert [(f.resource, f.path) for f in found] == [("Widget default/one", "spec.size")]

    def test_a_field_that_a_server_would_drop_is_a_finding(self) -> None:
        found = check(list(parse(CRD + "---\n" + WIDGET % "1, colour: red", "x")))
        assert [f.path for f in found] == ["spec.colour"]

    def test_every_resource_has_the_fields_that_no_definition_need_name(self) -> None:
        crd = CRD.replace(
            "spec: {type: object, required: [size], properties: {size: {type: integer}}}", "size: {type: integer}"
        )
        assert check(list(parse(crd + "---\n" + (WIDGET % 3).replace("spec: {size: 3}", "size: 3"), "x"))) == []

    def test_without_it_the_kind_is_unknown(self) -> None:
        assert [f.path for f in check(list(parse(WIDGET % 3, "x")))] == ["kind"]


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
