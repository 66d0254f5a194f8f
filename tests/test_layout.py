"""One name per step everywhere, arrows one way, every spec valid: what holds the tree together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import components
import pipelines
import raftops
from pipelines.wiring.compile import compile_spec
from raftops.__main__ import INSIDE, OURS
from raftops.errors import SpecError
from raftops.spec.load import load_spec
from raftops.spec.model.assistant import Spec
from raftops.spec.model.base import STEPS

ROOT = Path(__file__).parents[1]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
OVERLAYS = sorted((ROOT / "specs" / "env").glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAMES = set(STEPS)


def test_a_step_has_one_name_everywhere() -> None:
    assert {path.parent.name for path in ROOT.glob("components/*/component.py")} == NAMES
    assert [path.parent.name for path in ROOT.glob("components/**/Dockerfile")] == ["components"]
    assert {path.stem for path in ROOT.glob("src/raftops/steps/[!_]*.py")} == NAMES
    assert {field.alias or name for name, field in Spec.model_fields.items()} >= NAMES
    assert PROJECT["project"]["optional-dependencies"].keys() >= NAMES


def test_every_step_has_a_test_of_its_name() -> None:
    assert {path.stem.removeprefix("test_") for path in ROOT.glob("tests/steps/test_*.py")} >= NAMES


@pytest.mark.parametrize("step", STEPS)
def test_module_component_and_function_have_the_name_of_the_step(step: str) -> None:
    assert re.search(rf"^def {step}\(", _read(f"src/raftops/steps/{step}.py"), re.MULTILINE)
    component = _read(f"components/{step}/component.py")
    assert f'@dsl.component(base_image=image("{step}"), install_kfp_package=False)\ndef {step}(' in component
    assert re.search(rf"from raftops\.steps\.{step} import (\w+, )*{step}\n", component)


def test_generic_package_names_are_ours() -> None:
    for package in (components, pipelines, raftops):
        assert ROOT in Path(str(package.__file__)).parents


def test_the_wheel_holds_all_three_packages() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/raftops"]
    assert wheel["force-include"] == {name: f"raftops/{INSIDE}/{name}" for name in OURS}


def test_no_package_of_ours_lacks_its_init() -> None:
    folders = {
        path.parent for name in ("src/raftops", "components", "pipelines") for path in ROOT.glob(f"{name}/**/*.py")
    }
    assert len(folders) > 10
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


class TestEverySpec:
    """What users are shown is run."""

    def test_some_are_found(self) -> None:
        assert {"handbook", "quickstart"} <= {path.stem for path in SPECS}
        assert OVERLAYS

    @pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
    def test_it_is_valid_and_compiles(self, path: Path) -> None:
        try:
            loaded = load_spec(path)
        except SpecError as error:
            if "../shared" in path.read_text(encoding="utf-8") and "no such" in str(error):
                pytest.skip(f"its data is not on this machine: {error}")
            raise
        assert yaml.safe_load(compile_spec(loaded).text.partition("\n---\n")[0])["pipelineInfo"]["name"]

    @pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
    def test_an_overlay_fits_the_sample(self, path: Path) -> None:
        compile_spec(load_spec(ROOT / "specs" / "handbook.yaml", [path]))

    @pytest.mark.parametrize("path", [*SPECS, *OVERLAYS], ids=lambda path: path.stem)
    def test_it_starts_with_the_line_that_editors_read(self, path: Path) -> None:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert match and (path.parent / match[1]).resolve().is_file()


def test_the_version_of_the_package_is_that_of_its_project() -> None:
    assert raftops.__version__ == PROJECT["project"]["version"]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
