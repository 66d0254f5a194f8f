"""One content has one policy, under whatever names it lies in the folder: links, hard links, copies, other case."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftops.access import AccessPolicies
from raftops.files import names_on_the_way
from raftops.spec.model.knowledge import Data, Validate
from raftops.spec.rules import names_below, rule_doubts
from raftops.validation.documents import document_checks, document_rows
from raftops.validation.lint import judged
from raftops.validation.rows import bad_rows
from raftops.validation.texts import TextsOnDisk

SECRET = "The budget of the pay review is 3 percent, and managers propose it in March every year.\n"
OPEN = "Every employee has 30 days of leave, and asks for them in Compass before the holidays.\n"
ACCESS = AccessPolicies.model_validate(
    {
        "groups": {"staff": "", "managers": "", "board": ""},
        "policies": {
            "all": {"groups": ["staff", "managers", "board"]},
            "everybody": {"groups": ["board", "managers", "staff"]},
            "managers-only": {"groups": ["managers"]},
            "board-only": {"groups": ["board"]},
        },
        "documents": [
            {"match": "managers/**", "policy": "managers-only"},
            {"match": "board/**", "policy": "board-only"},
            {"match": "also-open/**", "policy": "everybody"},
            {"match": "none/**", "policy": "not-there"},
            {"match": "**", "policy": "all"},
        ],
    }
)


class Folder:
    """A folder of documents that a test spoils, and what its rows say then."""

    def __init__(self, root: Path) -> None:
        self.root = root / "docs"
        self.write("managers/pay.md", SECRET)
        self.write("leave.md", OPEN)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def link(self, name: str, target: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(target)

    def judged(self) -> tuple[dict[str, str], dict[str, str | None], dict[str, str]]:
        """Reasons of the rows that are put aside; policies of all; warnings."""
        data = Data.model_validate({"documents": {"path": str(self.root)}, "access": "access.yaml"})
        texts = self.root.parent / "texts"
        texts.mkdir(exist_ok=True)
        doubts = list(rule_doubts(ACCESS, names_below(self.root), "docs"))
        rows = document_rows(Validate(), data, ACCESS, TextsOnDisk(texts), doubts).rows
        outcomes = [judged(rows, check) for check in document_checks(Validate(), ACCESS)]
        warned = {w for o in outcomes if o.check.severity == "warning" for w in o.failed}
        return (
            {bad.id: bad.reason for bad in bad_rows(rows, outcomes)},
            {row.id: row.columns.get("policy_id") for row in rows},
            {row.id: " ".join(row.reasons.values()) for row in rows if row.where in warned},
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_folder_without_such_names_has_nothing_to_say(folder: Folder) -> None:
    assert folder.judged() == ({}, {"leave.md": "all", "managers/pay.md": "managers-only"}, {})


LINKS: dict[str, Callable[[Folder], Any]] = {
    "to a file": lambda f: f.link("alias.md", "managers/pay.md"),
    "of a link": lambda f: (f.link("between.md", "managers/pay.md"), f.link("alias.md", "between.md")),
    "through a folder that is a link": lambda f: (f.link("dir", "managers"), f.link("alias.md", "dir/pay.md")),
    "with a way around": lambda f: (
        f.link("alias.md", "also-open/../managers/pay.md") if (f.root / "also-open").mkdir() is None else None
    ),
    "by its whole path": lambda f: f.link("alias.md", str(f.root / "managers/pay.md")),
    "over a restricted name to an open file": lambda f: (
        f.link("managers/way.md", "../leave.md"),
        f.link("alias.md", "managers/way.md"),
    ),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_lifts_no_restriction(folder: Folder, kind: str) -> None:
    LINKS[kind](folder)
    bad, policies, _ = folder.judged()
    assert policies["alias.md"] == "managers-only", "the stricter policy counts"
    assert "is a link, and its names have policies of other readers" in bad["alias.md"]
    assert "managers-only" in bad["alias.md"] and not {"managers/pay.md", "leave.md"} & bad.keys()


def test_a_link_between_policies_of_which_none_is_within_the_other_is_for_nobody(folder: Folder) -> None:
    folder.link("board/alias.md", "../managers/pay.md")
    bad, policies, _ = folder.judged()
    assert policies["board/alias.md"] is None and "has_one_policy" not in bad and "board/alias.md" in bad


def test_a_link_between_names_of_the_same_readers_is_a_document(folder: Folder) -> None:
    folder.link("also-open/leave.md", "../leave.md")
    assert folder.judged()[0] == {}


COPIES: dict[str, Callable[[Folder], Any]] = {
    "a copy": lambda f: f.write("copy.md", SECRET),
    "a hard link": lambda f: os.link(f.root / "managers/pay.md", f.root / "copy.md"),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_lifts_no_restriction_and_the_stricter_one_stays(folder: Folder, kind: str) -> None:
    COPIES[kind](folder)
    bad, _, _ = folder.judged()
    assert list(bad) == ["copy.md"]
    assert (
        "has the content of managers/pay.md (managers-only), and has the policy all: fewer may read" in bad["copy.md"]
    )


def test_copies_of_which_no_policy_is_within_the_other_are_both_refused(folder: Folder) -> None:
    folder.write("board/pay.md", SECRET)
    bad, _, _ = folder.judged()
    assert bad.keys() == {"board/pay.md", "managers/pay.md"} and "neither policy is within" in bad["board/pay.md"]


def test_copies_under_policies_of_the_same_readers_are_let_through(folder: Folder) -> None:
    folder.write("also-open/leave.md", OPEN)
    assert folder.judged()[0] == {}


def test_the_same_words_in_another_format_are_warned_of(folder: Folder) -> None:
    folder.write("export.html", f"<html><body><p>{SECRET.replace(' ', chr(10), 3)}</p></body></html>")
    bad, _, warned = folder.judged()
    assert bad == {} and "has the words of managers/pay.md (managers-only)" in warned["export.html"]


def test_names_that_differ_by_case_are_warned_of_and_refused_where_their_policies_differ(folder: Folder) -> None:
    folder.write("LEAVE.md", "Some other words about leave than those that stand in the other one of these two.\n")
    assert "differs by case or look alone from" in folder.judged()[2]["LEAVE.md"]
    folder.write("Managers/pay.md", "Some other words about pay than those that stand in the other one of these two.\n")
    bad, _, _ = folder.judged()
    assert "was probably meant by the rule 'managers/**'" in bad["Managers/pay.md"]
    assert "differs by case or look alone from managers/pay.md" in bad["Managers/pay.md"] and len(bad) == 1


def test_two_unicode_forms_of_one_name_are_one_name(folder: Folder) -> None:
    for form in ("b\u00fcro.md", "bu\u0308ro.md"):
        folder.write(form, f"{form} has words of its own about the office, and about nothing else at all.\n")
    bad, _, _ = folder.judged()
    assert "b\u00fcro.md" in bad


def test_a_name_with_a_letter_that_nobody_sees_is_refused(folder: Folder) -> None:
    folder.write("managers\u200b/x.md", "Words that stand in no other document of this folder, nor anywhere else.\n")
    bad, policies, _ = folder.judged()
    assert policies["managers\\u200b/x.md"] is None and "cannot be seen" in bad["managers\\u200b/x.md"]


def test_every_name_that_leads_to_a_file_is_known(folder: Folder) -> None:
    folder.link("b.md", "a.md")
    folder.link("a.md", "managers/pay.md")
    assert names_on_the_way(folder.root, folder.root / "b.md") == ("b.md", "managers/pay.md", "a.md")
    folder.link("circle.md", "circle.md")
    assert "circle.md" in names_on_the_way(folder.root, folder.root / "circle.md")


def test_a_name_without_a_folder_that_stands_in_a_folder_too_is_told_of() -> None:
    access = AccessPolicies.model_validate(
        {
            "groups": {"staff": "", "boss": ""},
            "policies": {"all": {"groups": ["staff", "boss"]}, "secret": {"groups": ["boss"]}},
            "documents": [{"match": "secret-*.md", "policy": "secret"}, {"match": "**", "policy": "all"}],
        }
    )
    [doubt] = rule_doubts(access, ["a.md", "secret-a.md", "people/secret-b.md", "people/c.md"], "docs")
    assert doubt.documents == ("people/secret-b.md",) and '"**/secret-*.md"' in doubt.message and not doubt.mistake
    assert not list(rule_doubts(access, ["secret-a.md", "people/c.md"], "docs"))
