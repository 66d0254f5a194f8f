"""Each kind of mistake is told at its place, all of them at once, and none as a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raftops.errors import SpecError
from raftops.spec.load import LoadedSpec, load_spec, project_root
from tests.spec.wrong_specs import ACCESS, VALID, WRONG, Wrong

Load = Callable[..., LoadedSpec]
Refused = Callable[..., str]
JARGON = re.compile(
    r"pydantic|Input should|Traceback|Value error|instance of|NoneType|[Tt]uple|dictionary|Literal|Errno"
)


def written(wrong: Wrong) -> str | bytes:
    if not wrong.old:
        return wrong.new
    assert VALID.count(wrong.old) == 1, "the table's change must hit one place"
    return VALID.replace(wrong.old, str(wrong.new))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_a_mistake_is_told_at_its_place(wrong: Wrong, refused: Refused) -> None:
    report = refused(written(wrong))
    head = f"specs/x.yaml:{wrong.place}: " if wrong.place else "specs/x.yaml: "
    lines = [line for line in report.splitlines() if line.startswith(head)]
    assert any(wrong.says in line for line in lines), report
    assert not JARGON.search(report), report


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_one_mistake_is_one_problem(wrong: Wrong, refused: Refused) -> None:
    report = refused(written(wrong))
    problems = [line for line in report.splitlines() if line.startswith("specs/x.yaml")]
    # A misspelt section is missing too; a spec that is one list of wrongs is no test of this.
    allowed = 2 if wrong.name in ("a misspelt section", "no path", "half a router") else 1
    assert len(problems) <= allowed, report


def test_there_are_enough_wrong_specs() -> None:
    assert len({wrong.name for wrong in WRONG}) == len(WRONG) >= 45


def test_a_valid_spec_loads(load: Load, folder: Path) -> None:
    loaded = load(VALID)
    assert loaded.assistant.name == "demo"
    assert loaded.root == folder
    assert loaded.path == Path("specs/x.yaml")


def test_a_report_shows_the_line_and_a_caret_under_the_mistake(refused: Refused) -> None:
    report = refused(VALID + "    lora_rnak: 8\n")
    assert report == (
        "specs/x.yaml:11:5: spec.train.lora_rnak: unknown key, did you mean rank?\n"
        "   11 |     lora_rnak: 8\n"
        "      |     ^"
    )


def test_the_caret_stands_right_after_wide_characters(refused: Refused) -> None:
    report = refused(VALID.replace("{name: demo}", "{description: 日本, name: X}"))
    *_, line, caret = report.splitlines()
    assert line.index("X}") + 2 == caret.index("^")


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(refused: Refused) -> None:
    text = (
        VALID.replace("demo", "De_mo").replace("path: docs", "path: dox") + "    rank: x\n    seed: 010\n    zzz: 1\n"
    )
    places = re.findall(r"^specs/x.yaml:(\d+):", refused(text), re.MULTILINE)
    assert places == ["3", "6", "11", "12", "13"]


def test_mistakes_of_type_and_between_fields_come_in_one_report(refused: Refused) -> None:
    report = refused(VALID + "    rank: x\n  evaluate: {gates: [{metric: raft.f1}]}\n")
    assert "spec.train.rank: must be a whole number" in report
    assert "needs min, max or both" in report
    assert report.endswith("2 problems")


def test_a_missing_section_hides_no_other_mistake(refused: Refused) -> None:
    report = refused(VALID.replace("  train:\n    audience: [staff]\n", "").replace("path: docs", "path: dox"))
    assert "spec.train: is missing" in report
    assert "no such folder: dox" in report
    assert report.endswith("2 problems")


def test_a_check_that_reads_a_wrong_value_is_left_out(refused: Refused) -> None:
    report = refused(VALID + "    sequence_tokens: many\n  prompt: {evidence_tokens: 2000}\n")
    assert "too few" not in report


def test_a_very_wrong_spec_gives_a_report_of_bounded_length(refused: Refused) -> None:
    report = refused(VALID + "".join(f"    zz{i}: 1\n" for i in range(5000)))
    assert "... and 4900 more" in report
    assert len(report) < 100_000


def test_a_long_line_is_shown_around_the_mistake(refused: Refused) -> None:
    line = refused(VALID.replace("[staff]", f"[{'staff, ' * 300}staf]")).splitlines()[-1]
    assert len(line) < 130


def test_a_byte_order_mark_moves_no_column(refused: Refused, load: Load) -> None:
    assert load(VALID.encode("utf-8-sig")).assistant.name == "demo"
    assert "specs/x.yaml:1:1: " in refused(VALID.replace("apiVersion", "apiversion").encode("utf-8-sig"))


def test_windows_line_ends_are_fine(load: Load, refused: Refused) -> None:
    assert load(VALID.replace("\n", "\r\n")).assistant.name == "demo"
    assert "specs/x.yaml:11:5: " in refused((VALID + "    zzz: 8\n").replace("\n", "\r\n"))


def test_a_missing_file_names_its_neighbour(load: Load) -> None:
    load(VALID)
    with pytest.raises(SpecError, match=r"^specs/y.yaml: no such file, did you mean specs/x.yaml\?$"):
        load_spec(Path("specs/y.yaml"))


def test_a_folder_names_a_spec_inside(load: Load) -> None:
    load(VALID)
    with pytest.raises(SpecError, match=r"^specs: is a folder; name a file in it, such as specs/x.yaml$"):
        load_spec(Path("specs"))


def test_the_error_says_what_to_do_next(folder: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(Path("specs/y.yaml"), [Path("o.yaml")])
    assert caught.value.next_step.endswith("raftops validate specs/y.yaml -f o.yaml")
    assert caught.value.exit_code == 2


def test_a_candidate_keeps_the_rank_of_the_adapter_that_it_continues_from(refused: Refused, folder: Path) -> None:
    for name in ("raft", "plain"):
        (folder / "starter" / name).mkdir(parents=True)
    text = (
        VALID
        + "    init_from: starter\n    candidates: [{name: a, rank: 8}, {name: b, rank: 16}, {name: c, alpha: 8}]\n"
    )
    report = refused(text)
    assert "specs/x.yaml:12:34: spec.train.candidates[0].rank: an adapter that is continued from keeps its" in report
    assert "spec.train.candidates[2].alpha: an adapter that is" in report and report.endswith("2 problems")


def test_an_overlay_is_merged_by_key_and_its_lists_replace(load: Load) -> None:
    loaded = load(
        VALID + "    rank: 4\n    alpha: 8\n",
        "spec: {train: {rank: 32, audience: [staff, managers]}}\n",
        "spec: {train: {audience: [managers]}}\n",
    )
    train = loaded.assistant.spec.train
    assert (train.rank, train.alpha, train.audience) == (32, 8, ("managers",))
    assert loaded.overlays == (Path("specs/env/o0.yaml"), Path("specs/env/o1.yaml"))


def test_a_mistake_in_an_overlay_is_told_in_the_overlay(refused: Refused) -> None:
    report = refused(VALID, "spec:\n  train:\n    rnak: 8\n    audience: [staf]\n")
    assert "specs/env/o0.yaml:3:5: spec.train.rnak: unknown key, did you mean rank?" in report
    assert "specs/env/o0.yaml:4:16: spec.train.audience[0]: access.yaml has no group staf" in report


def test_an_overlay_can_mend_a_value_of_the_spec(load: Load) -> None:
    assert load(VALID + "    rank: x\n", "spec: {train: {rank: 8}}\n").assistant.spec.train.rank == 8


def test_problems_of_every_file_come_together(refused: Refused) -> None:
    report = refused(VALID + "    rank: [\n", "", "a: *b\n")
    for place in ("specs/x.yaml:11:12: ", "specs/env/o0.yaml: ", "specs/env/o1.yaml:1:4: "):
        assert place in report


def test_the_access_file_is_checked_at_its_own_places(refused: Refused, folder: Path) -> None:
    text = ACCESS.replace("closed: {groups:", "closed: {gruops:").replace("policy: open", "plicy: open")
    (folder / "access.yaml").write_text(text, encoding="utf-8")
    report = refused(VALID)
    assert "access.yaml:4:12: policies.closed.gruops: unknown key, did you mean groups?" in report
    assert "access.yaml:7:19: documents[1].plicy: unknown key, did you mean policy?" in report


def test_names_that_the_access_file_does_not_define_are_told(refused: Refused, folder: Path) -> None:
    text = ACCESS.replace("open: {groups: [staff,", "open: {groups: [stuff,").replace("policy: closed", "policy: clsed")
    (folder / "access.yaml").write_text(text, encoding="utf-8")
    report = refused(VALID)
    assert "policy open lists the group stuff, which is not defined there, did you mean staff?" in report
    assert "the rule for closed/** names the policy clsed, which is not defined there, did you mean closed?" in report


def test_an_audience_that_may_read_nothing_together_is_refused(refused: Refused, folder: Path) -> None:
    (folder / "access.yaml").write_text(ACCESS.replace("[staff, managers]", "[staff]"), encoding="utf-8")
    assert "no policy may be read by all of these groups" in refused(VALID.replace("[staff]", "[staff, managers]"))


@pytest.mark.parametrize(
    ("path", "root"),
    [("p/specs/x.yaml", "p"), ("p/specs/env/gpu/x.yaml", "p"), ("p/x.yaml", "p"), ("p/my-specs/x.yaml", "p/my-specs")],
)
def test_the_project_is_the_folder_that_holds_specs(path: str, root: str, tmp_path: Path) -> None:
    assert project_root(tmp_path / path) == tmp_path / root


def test_a_number_may_be_a_cpu_request_and_an_exponent_a_number(load: Load) -> None:
    spec = load(VALID + "    learning_rate: 5e-4\n  platform: {resources: {train: {cpu: 2}}}\n").assistant.spec
    assert (spec.train.learning_rate, spec.platform.resources["train"].cpu) == (0.0005, "2")


def test_reading_a_spec_imports_nothing_heavy_and_takes_no_time() -> None:
    program = (
        "import sys, raftops.spec.load, raftops.spec.schema, raftops.spec.template\n"
        "heavy = {'torch', 'transformers', 'pymilvus', 'great_expectations', 'bentoml', 'kfp', 'numpy', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_takes_well_under_half_a_second_of_cpu(load: Load) -> None:
    load(VALID)
    started = time.process_time()
    load(VALID)
    assert time.process_time() - started < 0.25


def test_a_hostile_file_is_refused_in_little_time(refused: Refused) -> None:
    started = time.process_time()
    refused("[" * 900_000)
    refused("a: " + "- " * 400_000)
    refused("".join(f"k{i}: 1\n" for i in range(20_000)))
    assert time.process_time() - started < 8
