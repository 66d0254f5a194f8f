"""A request that wants a format is answered in it, free or from evidence, and nothing stands beside it."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

from raftops.answer.router import Route
from raftops.data.records import Generation
from raftops.spec.model.formats import Format

beside = runpy.run_path(str(Path(__file__).with_name("test_answering.py")))
LEAVE = Format(
    name="leave", when="json",
    json_schema={"properties": {"days": {"type": "integer", "x-from": "given"}, "who": {"const": "staff"}}},
)  # fmt: skip


class Holding(beside["Says"]):
    """Says its text freely, and what it is allowed where it is held."""

    def __init__(self, holds: bool) -> None:
        super().__init__("Here is your JSON!")
        self.holds, self.shapes = holds, []

    def generate_held(self, messages, max_new_tokens, shape):
        self.shapes.append(shape)
        return Generation(shape.text.removeprefix("root ::= ").split(" | ")[0].strip('"'), 10, 2)


class Sends:
    """A router that sends everything one way."""

    def __init__(self, name: str) -> None:
        self.name = name

    def decide(self, request: str) -> Route:
        return Route(self.name, 1.0)


def answered(question: str, route: str, holds: bool = True):
    model = Holding(holds)
    prompt = beside["PROMPT"].model_copy(update={"formats": (LEAVE,)})
    one = replace(beside["answerer"]("", prompt=prompt), generator=model, router=Sends(route))
    return one.answer(question, frozenset({"staff"})), model


def test_a_request_about_form_is_held_to_its_format():
    answer, model = answered("As JSON, please: twelve is 12 days.", "behaviour")
    assert answer.text == '{"days": 12, "who": "staff"}' and answer.mode == "form" and not answer.citations
    assert model.shapes == []  # one number is named, so nothing was open


def test_from_evidence_the_reply_is_cited_and_nothing_stands_beside_it():
    answer, model = answered("Annual leave in Germany as JSON, please", "both")
    assert [shape.begun for shape in model.shapes] == ['{"days":']
    assert answer.text == '{"days": 25, "who": "staff"}' and answer.mode == "form" and answer.citations
    assert [citation.doc_id for citation in answer.citations] == ["ireland.md"]


def test_a_reply_in_a_format_is_grounded_only_where_a_unit_about_what_is_asked_carries_each_value():
    of_another, _ = answered("Annual leave of staff in Germany as JSON, please", "both")
    assert of_another.citations and not of_another.grounded and of_another.reason == "not grounded"
    right, _ = answered("Annual leave of staff in Ireland as JSON, please", "both")
    assert right.text == of_another.text and right.grounded and right.reason == ""
    unsaid, _ = answered("Annual leave in Ireland as JSON, please", "both")  # nobody says that it is of staff
    assert not unsaid.grounded


def test_a_question_is_no_form_and_an_engine_that_cannot_hold_replies_freely():
    asked, model = answered("What is JSON about leave in Germany?", "knowledge")
    assert not model.shapes and not asked.text.startswith("{")
    free, model = answered("As JSON, please: 12 days", "behaviour", holds=False)
    assert free.text == "Here is your JSON!" and not model.shapes


def test_a_schema_comes_through_what_sorts_keys_with_its_properties_in_order() -> None:
    schema = {
        "type": "object",
        "properties": {
            "start": {"type": "string", "format": "date", "x-from": "given"},
            "end": {"type": "string", "format": "date", "x-from": "given", "x-not-before": "start"},
            "days": {"type": "integer", "x-value": "days(start, end)"},
        },
    }
    written = Format(name="leave", when="leave", json_schema=schema).model_dump(mode="json")
    carried = json.loads(json.dumps(written, sort_keys=True))
    assert list(Format.model_validate(carried).fields) == ["start", "end", "days"]
