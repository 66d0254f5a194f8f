"""The whole pipeline by KFP's local runner on what `raftops init` writes: run, skip, kill, change, ask. Minutes."""

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from raftops.files import read_json
from raftops.spec.model.base import STEPS
from tests.local.project import ENVIRONMENT, init, kill_run_at, parts, raftops, run
from tests.local.readme import blocks, commands, left_running, sh
from tests.site import pages

ASSISTANT = "my-assistant"
"""The project of the README."""
SITE = [page for page in pages.PAGES if any("test_the_commands_of_the_site" in b.runner for b in pages.blocks(page))]
pytestmark = [pytest.mark.local, pytest.mark.timeout(2400)]


def test_a_run_ends_with_a_release_that_has_all_parts(project):
    folder, _ = project
    shown = raftops(folder, "release", "show", "raftops.yaml")[-1]
    assert {"adapter", "index", "prompt", "router", "policies", "report"} <= set(shown["parts"])


def test_the_same_spec_again_runs_no_step(project):
    statuses, _ = run(project[0])
    assert set(statuses.values()) == {"skipped"}


def test_the_commands_for_an_own_assistant_do_what_they_say(project, tmp_path):
    folder, _ = project
    init, enter, *within = commands("raftops init")
    assert init == f"raftops init {ASSISTANT}" and enter == f"cd {ASSISTANT}"
    sh(init, tmp_path)
    new = tmp_path / ASSISTANT
    assert "raftops.yaml" in sh("ls", new)
    checks, (run, serve, ask) = within[:-3], within[-3:]
    for command in checks:
        sh(command, new)
    assert run.startswith("raftops run") and "skipped" in sh(f"{run} -f small.yaml", folder)
    with left_running(serve, folder):
        assert "A " in sh(ask, folder)
        assert_the_snippet_answers(folder)


def assert_the_snippet_answers(folder):
    """The README's Python, with the token that it leaves open and this project's model."""
    tokens = read_json(folder / ".raftops" / "dev-tokens.json")
    token = next(user["token"] for user in tokens["users"].values())
    (snippet,) = blocks("python")
    assert '"<token>"' in snippet and 'model="handbook"' in snippet
    snippet = snippet.replace("<token>", token).replace('model="handbook"', 'model="starter"')
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", SITE, ids=pages.name)
def test_the_commands_of_the_site_that_need_a_run(project, page):
    """What a page leaves to this test is run beside the service, where the page starts one."""
    folder, _ = project
    mine = [b for b in pages.blocks(page) if b.runner.endswith("::test_the_commands_of_the_site_that_need_a_run")]
    serves = any(line.startswith("raftops serve") for block in mine for line in block.lines)
    with left_running("raftops serve raftops.yaml", folder) if serves else nullcontext():
        for block in mine:
            if block.language == "python":
                assert "[1]" in answered(block.text, folder)
                continue
            lines = [line for line in block.lines if not line.startswith("raftops serve")]
            script = "\n".join(lines).replace("raftops run raftops.yaml", "raftops run raftops.yaml -f small.yaml")
            assert not lines or sh(f"set -e\n{script}", folder)


def test_langchains_client_is_answered(project):
    pytest.importorskip("langchain_openai")
    page = pages.ROOT / "docs" / "how-to" / "clients.md"
    [block] = [b for b in pages.blocks(page) if b.runner.endswith("::test_langchains_client_is_answered")]
    with left_running("raftops serve raftops.yaml", project[0]):
        assert answered(block.text, project[0])


def answered(snippet, folder):
    """What a page's Python prints, asked of this project's model."""
    snippet = snippet.replace('model="my-assistant"', 'model="starter"')
    words = [sys.executable, "-c", snippet]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_run_that_was_killed_at_every_step_ends_with_the_same_release(project, unbroken, tmp_path):
    folder, models = init(tmp_path / "killed"), Path(".raftops", "cache", "models")
    shutil.copytree(project[0] / models, folder / models, copy_function=os.link)  # no step is spent on converting them
    for number, step in enumerate(STEPS):
        kill_run_at(folder, step, whole=number % 2 == 0)
    run(folder)
    assert parts(folder) == unbroken


def test_a_changed_document_does_not_retrain(project):
    folder, before = project
    document = next((folder / "data").rglob("*.md"))
    document.write_text(document.read_text(encoding="utf-8") + "\nA new closing sentence stands here.\n", "utf-8")
    planned = raftops(folder, "plan", "raftops.yaml", "-f", "small.yaml")[-1]["steps"]
    assert "documents: 1 changed" in next(s for s in planned if s["step"] == "ingest")["reasons"]
    statuses, record = run(folder)
    assert {name for name, status in statuses.items() if status == "skipped"} == {"augment", "train"}
    assert record["steps"]["ingest"]["metrics"]["parsed"] == 1
    assert record["steps"]["index"]["metrics"]["embedded"] < before["steps"]["index"]["metrics"]["embedded"]


def test_the_service_answers_and_says_who_may_read(project):
    folder, _ = project
    told = raftops(folder, "run", "raftops.yaml", "-f", "small.yaml", "--demo")
    answers = [row for row in told if "question" in row]
    assert answers and all(a["choices"] and "citations" in a and a["release"] for a in answers)
