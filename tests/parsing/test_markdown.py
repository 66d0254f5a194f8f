from __future__ import annotations

from raftops.parsing.parse import parse_document
from raftops.parsing.templates import without_templates


def read(write, text: str):
    return parse_document(write("a.md", text), "text/markdown")


def shown(parsed) -> list[tuple[str, str]]:
    return [(b.kind, parsed.text[b.start : b.end]) for b in parsed.blocks]


def test_the_parsed_text_is_plain_text(write):
    parsed = read(
        write, "A **bold** _word_, `code`, ~~old~~ [a link](https://x.y/z) ![a picture](p.png) &amp; 1 \\* 2."
    )
    assert parsed.text == "A bold word, code, old a link a picture & 1 * 2."


def test_comments_and_template_tags_leave_nothing(write):
    text = (
        'Ask <!-- who? --> the [desk]({% page "/it desk/" %}) {{ site.x }}now.{: .note}\n\n<!-- gone\n\nfor good -->\n'
    )
    assert read(write, text).text == "Ask the desk now."


def test_template_tags_in_code_stay_and_lines_do_not_move():
    text = "`{% a %}`\n{% comment %}\nx\n{% endcomment %}\n{% raw %}{{ y }}{% endraw %}\n```\n{% b %}\n```\n"
    assert without_templates(text) == "`{% a %}`\n\n\n\n{{ y }}\n```\n{% b %}\n```\n"


def test_an_unclosed_tag_costs_no_text():
    assert without_templates("a {% comment %} b {% c") == "a  b {% c"


def test_the_front_matter_gives_the_title_and_no_text(write):
    parsed = read(write, "---\ntitle: Travel: a guide\n---\n# Other\n\nText.\n")
    assert parsed.title == "Other"
    parsed = read(write, '---\ntitle: "Travel guide"\nx: 1\n---\n# Other\n\nText.\n')
    assert (parsed.title, parsed.text) == ("Travel guide", "Other\n\nText.")


def test_a_rule_at_the_start_is_not_front_matter(write):
    assert read(write, "---\nJust words\n\n---\n\nMore.\n").text == "Just words\n\nMore."


def test_every_block_knows_its_source_line_and_heading_path(write):
    parsed = read(write, "---\ntitle: T\n---\n\n# One\n\n## Two\n\ntext\n\n- item\n\n# Three\n\nlast\n")
    places = [(b.locator.line, b.locator.headings) for b in parsed.blocks]
    assert places == [(5, ()), (7, ("One",)), (9, ("One", "Two")), (11, ("One", "Two")), (13, ()), (15, ("Three",))]


def test_a_table_row_is_a_line_that_knows_its_header(write):
    parsed = read(write, "| Country | Days |\n|---|--:|\n| Ireland | 25 |\n| Portugal | |\n")
    assert shown(parsed) == [("header", "Country | Days"), ("row", "Ireland | 25"), ("row", "Portugal |")]
    assert parsed.text == "Country | Days\nIreland | 25\nPortugal |"
    assert [(b.locator.line, b.locator.table_header) for b in parsed.blocks[1:]] == [
        (3, "Country | Days"),
        (4, "Country | Days"),
    ]


def test_items_of_nested_lists_stand_on_adjoining_lines(write):
    assert read(write, "Take:\n\n1. one\n   - two\n2. three\n\nEnd.\n").text == "Take:\n\none\ntwo\nthree\n\nEnd."


def test_raw_html_keeps_its_text(write):
    parsed = read(write, "<details><summary>More</summary>\n\nInside.\n\n<p>Last <b>words</b></p>\n</details>\n")
    assert parsed.text == "More\n\nInside.\n\nLast words"


def test_code_keeps_its_lines(write):
    assert shown(read(write, "```py\nif x:\n\n    y()\n```\n")) == [("code", "if x:\n    y()")]


def test_headings_are_the_content_of_a_document_that_has_nothing_else(write):
    assert shown(read(write, "# Closed\n\n## Until Monday\n")) == [
        ("paragraph", "Closed"),
        ("paragraph", "Until Monday"),
    ]


def test_markup_that_nests_without_end_is_parsed(write):
    assert read(write, ">" * 5000 + " deep\n\n" + "[" * 5000 + "\n\nText.").text.endswith("Text.")
