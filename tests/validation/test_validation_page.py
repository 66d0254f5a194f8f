"""The page of a validation: it says what was put aside or left out and why, names every check, and fetches nothing."""

import json
import re

import great_expectations as gx
import pytest

from raftops.files import write_json
from raftops.spec.access_file import read_access
from raftops.spec.rules import rule_doubts
from raftops.validation.expectations import Judge
from raftops.validation.policies import idle_rules
from raftops.validation.report import Aside, Table, write_report
from raftops.validation.rows import Check, Row, bad_rows
from raftops.validation.validation_page import asks, write_page

CHECKS = [
    Check("fine", "true", "critical", "the quote is verbatim"),
    Check("chars", "between", "warning", "a question has 3 characters or more", (3, None)),
]
RULE = {"where": "access.yaml: documents.0", "match": "mangers/**", "policy": "managers-only", "why": "it matches none"}


def judged(folder):
    """A table of two rows, one of them bad, judged and written as the step does it."""
    rows = [Row("a.jsonl:1", "one", {"fine": True, "chars": 9}), Row("a.jsonl:2", "<b>two</b>", {"chars": 9})]
    rows[1].fail("fine", "is not verbatim")
    judge = Judge()
    outcomes = judge.judge("examples", rows, CHECKS)
    write_json(folder / "expectations.json", judge.suites())
    aside = Aside([("prices.csv", "data.documents.include has no pattern for it")], [RULE])
    table = Table("examples", 2, outcomes, bad_rows(rows, outcomes))
    write_report(folder / "report.json", [table], [], {"splits": {}}, aside)
    write_page(folder)
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, judged(folder)


def test_the_page_says_what_was_put_aside_and_why(written):
    _, page = written
    assert "1 of 2 rows were put aside" in page and "a.jsonl:2" in page and "is not verbatim" in page


def test_every_check_stands_on_it_with_what_it_asks_and_how_it_went(written):
    _, page = written
    page = page.partition('id="checks"')[2]
    rows = re.findall(r'<tr><td class="(?:good|bad)">(\w+)</td><td>(\w+)</td><td>([^<]+)</td>', page)
    assert rows == [(word, c.severity, c.says) for word, c in zip(("fails", "holds"), CHECKS, strict=True)]
    assert "<code>chars</code> is at least 3" in page


def test_files_left_out_and_rules_that_decide_nothing_are_named_with_their_reason(written):
    _, page = written
    assert "1 file was left out" in page and "prices.csv" in page and "include has no pattern for it" in page
    assert "<code>mangers/**</code></td><td>managers-only</td><td>it matches none" in page


def test_what_a_row_is_called_is_shown_as_text(written):
    _, page = written
    assert "&lt;b&gt;two&lt;/b&gt;" in page and "<b>two" not in page


def test_the_page_fetches_nothing_and_is_all_there_is_of_pages(written):
    folder, page = written
    assert [path.name for path in folder.rglob("*.html")] == ["index.html"]
    assert not re.search(r"<(?:script|link|img|iframe)\b", page) and "default-src 'none'" in page
    links = re.findall(r'href="([^"]+)"', page)
    assert all(link.startswith("#") or (folder / link).is_file() for link in links) and "expectations.json" in links
    assert {link[1:] for link in links if link.startswith("#")} <= set(re.findall(r'id="(\w+)"', page))


def test_great_expectations_reads_its_checks_on(written):
    folder, _ = written
    (suite,) = json.loads((folder / "expectations.json").read_text(encoding="utf-8"))
    read = gx.ExpectationSuite(name=suite["name"], expectations=suite["expectations"])
    assert read.name == "examples" and [e.description for e in read.expectations] == [c.says for c in CHECKS]


def test_the_page_of_clean_data_says_so(tmp_path):
    about = {"name": "documents", "in": 1, "accepted": 1, "quarantined": 0, "expectations": []}
    found = {"success": True, "counts": {"splits": {"train": 1}}, "tables": [about], "rows": []}
    found |= {"files_left_out": [], "idle_rules": [], "personal_data": {"count": 0, "by_kind": {}}}
    write_json(tmp_path / "report.json", found)
    write_page(tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "everything was let through" in page and "No files were left out" in page and "No rows" in page


def test_a_rule_that_decides_nothing_is_one_that_matches_none_or_comes_too_late(tmp_path):
    rules = [("mangers/**", "managers"), ("**", "all"), ("leave/*", "all"), ("managers/**", "managers")]
    lines = "".join(f'  - {{match: "{match}", policy: {policy}}}\n' for match, policy in rules)
    (tmp_path / "access.yaml").write_text(f"policies: {{all: {{}}, managers: {{}}}}\ndocuments:\n{lines}")
    file = read_access(tmp_path / "access.yaml")
    doubts = list(rule_doubts(file.value, ["leave/a.md", "leave/b.md", "managers/pay.md"], "docs"))
    idle = list(idle_rules(file, file.value, doubts))
    behind = 'it is never reached: "**" above it takes every document; move it up'
    assert [(rule["match"], rule["why"]) for rule in idle] == [
        ("mangers/**", "it matches no document in docs, did you mean managers/**?"),
        ("leave/*", behind),
        ("managers/**", behind),
    ]
    assert idle[0]["where"].endswith("access.yaml:3:13")


@pytest.mark.parametrize(
    ("condition", "values", "words"),
    [
        ("between", [1, 5], "is at least 1 and at most 5"), ("between", [None, 1500], "is at most 1,500"),
        ("in_set", ["a", "b"], "is one of: a, b"), ("regex", ["^x$"], "has the form ^x$"), ("zero", [], "is 0"),
        ("not_null", [], "is there"), ("unique", [], "stands once"), ("true", [], "is true"),
    ],
)  # fmt: skip
def test_what_a_check_asks_is_said_in_words(condition, values, words):
    assert asks({"expectation": condition, "values": values}) == words
