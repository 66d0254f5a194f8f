import json
import random

from raftops.data.records import Evidence, Example
from raftops.raftdata.forms import FORMS, ask_for, fact


def example(quote="The line manager approves every trip.", answer="The line manager."):
    evidence = (Evidence(doc_id="a.md", quote=quote),)
    return Example(id="e", kind="knowledge", question="Who approves a trip?", answer=answer, evidence=evidence)


def test_a_quote_that_stands_alone_is_the_fact_and_a_table_row_is_not():
    assert fact(example()) == "The line manager approves every trip."
    assert fact(example(quote="| trip | line manager |")) == "The line manager."
    assert fact(example(quote="Long " * 60 + "end.")) == "The line manager."


def test_every_form_is_drawn_and_holds_question_and_fact():
    drawn = {ask_for(example(), random.Random(seed)) for seed in range(60)}
    assert len(drawn) == len(FORMS)
    for request, text in drawn:
        assert "Who approves a trip?" in request and "The line manager approves every trip." in text


def test_what_is_asked_for_as_json_is_json():
    (form,) = [form for form in FORMS if form.name == "json"]
    assert json.loads(form.write('The "line" manager.')) == {"answer": 'The "line" manager.'}
