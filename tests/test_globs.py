"""Patterns against a second statement of what they mean; what costs nothing to write costs nothing to run."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.globs import covers, folded, invisible, matches, mistakes_of

thousands = settings(max_examples=5 * settings.default.max_examples, deadline=None)
NAMES = ["a", "b.md", "finance", "leave", "x.pdf", ".hidden", "na me", "a\nb"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


def matches_by_parts(glob: list[str], path: list[str]) -> bool:
    """An independent statement of a glob whose parts are `**`, or names with `*` and `?`."""
    if not glob:
        return not path
    if glob[0] == "**":
        if len(glob) == 1:
            return bool(path)
        return any(matches_by_parts(glob[1:], path[n:]) for n in range(len(path)))
    return bool(path) and name_matches(glob[0], path[0]) and matches_by_parts(glob[1:], path[1:])


def name_matches(glob: str, name: str) -> bool:
    if not glob:
        return not name
    if glob[0] == "*":
        return any(name_matches(glob[1:], name[n:]) for n in range(len(name) + 1))
    return bool(name) and glob[0] in ("?", name[0]) and name_matches(glob[1:], name[1:])


parts = st.one_of(st.just("**"), st.text("ab*?.", min_size=1, max_size=4).filter(lambda p: "**" not in p))


@thousands
@given(
    st.lists(parts, min_size=1, max_size=4), st.lists(st.text("ab.\n", min_size=1, max_size=4), min_size=1, max_size=4)
)
def test_a_glob_matches_part_by_part(glob: list[str], path: list[str]) -> None:
    assert matches("/".join(glob), "/".join(path)) == matches_by_parts(glob, path)


@thousands
@given(st.text("ab*?.[](){}|^$+\\-", max_size=8).filter(lambda g: "**" not in g), paths)
def test_one_star_and_a_question_mark_never_cross_a_slash(glob: str, path: str) -> None:
    assert not matches(glob, f"{path}/{path}")


@pytest.mark.parametrize(
    ("glob", "path", "taken"),
    [
        ("finance/**", "finance/a/b.md", True),
        ("finance/**", "finance", False),
        ("finance/**", "finance-public/a.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "a/b/c.md", True),
        ("**/*.md", "a/b/c.mdx", False),
        ("a/**/b", "a/b", True),
        ("a/**/**/b", "a/x/y/b", True),
        ("finance**/secret", "financesecret", False),
        ("finance**/secret", "finance-x/y/secret", True),
        ("*.md", "a/b.md", False),
        ("a.md", "axmd", False),
        ("[ab].md", "a.md", False),
        ("a", "a\n", False),
    ],
)
def test_globs(glob: str, path: str, taken: bool) -> None:
    assert matches(glob, path) == taken


def test_many_double_stars_do_not_take_long() -> None:
    assert not matches("**/" * 40 + "x", "a/" * 400 + "y")


@pytest.mark.parametrize("glob", ["*a" * 24 + "b", "**a" * 24 + "b", "**/*a" * 24 + "b", "?*" * 100 + "b"])
def test_a_hostile_pattern_is_answered(glob: str) -> None:
    """By backtracking it would not end in the life of this test."""
    assert not matches(glob, "a" * 240)


def test_names_in_another_unicode_form_are_the_same_names() -> None:
    assert matches("entwürfe/**", unicodedata.normalize("NFD", "entwürfe/plan.md"))
    assert matches(unicodedata.normalize("NFD", "entwürfe/**"), "entwürfe/plan.md")


some = st.lists(st.sampled_from(["*", "**", "?", "a", "b", "/", "**/", "a/"]), min_size=1, max_size=5).map("".join)


@thousands
@given(some, some, st.lists(st.text("ab/", max_size=6), max_size=20))
def test_a_pattern_that_covers_another_takes_whatever_that_takes(wide: str, narrow: str, names: list[str]) -> None:
    if covers(wide, narrow):
        assert all(matches(wide, name) for name in names if matches(narrow, name))


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("**", "managers/**", True),
        ("**/*", "**/*.md", True),
        ("managers/**", "managers/pay*", True),
        ("managers/pay*", "managers/**", False),
        ("**/*.md", "hr/**/*.md", True),
        ("hr/*", "hr/**", False),
        ("h?/**", "hr/x.md", True),
        ("*a" * 20, "*b*a" * 20, True),
    ],
)
def test_which_patterns_cover_which(wide: str, narrow: str, covered: bool) -> None:
    assert covers(wide, narrow) == covered


@pytest.mark.parametrize(
    ("glob", "offset", "instead"),
    [
        ("managers/", 8, 'write "managers/**"'),
        ("/managers/**", 0, 'write "managers/**"'),
        ("./managers/**", 0, 'write "managers/**"'),
        ("hr/../managers/**", 3, "is in no document's path"),
        ("a//b", 2, 'write "a/b"'),
        ("{managers,board}/**", 0, 'a rule for each: "managers/**", "board/**"'),
        ("hr/[ab].md", 3, 'or "?" for one letter'),
        ("!hr/**", 0, 'put a rule for "hr/**" above'),
        ("hr\\**", 2, 'write "hr/**"'),
        ("hr\\\\**", 2, 'write "hr/**"'),
        ("a/***", 2, 'write "**"'),
        (" hr/**", 0, 'write "hr/**"'),
        ("hr/** ", 5, 'write "hr/**"'),
        ("hr\u200b/**", 2, "U+200B, zero width space"),
        ("hr\t/**", 2, "U+0009"),
        (" ", 0, 'write "**"'),
        ("a" * 2000, 0, "at most 1024"),
    ],
)
def test_what_other_tools_know_and_this_one_does_not_is_told_with_what_to_write(
    glob: str, offset: int, instead: str
) -> None:
    assert any(m.offset == offset and instead in m.message for m in mistakes_of(glob)), mistakes_of(glob)


@pytest.mark.parametrize("glob", ["**", "**/*.md", "a b/*", "Gehälter/2024-??/**", "it/**/x.md", "工资/*"])
def test_a_pattern_that_is_read_as_written_has_no_mistake(glob: str) -> None:
    assert mistakes_of(glob) == []


def test_what_a_hurried_reader_takes_for_one_name_is_folded_into_one() -> None:
    names = [
        "managers/pay",
        "Managers/Pay",
        "m\u0430nagers/pay",
        "managers\u200b/pay",
        "ｍanagers/pay",
        "managers /pay",
    ]
    assert {folded(name) for name in names} == {"managers/pay"} and invisible(names[3]) == "\u200b"
    assert folded("managers/pay") != folded("manager/pay")
