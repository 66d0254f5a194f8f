import csv
import json
import re
from base64 import b64decode
from dataclasses import replace
from functools import partial
from html import unescape
from html.parser import HTMLParser

import pytest

from raftops.answer.answering import Answerer
from raftops.evaluation.gates import every_gate
from raftops.evaluation.page import write_report
from raftops.evaluation.questions import HeldOut
from raftops.evaluation.report import Report, limits, staleness
from raftops.evaluation.shown import show
from raftops.evaluation.study import Findings
from raftops.files import write_jsonl
from raftops.spec.figures import LATENCIES
from raftops.spec.model.base import ARMS
from raftops.spec.model.learning import Evaluate, Gate
from tests.evaluation.doubles import ACCESS, PROMPT, SOURCES, Turned, babbles, chooses, reads, study

CONFIG = Evaluate(bootstrap=200, forgetting=4, questions=3, gates=[Gate(metric="raft.right.low", min=0.5)])
ALL = Evaluate(bootstrap=200, forgetting=4, probe_questions=4)


def report(tmp_path, config=CONFIG, stale=None, **say):
    found, summary, _ = study(tmp_path / "cache", config, **say)
    made = Report("a handbook", config, found, summary, every_gate(config.gates, found, summary), stale)
    write_report(made, tmp_path / "report")
    return made, (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def told(prompt, *of):
    """An answerer with another prompt."""
    return replace(Answerer(*of), prompt=prompt)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr", "img", "path", "use", "line", "rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_a_win_is_called_a_win(tmp_path):
    made, page = report(tmp_path, ALL, answers=Turned, base=babbles, plain=babbles, raft=chooses)
    assert made.conclusion.verdict == "won" and "Yes. RAFT answers 100 in 100 more" in page and "Served: raft" in page
    assert "more than the first sentence found, quoted without a model" in page and made.loss == ""


def test_a_model_that_is_no_better_than_the_first_sentence_has_not_won(tmp_path):
    made, page = report(tmp_path, ALL)
    assert made.found.winner == "raft" and made.summary.paired["right"].low > 0, "it does beat base+rag"
    assert made.conclusion.verdict == "ahead"
    assert "Not shown. RAFT and the first sentence found answer about as many questions right." in page


def test_a_model_that_the_first_sentence_beats_has_lost_and_the_report_says_so_in_words(tmp_path):
    def rarely(asked):
        return reads(asked) if "merit" in asked.rpartition("Question")[2] else babbles(asked)

    made, page = report(tmp_path, ALL, base=babbles, plain=babbles, raft=rarely)
    assert made.found.winner == "raft" and made.conclusion.verdict == "lost"
    assert "No. Quoting the first sentence found, with no model at all, is right for 1.000" in page
    assert "RAFT for 0.250" in page and "quoting is better" in page
    assert not made.held
    stops = Evaluate(bootstrap=200, forgetting=0, probe_questions=0, when_raft_loses="fail")
    made, _ = report(tmp_path / "stops", stops, base=babbles, plain=babbles, raft=rarely)
    assert any(reason.startswith("quoting the first sentence found") for reason in made.held)


def test_readers_that_are_mostly_turned_away_are_an_alarm_with_what_to_do(tmp_path):
    declines = {"base": babbles, "plain": babbles, "raft": lambda asked: PROMPT.abstain}
    short = PROMPT.model_copy(update={"answer": "short"})
    made, page = report(tmp_path, ALL, answers=partial(told, short), **declines)
    said = [alarm.said for alarm in made.alarms]
    assert said[0].startswith("Most questions are declined") and "1.00 of the questions" in said[0]
    assert said[1].startswith("Readers get fewer right answers (0.00) than by quoting") and "(1.00)" in said[1]
    assert all(alarm.said in unescape(page) for alarm in made.alarms) and "train.init_from" in page
    assert [alarm["said"] for alarm in made.as_json()["alarms"]] == said
    assert not report(tmp_path / "fine", ALL)[0].alarms


def test_the_page_begins_with_what_readers_get_beside_the_first_sentence(tmp_path):
    _, page = report(tmp_path, ALL)
    page = page.partition("</nav>")[2]
    places = [page.index(said) for said in ("What readers get", "the first sentence found, no model", "The arms")]
    assert places == sorted(places)
    # four questions that are answered, two that nothing answers: both arms are right for the four
    assert "readers get 100 right answers; quoting the first sentence found, with no model at all, gives 100" in page
    assert "0 get a wrong answer; by quoting, 33" in page and "what readers get is better than that" in page
    assert "What a right answer hangs on" in page and "always [1], in that order" in page


def test_figures_are_told_apart_by_kind_of_question_and_by_policy(tmp_path):
    made, page = report(tmp_path, ALL)
    parts = made.as_json()["slices"]
    assert parts["kind of question"]["number"]["served.right"]["n"] == 3
    assert parts["kind of question"]["who/where/when"]["served.right"]["n"] == 1
    assert set(parts["policy of the proof"]) == {"all-staff", "workforce", "managers-only"}
    assert "language" not in parts, "no example says one"
    assert "Policy of the proof" in page


def test_where_the_release_stands_is_drawn_beside_the_curve(tmp_path):
    made, page = report(tmp_path, ALL)
    assert made.stands is not None and made.risk[-1] == (1.0, pytest.approx(2 / 6))
    assert "Risk against coverage: all answered 0.33 wrong; served:" in page
    written = made.as_json()["coverage_risk"]
    assert written["by"] == "score of the best unit" and written["questions"] == 6
    assert written["always"]["wrong"] == pytest.approx(2 / 6, abs=1e-3)
    assert set(written["served"]) == {"coverage", "risk"}


def test_a_loss_is_called_a_loss_with_the_arm_that_is_served_instead(tmp_path):
    made, page = report(tmp_path, base=reads, plain=babbles, raft=babbles)
    assert made.conclusion.verdict == "lost" and "No. RAFT lost to base+rag" in page
    assert "Served instead: base+rag" in page and "Yes." not in made.conclusion.headline


def test_a_loss_is_explained_by_what_was_shown_and_what_was_declined(tmp_path):
    made, page = report(tmp_path / "declines", base=reads, plain=babbles, raft=lambda asked: PROMPT.abstain)
    assert "RAFT declined 1.000 of them" in page and "train.init_from" in page
    made, page = report(tmp_path / "babbles", base=reads, plain=babbles, raft=babbles)
    assert "Why it lost: the proof stood" in page and "it was there to be read" in page and "declined 1.000" not in page
    made, page = report(tmp_path / "wins")
    assert "Why it lost" not in page


def test_a_lead_within_the_noise_is_not_called_a_win(tmp_path):
    def once(asked):
        return reads(asked) if "merit" not in asked else babbles(asked)

    made, _ = report(tmp_path, Evaluate(bootstrap=500, forgetting=0), base=once, plain=babbles, raft=reads)
    assert made.found.winner == "raft" and made.conclusion.verdict == "ahead"
    assert made.summary.paired["right"].low == 0 and not made.conclusion.headline.startswith("Yes")


def test_where_the_spec_says_stop_nothing_is_said_to_be_served(tmp_path):
    config = Evaluate(bootstrap=100, forgetting=0, when_raft_loses="fail")
    made, page = report(tmp_path, config, base=reads, plain=babbles, raft=babbles)
    assert "so base+rag is not served" in page and made.loss.startswith("RAFT lost to base+rag")


def test_the_page_stands_alone_and_is_well_formed(tmp_path):
    _, page = report(tmp_path)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not [a for tag, a in tags.seen if tag in ("script", "link", "iframe", "img")]
    assert not re.search(r"(?:src|href)=[\"']https?:", page) and "url(http" not in page
    assert page.count("<svg") >= 4 and "default-src 'none'" in page
    named = set(re.findall(r"var\(--(\w+)\)", page))
    light, dark = (part.partition("}")[0] for part in re.split("color-scheme: dark", page.partition(":root")[2])[:2])
    assert {"good", "accent", "tint"} <= named
    assert all(f"--{name}: #" in light and f"--{name}: #" in dark for name in named), "a colour of one scheme only"


def test_the_contents_name_every_section_and_lead_there(tmp_path):
    _, page = report(tmp_path, ALL)
    contents = page[page.index("<nav") : page.index("</nav>")]
    linked = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', contents)
    assert [id_ for id_, _ in linked] == re.findall(r'<section id="(\w+)"', page)
    assert {"What readers get", "Was RAFT worth it?", "The arms", "Retrieval", "How it was measured"} <= {
        heading for _, heading in linked
    }


def test_every_figure_and_every_answer_is_there_as_csv(tmp_path):
    made, page = report(tmp_path, ALL)
    with (tmp_path / "report" / "figures.csv").open(encoding="utf-8", newline="") as file:
        figures = {row["figure"]: row for row in csv.DictReader(file)}
    right = made.summary.figures["raft.right"]
    assert float(figures["raft.right"]["value"]) == right.value and figures["raft.right"]["questions"] == str(right.n)
    assert figures.keys() >= {*made.summary.latencies, *made.summary.figures, "raft - base+rag right", "leaks"}
    inside = re.search(r'download="figures.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)"', page)
    assert inside and b64decode(inside[1]) == (tmp_path / "report" / "figures.csv").read_bytes()
    with (tmp_path / "report" / "answers.csv").open(encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    rows = list(made.rows())
    assert [(row["arm"], row["id"], row["text"]) for row in answers] == [(r["arm"], r["id"], r["text"]) for r in rows]
    cited = next(row for row in answers if row["arm"] == "raft" and row["cites"])
    assert cited["cites"].startswith("[1] ") and float(cited["right"]) == 1


def test_what_a_model_writes_is_no_formula_of_a_spreadsheet(tmp_path):
    report(tmp_path, base=lambda asked: '=HYPERLINK("http://example.org")', plain=babbles, raft=reads)
    with (tmp_path / "report" / "answers.csv").open(encoding="utf-8", newline="") as file:
        texts = {row["text"] for row in csv.DictReader(file) if row["arm"] == "base"}
    assert texts == {'\'=HYPERLINK("http://example.org")'}


def test_links_to_what_lies_beside_the_page_are_taken_out_of_a_copy_elsewhere(tmp_path):
    _, page = report(tmp_path)
    links = re.findall(r'<a (?:download )?href="([^"#:]+)"', page)
    folder = tmp_path / "report"
    assert [link for link in links if (folder / link).is_file()] == ["answers.csv", "answers.jsonl", "report.json"]
    assert [link for link in links if link.startswith("../")] == [
        "../../index.html",
        "../../validate/report/index.html",
    ]
    show(folder, tmp_path / "page", tmp_path / "summary")
    copy = (tmp_path / "page").read_text(encoding="utf-8")
    assert not re.findall(r'<a (?:download )?href="([^"#:]+)"', copy) and "Every figure as CSV" in copy
    assert re.sub("<!-- (beside|run) -->.*?<!-- end -->", "", page) == copy


def test_the_seconds_of_an_answer_are_told_by_percentile(tmp_path):
    made, page = report(tmp_path, ALL)
    latencies = made.summary.latencies
    for part in ("retrieval", "answer"):
        three = [latencies[f"latency.{part}_{point}_seconds"] for point in ("p50", "p95", "p99")]
        assert three == sorted(three)
    assert latencies["latency.answer_p50_seconds"] >= latencies["latency.retrieval_p50_seconds"]
    assert set(latencies) <= set(LATENCIES) and "99 % take at most" in page


def test_the_router_table_says_which_way_is_right(tmp_path):
    made, page = report(tmp_path, ALL)
    table = page[page.index("Sent the right way") :].partition("</table>")[0]
    rows = re.findall(r"<tr><td>([^<]+)</td>(.*?)</tr>", table, re.DOTALL)
    assert [name for name, _ in rows] == [
        "answerable from documents", "form alone (behaviour)", "unanswerable from documents",
    ]  # fmt: skip
    asked = sum(made.found.routed.confusion["behaviour"].values())
    right = made.found.routed.confusion["behaviour"]["behaviour"]
    form = dict(rows)["form alone (behaviour)"]
    assert f"<td>{right} of {asked}<small>{100 * right / asked:.1f} %</small></td>" in form
    assert len(re.findall('class="pass"', table)) + len(re.findall('class="fail"', table)) == sum(
        bool(count) for routes in made.found.routed.confusion.values() for count in routes.values()
    )


def test_the_page_says_who_may_read_it_and_what_was_limited(tmp_path):
    _, page = report(tmp_path)
    assert "Who may read this" in page and "managers" in page
    assert "3 of 4 held-out answerable questions" in page


def test_what_a_model_writes_is_shown_as_text(tmp_path):
    _, page = report(tmp_path, base=lambda asked: "<script>alert(1)</script>", plain=babbles, raft=reads)
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_report_json_has_flat_figures_gates_and_the_winner(tmp_path):
    report(tmp_path)
    made = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert made["winner"] == "raft" and made["metrics"]["raft.right"] == 1
    assert made["arms"]["raft"]["f1"].keys() == {"value", "low", "high", "n"}
    assert made["gates"][-1]["passed"] is True
    assert made["questions"]["answerable"] == {"asked": 3, "held_out": 4}


def test_the_report_is_the_same_again_but_for_timings(tmp_path):
    first, _ = report(tmp_path / "one")
    second, _ = report(tmp_path / "two")
    assert first.as_json()["identity"] == second.as_json()["identity"]
    assert list(first.rows()) == list(second.rows())


def test_every_question_and_arm_has_a_row(tmp_path):
    made, _ = report(tmp_path)
    lines = (tmp_path / "report" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 8 * len(made.found.shown)
    assert {row["arm"] for row in rows} == {*ARMS, "served"}
    cited = next(row for row in rows if row["arm"] == "raft" and row["quotes"])
    assert cited["quotes"][0]["text"] in SOURCES[cited["quotes"][0]["doc_id"]].text


def test_training_rows_on_changed_documents_are_counted(tmp_path):
    rows = [("leave/ireland.md", "v1", "all-staff"), ("leave/germany.md", "v0", ""), ("gone.md", "v1", "all-staff")]
    rows.append(("managers/pay.md", "v1", "all-staff"))
    write_jsonl(
        tmp_path / "sources.jsonl",
        ({"id": d, "sources": [{"doc_id": d, "version": v, "policy": p}]} for d, v, p in rows),
    )  # fmt: skip
    found = staleness(tmp_path, SOURCES, ACCESS)
    assert found["rows"] == 4 and found["stale_rows"] == 2 and found["documents"] == ["gone.md", "leave/germany.md"]
    assert found["tainted_rows"] == 2 and found["tainted_by"] == ["gone.md", "managers/pay.md"]
    _, page = report(tmp_path, stale=found)
    assert "2 of 4 training rows lean on documents that have changed" in page
    assert "2 rows go back to documents that are gone or closed" in page and "managers/pay.md" in page


def test_adapters_without_a_record_of_their_sources_are_said_to_have_none(tmp_path):
    assert staleness(tmp_path, SOURCES, ACCESS) is None
    _, page = report(tmp_path)
    assert "do not record which document versions" in page


@pytest.mark.parametrize("unanswerable", [0, 2])
def test_a_page_without_unanswerable_questions_is_drawn_too(tmp_path, unanswerable):
    config = Evaluate(bootstrap=100, forgetting=0, unanswerable=unanswerable)
    _, page = report(tmp_path, config)
    assert ("Questions that no document answers" in page) == bool(unanswerable)


def test_a_starter_is_named_in_the_limits():
    found = Findings(HeldOut((), (), (), ()))
    assert not any("starter" in said for said in limits(found))
    found.continued = True
    assert any("continue from a starter" in said for said in limits(found))
