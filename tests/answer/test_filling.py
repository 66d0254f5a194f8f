"""A reply in a format: dates of a text, values with one choice, and what is asked of the model at all."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest

from raftops.answer.dates import dates_in, days_between, weekdays_between
from raftops.answer.filling import format_of, written
from raftops.data.records import Generation, Message
from raftops.spec.model.formats import Format

LEAVE = Format(
    name="leave", when="leave.*json",
    json_schema={
        "type": "object",
        "properties": {
            "type": {"enum": ["annual", "sick"]},
            "start": {"type": "string", "format": "date", "x-from": "given"},
            "end": {"type": "string", "format": "date", "x-from": "given", "x-not-before": "start"},
            "days": {"type": "integer", "x-value": "weekdays(start, end)"},
        },
    },
)  # fmt: skip


class First:
    """Takes the first of what a shape allows, and keeps what it was asked."""

    holds = True

    def __init__(self):
        self.asked = []

    def generate_held(self, messages, max_new_tokens, shape):
        self.asked.append(shape)
        literal = shape.text.removeprefix("root ::= ").split(" | ")[0]
        return Generation(json.loads(literal), 10, 3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from Monday 6 July 2026 until Friday 17 July 2026", ["2026-07-06", "2026-07-17"]),
        ("12 to 16 October 2026", ["2026-10-12", "2026-10-16"]),
        ("on 22, 23 and 24 June 2026", ["2026-06-22", "2026-06-23", "2026-06-24"]),
        ("Friday 20 November until Monday 23 November 2026", ["2026-11-20", "2026-11-23"]),
        ("Wednesday the 15th to Friday the 17th of April 2026", ["2026-04-15", "2026-04-17"]),
        ("from December 2, 2026 to Dec 4", ["2026-12-02", "2026-12-04"]),
        ("11.06.2026 bis 23.6.2026, oder 2027-05-03", ["2026-06-11", "2026-06-23", "2027-05-03"]),
        ("vom 3. bis 7. März 2027", ["2027-03-03", "2027-03-07"]),
        ("In 2027: first 19 July, last 6 August", ["2027-07-19", "2027-08-06"]),
        ("31 February 2026, at 10:30 on 5 May", ["2026-05-05"]),
        ("I may come on Monday; room 12 is free", []),
    ],
)
def test_dates_are_read_as_they_are_written(text, wanted):
    assert [found.isoformat() for found in dates_in(text)] == wanted


def test_days_are_counted_with_both_ends():
    assert days_between(date(2026, 7, 6), date(2026, 7, 17)) == 12
    assert weekdays_between(date(2026, 7, 6), date(2026, 7, 17)) == 10
    assert weekdays_between(date(2026, 5, 16), date(2026, 5, 17)) == 0


def test_the_model_is_asked_only_what_is_open():
    model, request = First(), "Leave as JSON: sick from 3 March 2026 to 6 March 2026"
    said = written(LEAVE, [Message(role="user", content=request)], request, model, 96)
    assert json.loads(said.text) == {"type": "annual", "start": "2026-03-03", "end": "2026-03-06", "days": 4}
    assert [shape.begun for shape in model.asked] == ['{"type":', '{"type": "annual", "start":']
    assert said.completion_tokens == 6


def test_a_value_that_the_text_names_is_taken_from_it():
    fields = LEAVE.json_schema["properties"] | {"type": {"enum": ["annual", "sick"], "x-from": "given"}}
    named = Format(name="leave", when="leave", json_schema={"properties": fields})
    model, request = First(), "Sick leave on 6 March 2026"
    assert json.loads(written(named, [], request, model, 96).text)["type"] == "sick" and not model.asked
    assert json.loads(written(named, [], "Flu on 6 March 2026", model, 96).text)["type"] == "annual" and model.asked


def test_one_date_fills_both_places_and_none_is_earlier():
    one = written(LEAVE, [], "leave on 6 March 2026", First(), 96)
    assert json.loads(one.text)["end"] == "2026-03-06"
    back = written(LEAVE, [], "leave from 6 March 2026; I was away on 2 March 2026", First(), 96)
    assert json.loads(back.text)["end"] == "2026-03-06"


def test_the_first_format_that_a_request_wants():
    assert format_of("Turn this LEAVE request into json, please", [LEAVE]) is LEAVE
    assert format_of("How much leave do I get?", [LEAVE]) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"json_schema": {}, "regex": "a"}, "needs one of"),
        ({}, "needs one of"),
        ({"regex": "("}, "not a regular expression"),
        ({"when": "(", "regex": "a"}, "not a regular expression"),
        ({"grammar": 'start ::= "a"'}, "no rule `root"),
        ({"json_schema": {"type": "objekt"}}, "not a JSON Schema"),
        ({"json_schema": {"properties": {"n": {"x-value": "weeks(a, b)"}}}}, "weekdays"),
        ({"json_schema": {"properties": {"n": {"x-value": "days(a, b)"}}}}, "no property before"),
        ({"json_schema": {"properties": {"n": {"x-from": "web"}}}}, "x-from is given"),
    ],
)
def test_a_wrong_format_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        Format.model_validate({"name": "a", "when": "a", **given})


def test_whole_numbers_stay_whole_on_their_way_through_a_protobuf():
    schema = {"properties": {"n": {"enum": [1.0, 2.5], "maximum": 8.0}}}
    assert Format(name="a", when="a", json_schema=schema).json_schema == {
        "properties": {"n": {"enum": [1, 2.5], "maximum": 8}}
    }


def test_a_request_cannot_keep_the_search_for_its_format_busy():
    format_ = Format(name="a", when="(.*?,){25}P", sql="given")
    began = time.process_time()
    assert not format_.wanted_by("1,2,3,4,5,6,7,8,9," * 12)  # by Python's own expressions: minutes
    assert time.process_time() - began < 10
    assert Format(name="a", when="as json", sql="given").wanted_by("Please, AS JSON")


@pytest.mark.parametrize("pattern", ["x{99999999999}", "(((" * 160 + ")))" * 160])
def test_an_expression_no_machine_can_read_is_refused(pattern):
    with pytest.raises(ValueError, match="not a regular expression|at most"):
        Format.model_validate({"name": "a", "when": pattern, "sql": "given"})
