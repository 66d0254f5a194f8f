"""What the engine refuses is refused when a spec is read; each verdict of the engine was asked of it (2026.4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from raftops.spec.load import load_spec
from raftops.spec.model.formats import Format
from raftops.spec.model.held import readable_grammar, readable_regex

READ = (
    "[a-c]{2}", "(?:a|b)", "^ab$", "a*?b", r"\sab", r"\x41\u0042", r"\w+\.\d", r"[\w\s]+", r"[^\d]a", "()", "[[]a",
    "(a|)b",
    r"\0a", r"\-a", r"[\]a]", "a{2,}", "(a*)*", "a}b", r"\v\f", "é+", "a{2}?b", "a+?b", "a??b", r"\/a", '"a"', r"\\b",
    r"\(?a",
)  # fmt: skip
REFUSED = (
    "(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(?P<x>a)b", r"(a)\1", r"\bab\b", r"\Bab", "(?i)ab", "(?i:ab)", "(?>ab)",
    "a++", r"\p{L}a", "a(?#c)b", "(?P<x>a)(?P=x)", "(?(1)a|b)", r"\N{DIGIT ONE}", "a{,3}b", "a|", "[]a]b", "|a", "a||b",
    "a{2}{3}", "a{b", "{a}", "a{ 2}", "(?s:.)", "a*+", "a?+", "a{2}+", r"x\\\b",
)  # fmt: skip
OTHERWISE = (r"\Aab\Z", "[^]a]")
"""What it reads, but as something else than Python does: letters, and a set of all."""
GRAMMARS = (
    'root ::= "x" b\nb ::= "y"', 'root ::= "a b" [a-z]+ # no c\n', 'root ::= (a | "b")* \na ::= "c"?',
    'root ::= root "a" | "b"', 'root ::= a-b\na-b ::= "x"', 'root ::= a{2}\na ::= "x"', 'root ::= "x" (= "y")',
    'root ::= a.b\na.b ::= "x"', 'root ::= TagDispatch(("a", b))\nb ::= "x"', 'root ::= "a" |\n  "b"', 'root ::= ""',
    "root ::= ()", 'root ::= [^"]+', 'root ::= "\\u0041\\n"', 'root::="a"', '_a ::= "x"\nroot ::= _a',
    'root ::= "a"\n\n  | "b"', 'root ::= ["a"]', 'root ::= "a"{2,3}', 'root ::= [#] # x "',
)  # fmt: skip
NO_GRAMMARS = (
    "root ::= a", 'root ::= "a"\nroot ::= "b"', 'root ::= "x', 'root = "x"', 'root ::= "x" /* c */', "root ::= 'x'",
    "root ::= <unk>", "root ::= /[a-z]+/", "root ::= ", 'root ::= "a"\nb ::= c\n', 'root ::= "a" | ', 'root ::= | "a"',
    "root ::= [a-z", 'root ::= ("a"', 'root ::= "a")', 'root ::= "\\q"', "root ::= a:b", 'root ::= "a" ;',
    'root ::= "a", "b"',
    '1a ::= "x"\nroot ::= 1a', 'root ::= "a" "b" -- c', "root ::= .", "root ::= Token(5)", 'root ::= "a"{,3}',
)  # fmt: skip


@pytest.mark.parametrize("pattern", READ)
def test_what_the_engine_reads_is_taken(pattern: str) -> None:
    assert readable_regex(pattern) == pattern


@pytest.mark.parametrize("pattern", REFUSED + OTHERWISE)
def test_what_the_engine_refuses_is_refused_with_its_place(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^at character \d+, .*the engine cannot hold a reply to"):
        readable_regex(pattern)


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_a_grammar_that_the_engine_reads_is_taken(grammar: str) -> None:
    assert readable_grammar(grammar) == grammar


@pytest.mark.parametrize("grammar", NO_GRAMMARS)
def test_a_grammar_that_the_engine_refuses_is_refused(grammar: str) -> None:
    with pytest.raises(ValueError, match="grammar"):
        readable_grammar(grammar)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "(?<=a)b"}, {"anyOf": [{"pattern": r"a\bc"}]},
        {"patternProperties": {"(?=b)b": {}}}, {"propertyNames": {"pattern": "(?i)b"}},
    ],
)  # fmt: skip
def test_patterns_of_a_schema_are_looked_at_wherever_they_stand(schema: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="cannot hold a reply to"):
        Format(name="a", when="x", json_schema=schema)
    Format(name="a", when="x", json_schema={"const": schema})


def test_the_specs_here_are_read() -> None:
    for path in sorted((Path(__file__).parents[2] / "specs").glob("*.yaml")):
        formats = load_spec(path, data_is_here=False).assistant.spec.prompt.formats
        assert all(re.search("^root", format_.grammar or "root", re.MULTILINE) for format_ in formats)
