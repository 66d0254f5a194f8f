"""The access file is read as specs are: bounded, every mistake at its place, and nothing is built of a hostile one."""

from pathlib import Path

import pytest

from raftops.errors import AccessError
from raftops.spec.access_file import load_access, read_access

GOOD = """groups: {staff: Everyone, managers: Who leads}
policies:
  all: {groups: [staff, managers]}
  closed: {groups: [managers]}
documents:
  - {match: "managers/**", policy: closed, allow_empty: true}
  - {match: "**", policy: all}
"""


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "access.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AccessError) as error:
        load_access(path)
    return str(error.value).replace(str(tmp_path) + "/", "")


def test_a_good_file_is_read_with_the_lines_of_its_rules(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text(GOOD)
    file = read_access(tmp_path / "access.yaml")
    assert file.value and file.place("documents", 1, "match").line == 7 and file.value.documents[0].allow_empty
    assert [set(rule) for rule in file.value.model_dump()["documents"]] == [
        {"match", "policy", "allow_empty"},
        {"match", "policy"},
    ], "a file that does not say it keeps the hash that it had"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "m0: &m0 {k0: v}\n" + "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "access.yaml:1:4: a: anchors (&a) are not allowed"),
        (MERGES, "merge keys (<<) are not allowed"),
        ("groups: {staff: " + "9" * 6000 + "}", "access.yaml:1:17: groups.staff: is too large a number"),
        (GOOD.encode("utf-16"), "access.yaml: is UTF-16; save it as UTF-8"),
        (GOOD.replace("Everyone", "Ev\xe9ryone").encode("latin-1"), "access.yaml:1:19: the byte 0xe9 is not UTF-8"),
        (GOOD.replace("  all", "\tall"), "access.yaml:3:1: a tab stands in the indentation"),
        ("x" * (2 << 20), "is larger than 1 MiB"),
        ("[" * 5000, "is nested more than 32 levels deep"),
        ("", "the file is empty; it must hold groups, policies and documents"),
        ("just text", "must hold groups, policies and documents, found a single value"),
        ("policies: {a: {groups: [x]}, a: {groups: [everyone]}}", "policies.a: is given twice, first on line 1"),
        ("groups: {}\ngroups: {x: y}", "access.yaml:2:1: groups: is given twice, first on line 1"),
        ("policies: {a: {group: [x]}}", "access.yaml:1:16: policies.a.group: unknown key, did you mean groups?"),
        ("policies: {a: {groups: everyone}}", "policies.a.groups: must be a list"),
        ("documents: [{match: '', policy: a}]", "documents[0].match: is empty"),
        ("documents: [{match: **, policy: a}]", "put text that begins with * in quotes"),
        ("groups: {no: Norway}", "YAML reads this one as false; put it in quotes"),
        ("groups: {staff: }", "groups.staff: must be text, found nothing"),
        ("groups: !!python/object/apply:os.system [ls]", "is not allowed"),
        ("groups: {Bu\u0308ro: a, B\xfcro: b}", "is the same name as on line 1, in another Unicode form"),
        ("policies: {'': {groups: [x]}}", "has no name; write one, or remove it"),
        ("groups: {sta\u200bff: a}", "the name holds a letter that cannot be seen (U+200B)"),
        ("documents:\n  - {match: 'hr/{a,b}/**', policy: p}", 'access.yaml:2:17: documents[0].match: "hr/{a,b}/**"'),
        ("documents:\n  - match: hr/\n    policy: p", 'access.yaml:2:14: documents[0].match: "hr/": ends with "/"'),
    ],
)  # fmt: skip
def test_a_wrong_access_file_is_refused_with_its_place_and_what_to_write(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    assert told in refused(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    wrong = GOOD.replace("managers/**", "/managers/").replace("policies:", "polices:").replace('"**"', "'[x]/**'")
    told = refused(tmp_path, wrong)
    assert [
        words for words in ("access.yaml:2:1", ":6:14", ":6:23", ":7:14", "4 problems") if words not in told
    ] == [], told


def test_a_missing_access_file_says_which_and_what_is_close(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text(GOOD)
    with pytest.raises(AccessError, match=r"acces\.yaml: no such file, did you mean .*access\.yaml\?"):
        load_access(tmp_path / "acces.yaml")
