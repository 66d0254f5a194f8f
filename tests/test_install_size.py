"""What the benchmark of installed sizes counts: a requirement's closure, its extras, and no more."""

from __future__ import annotations

import pytest

from benchmarks.install_size import BASELINE, closure, megabytes, of_extras


def test_extras_are_followed_and_only_where_they_are_asked_for() -> None:
    assert "cryptography" in closure(["pyjwt[crypto]"])[0]
    assert closure(["pyjwt"])[0] == {"pyjwt"}
    assert closure(["PyJWT[crypto]", "no-such-package>=1"])[1] == {"no-such-package"}
    assert closure(["no-such-package; sys_platform == 'nowhere'"]) == (set(), set())


def test_a_distribution_weighs_what_its_files_do() -> None:
    assert 0 < megabytes("packaging") < megabytes("numpy")
    assert megabytes("no-such-package") == 0


@pytest.mark.parametrize("extra", ["evaluate", "deploy", "service", "index", "augment", "ingest", "validate"])
def test_torch_comes_with_no_extra_but_the_training_s_and_pytorch_s_own(extra: str) -> None:
    wanted = of_extras()
    assert not closure(wanted[extra])[0] & {"torch", "bitsandbytes", "matplotlib", "onnxruntime", "sympy"}
    assert "torch" in closure(wanted["train"])[0] & closure(wanted["generation"])[0] & closure(wanted["all"])[0]


def test_the_base_is_kfp_s_and_what_reads_a_spec_and_talks_to_people() -> None:
    more = closure(of_extras()["base"])[0] - closure(BASELINE)[0]
    assert more <= {
        "annotated-doc", "annotated-types", "markdown-it-py", "mdurl", "pydantic", "pydantic-core", "pygments", "rich",
        "shellingham", "typer", "typing-extensions", "typing-inspection",
    }  # fmt: skip
    assert not closure(of_extras()["base"])[0] & {"numpy", "pyarrow", "torch", "jinja2"}
