"""A tiny project that every test of pipelines and command line shares: three documents, access, examples, models."""

from __future__ import annotations

import copy
import gc
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

from raftops.spec.load import LoadedSpec, load_spec

# No test is about time: on a loaded machine an example may take long.
settings.register_profile("raftops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", parent=settings.get_profile("raftops"), max_examples=20)
settings.load_profile("raftops")

DOCUMENTS = {
    "leave/annual.md": "# Annual leave\n\nEvery employee has 30 days of annual leave. It is asked for in Compass.\n",
    "leave/parental.md": "# Parental leave\n\nParents have 16 weeks of paid leave. It starts with the birth.\n",
    "managers/pay.md": "# Pay review\n\nThe budget of the pay review is 3 percent. Managers propose it in March.\n",
}
ACCESS = {
    "groups": {"employees": "everybody", "managers": "who leads a team"},
    "policies": {"all": {"groups": ["employees", "managers"]}, "managers-only": {"groups": ["managers"]}},
    "documents": [{"match": "managers/**", "policy": "managers-only"}, {"match": "**", "policy": "all"}],
}
EXAMPLES: list[dict[str, Any]] = [
    {
        "id": "k1", "kind": "knowledge", "question": "How many days of annual leave are there?", "answer": "30 days",
        "evidence": [{"doc_id": "leave/annual.md", "quote": "Every employee has 30 days of annual leave."}],
    },
    {
        "id": "k2", "kind": "knowledge", "question": "How long is parental leave?", "answer": "16 weeks",
        "evidence": [{"doc_id": "leave/parental.md", "quote": "Parents have 16 weeks of paid leave."}],
    },
    {"id": "u1", "kind": "knowledge", "question": "Is there a pension for pets?", "unanswerable": True},
    {"id": "b1", "kind": "behaviour", "question": "Shorten: please do close the door.", "answer": "Close the door."},
]  # fmt: skip
SPEC: dict[str, Any] = {
    "apiVersion": "raftops/v1",
    "kind": "Assistant",
    "metadata": {"name": "tiny", "description": "a tiny handbook"},
    "spec": {
        "data": {"documents": {"path": "data/documents"}, "access": "data/access.yaml", "examples": ["data/*.jsonl"]},
        "models": {"base": "file://models/base.gguf", "embedder": "file://models/embedder"},
        "train": {"audience": ["employees"]},
    },
}


class TinyProject:
    """A project on disk whose spec, access file and examples are edited as values."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, root / "specs" / "tiny.yaml"
        self.spec, self.access = copy.deepcopy(SPEC), copy.deepcopy(ACCESS)
        self.examples = copy.deepcopy(EXAMPLES)
        for name, text in DOCUMENTS.items():
            self.write(f"data/documents/{name}", text)
        self.write("models/base.gguf", "weights of the base model")
        self.write("models/embedder/config.json", "{}")
        self.write("models/embedder/model.safetensors", "weights of the embedder")
        self.save()

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def save(self) -> None:
        """Spec, access file and examples as they are now."""
        self.write("specs/tiny.yaml", yaml.safe_dump(self.spec, sort_keys=False))
        self.write("data/access.yaml", yaml.safe_dump(self.access, sort_keys=False))
        self.write("data/examples.jsonl", "".join(json.dumps(row) + "\n" for row in self.examples))

    def load(self) -> LoadedSpec:
        """The saved spec, checked."""
        self.save()
        return load_spec(self.path)


@pytest.fixture
def new_project(tmp_path: Path) -> Callable[[str], TinyProject]:
    """Makes projects by name."""
    return lambda name: TinyProject(tmp_path / name)


@pytest.fixture
def project(new_project: Callable[[str], TinyProject]) -> TinyProject:
    """One tiny project."""
    return new_project("project")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A module that `-m "not slow and not ..."` leaves out whole is not even imported: torch alone takes seconds."""
    without = re.fullmatch(r"not (\w+)(?: and not (\w+))*", config.option.markexpr)
    if not without or collection_path.suffix != ".py":
        return None
    marks = re.findall(r"^pytestmark = .*", collection_path.read_text(encoding="utf-8"), re.MULTILINE)
    names = re.findall(r"not (\w+)", config.option.markexpr)
    return True if any(f"pytest.mark.{name}" in line for line in marks for name in names) else None


def pytest_configure() -> None:
    """Collecting imports everything and frees nothing: looking for garbage meanwhile takes seconds."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays: a search for garbage that goes through all of it takes a second, and a test has many."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes first: with several workers the short modules fill the end."""
    items.sort(key=lambda item: item.get_closest_marker("local") is None and item.get_closest_marker("model") is None)
