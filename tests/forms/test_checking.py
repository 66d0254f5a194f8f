"""Each check of a reply about form: what passes, what does not, in which words, and that nothing runs away."""

from __future__ import annotations

import re
import time
from contextlib import closing

import pytest
from pydantic import ValidationError

from raftops.data.checks import Checks
from raftops.forms.checking import LOOKS, failed_checks
from raftops.forms.readability import reading_ease, syllables_of
from raftops.forms.reading import json_value, query_of, xml_of
from raftops.forms.sql_rows import Database, SqlFault, is_ordered, same_rows
from raftops.forms.values import differences

SCHEMA = {
    "type": "object", "required": ["type", "days"], "additionalProperties": False,
    "properties": {
        "type": {"enum": ["annual", "sick"]}, "days": {"type": "integer", "minimum": 1, "maximum": 30},
        "code": {"type": "string", "pattern": "^[A-Z]{2}$"}, "version": {"const": 2},
    },
}  # fmt: skip
SETUP = """
CREATE TABLE city (name text, people int, country text);
INSERT INTO city VALUES ('Cork', 222000, 'Ireland'), ('Porto', 231000, 'Portugal'), ('Dublin', 592000, 'Ireland');
"""
SQL = Checks.model_validate({"sql": {"setup": SETUP}})
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


SLOW, LONG = r"^(a|a|aa)+$", "a" * 60


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "pattern": SLOW}, f'"{LONG}!"'),
        ({"patternProperties": {SLOW: {"type": "string"}}}, f'{{"{LONG}!": "x"}}'),
        ({"patternProperties": {SLOW: True}, "additionalProperties": False}, f'{{"{LONG}!": "x"}}'),
        ({"propertyNames": {"pattern": SLOW}}, f'{{"{LONG}!": "x"}}'),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#"}}, "pattern": SLOW},
         f'{{"a": "{LONG}!"}}'),
        ({"items": {"pattern": SLOW}}, f'["{LONG}!", "{LONG}?", "{LONG}:"]'),
    ],
)  # fmt: skip
def test_a_pattern_that_never_ends_is_a_finding_and_all_of_a_schema_share_the_time(schema, text):
    began = time.monotonic()
    failed = failed_checks(text, Checks(json_schema=schema))
    assert "the patterns of the schema took more than 1 s" in failed[0] and time.monotonic() - began < 20


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
        {"allOf": [{"patternProperties": {"a": True}}], "unevaluatedProperties": False},
    ],
)
def test_a_schema_that_would_be_matched_without_a_limit_is_refused(schema):
    with pytest.raises(ValidationError, match="may stand at the top only|not beside patternProperties"):
        Checks(json_schema=schema)


def test_properties_by_pattern_and_those_that_remain_are_told_apart():
    schema = {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": {"type": "string"}}
    assert failed_checks('{"x-a": 1, "b": "c"}', Checks(json_schema=schema)) == []
    assert "$" in failed_checks('{"x-a": "1"}', Checks(json_schema=schema))[0]
    assert "is not of type 'string'" in failed_checks('{"b": 1}', Checks(json_schema=schema))[0]


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2}', ' {"b": 0, "a": null}\n'])
def test_strict_json_with_exactly_the_keys_passes(text):
    assert failed_checks(text, Checks(json_keys=("a", "b"))) == []


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '{"a": 1, "b": 2, "c": 3}', '```json\n{"a": 1, "b": 2}\n```', "[1]", '{"a": 1, "b": NaN}', "{'a': 1}"]
    + ['{"a": 1, "a": 1, "b": 2}', "", "[" * 100000],
)
def test_anything_else_than_that_json_fails(text):
    assert failed_checks(text, Checks(json_keys=("a", "b")))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"type": "annual", "days": 10, "code": "DE", "version": 2}', ""),
        ('{"type": "holiday", "days": 10}', "$.type"),
        ('{"type": "sick", "days": 31}', "$.days"),
        ('{"type": "sick", "days": 0}', "$.days"),
        ('{"type": "sick", "days": 1, "code": "de"}', "$.code"),
        ('{"type": "sick", "days": 1, "version": 3}', "$.version"),
        ('{"type": "sick"}', "'days' is a required"),
        ('{"type": "sick", "days": 1, "why": "flu"}', "Additional"),
        ("annual", "not one strict JSON value"),
    ],
)
def test_a_json_schema_holds_for_values_too(text, place):
    failed = failed_checks(text, Checks(json_schema=SCHEMA))
    assert (failed == []) if not place else place in failed[0]


def test_values_are_compared_field_by_field():
    checks = Checks(json_schema=SCHEMA)
    wanted = '{"type": "annual", "days": 10}'
    assert differences('{"days": 10, "type": "annual"}', wanted, checks) == []
    assert differences('{"type": "annual", "days": 1}', wanted, checks) == ["$.days: 1, wanted 10"]
    assert differences('{"type": "annual"}', wanted, checks) == ["$.days: nothing, wanted 10"]
    assert differences("no JSON", wanted, checks)
    assert differences('{"a": true}', '{"a": 1}', checks) == ["$.a: True, wanted 1"]
    assert differences("anything", "plain words", Checks(max_words=3)) is None


def test_xml_is_well_formed_and_has_its_elements():
    checks = Checks.model_validate({"xml": {"root": "note", "paths": ["patient/name", ".//dose"]}})
    good = "<note><patient><name>Ann</name></patient><plan><dose>5 mg</dose></plan></note>"
    assert failed_checks(good, checks) == []
    assert failed_checks("<note><patient/></note>", checks) == ["no element patient/name", "no element .//dose"]
    assert failed_checks("<letter/>", checks) == ["the root is <letter>, wanted <note>"]
    assert failed_checks("<note><patient></note>", checks) == ["not one XML document without a document type"]
    other = good.replace("5 mg", "6 mg")
    assert differences(other, good, checks) == ["/note/plan/dose: '6 mg', wanted '5 mg'"]
    twice = "<a><b>1</b><b>2</b></a>"
    assert differences("<a><b>1</b></a>", twice, Checks.model_validate({"xml": {"root": "a"}})) == [
        "/a/b[2]: nothing, wanted '2'"
    ]


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, "<!DOCTYPE a><a/>", "<a>&nbsp;</a>", "<a/><b/>", ""])
def test_no_entity_is_expanded(text):
    assert xml_of(text) is None


def test_sql_returns_the_rows_of_a_right_query():
    right = "SELECT name, people FROM city WHERE country = 'Ireland'"
    assert failed_checks(right, SQL) == [] and differences(right, right, SQL) == []
    turned = "```sql\nSELECT people, name FROM city WHERE country = 'Ireland' ORDER BY name DESC;\n```"
    assert query_of(turned).startswith("SELECT") and differences(turned, right, SQL) == []
    assert differences("SELECT name, people FROM city", right, SQL) == ["3 rows that no right query returns"]
    other = Checks.model_validate({"sql": {"setup": SETUP, "accepted": ["SELECT name FROM city"]}})
    assert differences("SELECT name FROM city", right, other) == []


def test_the_order_of_rows_counts_where_the_right_query_orders():
    right = "SELECT name FROM city ORDER BY people"
    assert differences("SELECT name FROM city ORDER BY people DESC", right, SQL)
    assert not differences("SELECT name FROM city ORDER BY people DESC", "SELECT name FROM city", SQL)
    assert is_ordered("select a from b ORDER  by a") and not is_ordered("select a from (select b order by c) x")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM city", "not authorized"),
        ("ATTACH 'x.db' AS x", "not authorized"),
        ("PRAGMA table_info(city)", "not authorized"),
        ("SELECT name FROM town", "no such table"),
        ("SELECT 1; SELECT 2", "statement"),
        ("I do not know", "syntax error"),
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n", "interrupted"),
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 20000) SELECT x FROM n", "10000 rows"),
        ("SELECT length(zeroblob(1000000000))", "too big"),
    ],
)
def test_a_query_reads_within_bounds(query, said):
    began = time.process_time()
    with closing(Database(SETUP)) as database, pytest.raises(SqlFault, match=said):
        database.rows(query)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("setup", ["CREATE TABLE a (b", "ATTACH 'y.db' AS y", "VACUUM INTO 'copy.db'"])
def test_a_setup_that_does_not_run_is_said(setup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SqlFault, match="the setup does not run"):
        Database(setup)
    assert not list(tmp_path.iterdir())


def test_numbers_are_compared_to_six_digits():
    assert same_rows([(1.0000001,)], [(1,)], ordered=True) and not same_rows([(1.001,)], [(1,)], ordered=True)


def test_a_regular_expression_matches_the_whole_reply_in_bounded_time():
    assert failed_checks("AB-12", Checks(matches=r"[A-Z]{2}-\d+")) == []
    assert failed_checks("AB-12 and more", Checks(matches=r"[A-Z]{2}-\d+"))
    began = time.process_time()  # the machine may be busy
    assert "took more than" in failed_checks("a" * 60 + "!", Checks(matches=r"(a|a|aa)+$"))[0]
    assert time.process_time() - began < 5


def test_sections_stand_in_order():
    checks = Checks(sections=("History", "Plan"))
    assert failed_checks("## History\nA cough.\n**Plan:** rest", checks) == []
    assert failed_checks("Plan: rest\nHistory: a cough", checks) == ["the section 'Plan' is out of order"]
    assert failed_checks("History: a cough", checks) == ["the section 'Plan' is missing"]


def test_length_and_readability_are_bounded():
    assert failed_checks("one two", Checks(min_words=3)) == ["2 words, at least 3 wanted"]
    assert failed_checks("one two", Checks(max_chars=5)) == ["7 characters, at most 5 wanted"]
    easy = Checks.model_validate({"readability": {"min": 60}})
    assert failed_checks("Close the door. It is cold.", easy) == []
    hard = "The undersigned hereby necessitates immediate organisational reconsideration of documentation."
    assert "reading ease" in failed_checks(hard, easy)[0]


def test_flesch_by_hand():
    # 6 words, 2 sentences, 6 syllables: 206.835 - 1.015 * 3 - 84.6 * 1
    assert reading_ease("Close the door. It is cold.", "english") == pytest.approx(119.19)
    # 3 words, 1 sentence, 4 syllables: 180 - 3 - 58.5 * 4 / 3
    assert reading_ease("Das Haus brennt.", "german") == pytest.approx(180 - 3 - 58.5)
    assert [syllables_of(word, "english") for word in ("table", "closed", "reading", "the")] == [2, 1, 2, 1]


def test_each_check_of_form_is_named_when_it_fails():
    checks = Checks(max_words=3, contains=("Questions?",), not_contains=("Kindly",))
    assert failed_checks("one two Questions?", checks) == []
    assert failed_checks("kindly do come by", checks) == [
        "4 words, at most 3 wanted", "lacks 'Questions?'", "says 'Kindly'",
    ]  # fmt: skip


def test_json_values_are_compared_as_values():
    assert json_value('{"b": 1, "a": [2]}') == json_value('{"a":[2],"b":1}')


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({"json_schema": {"type": "objekt"}}, "not a JSON Schema: type"),
        ({"json_schema": {"$ref": "https://example.com/a.json"}}, "only references within"),
        ({"xml": {"root": "a", "paths": ["b[["]}}, "not a path of elements"),
        ({"matches": "("}, "not a regular expression"),
        ({"sql": {}}, "setup"),
        ({"readability": {}}, "needs min or max"),
        ({"json_schema": {}, "xml": {"root": "a"}}, "json_schema and xml"),
        ({"min_words": 5, "max_words": 4}, "more than max_words"),
    ],
)
def test_a_wrong_check_is_refused(checks, said):
    with pytest.raises(ValidationError, match=said):
        Checks.model_validate(checks)


def test_every_check_is_looked_for():
    assert LOOKS.keys() == Checks.model_fields.keys()


@pytest.mark.parametrize(
    ("setup", "query", "said"),
    [
        ("CREATE TABLE a (b);\0", "SELECT 1", "the setup does not run: embedded null"),
        (SETUP, "SELECT '\ud800'", "does not run: .*surrogates"),
        ("CREATE TABLE a (b); {MANY} INSERT INTO a SELECT zeroblob(240000) FROM n", "SELECT 1", "is full"),
        (SETUP, "{MANY} SELECT zeroblob(240000) FROM n", "more than 64000000 bytes"),
        (SETUP, "SELECT instr(zeroblob(1000000), zeroblob(500000) || 'b')", "too big"),
    ],
)
def test_no_sql_crashes_the_check_or_fills_the_memory(setup, query, said):
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000)"
    checks = Checks.model_validate({"sql": {"setup": setup.replace("{MANY}", many)}})
    (wrong,) = failed_checks(query.replace("{MANY}", many), checks)
    assert re.search(said, wrong)


@pytest.mark.parametrize("ref", ["#", "#/$defs/a", "#/$defs/none", "#/allOf/7"])
def test_a_schema_that_has_no_end_or_misses_a_part_is_refused(ref):
    with pytest.raises(ValidationError, match="without end|no such part"):
        Checks.model_validate({"json_schema": {"$ref": ref, "allOf": [], "$defs": {"a": {"$ref": "#/$defs/a"}}}})


def test_a_schema_of_a_tree_is_none_without_end():
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}
    checks = Checks.model_validate({"json_schema": tree})
    assert failed_checks('{"child": {"child": {}}}', checks) == []
    assert failed_checks('{"child": {"chid": {}}}', checks) != []


def test_a_schema_that_only_its_library_can_follow_fails_in_words():
    assert failed_checks("{}", Checks(json_schema={"$ref": "#nope"})) == ["the schema names , which it does not have"]
    endless = {"allOf": [{"anyOf": [{"$ref": "#"}]}]}
    assert failed_checks("{}", Checks(json_schema=endless)) == ["the schema leads back to itself without end"]


@pytest.mark.parametrize("pattern", ["x{99999999999}", "(" * 1000 + ")" * 1000])
def test_an_expression_that_is_too_large_is_no_crash(pattern):
    with pytest.raises(ValidationError, match="not a regular expression"):
        Checks(matches=pattern)


@pytest.mark.parametrize(
    ("deep", "checks"),
    [("[" * 600 + "]" * 600, {"json_schema": {}}), ("<a>" * 3000 + "</a>" * 3000, {"xml": {"root": "a"}})],
)
def test_values_nested_too_deep_are_no_crash(deep, checks):
    assert differences(deep, deep, Checks.model_validate(checks)) == ["is nested too deep to compare"]
