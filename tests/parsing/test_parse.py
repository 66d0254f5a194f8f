"""What every format has in common: bounded, located errors and exact blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftops.errors import StepError
from raftops.parsing import original as source
from raftops.parsing.parse import media_type_of, parse_document
from tests.parsing.samples import check_blocks, cut

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data"
MARKDOWN = "# Title\n\nSome text, and more of it.\n\n- one\n- two\n\n| A | B |\n|---|---|\n| 1 | 2 |\n"
HTML = "<html><body><main><h1>Title</h1><p>Some text.</p><table><tr><th>A</th></tr></table></main></body></html>"


def parse(path: Path):
    media_type = media_type_of(path)
    assert media_type, path
    return parse_document(path, media_type)


def test_the_extension_decides_the_media_type_whatever_its_case():
    assert media_type_of(Path("a/B.MD")) == "text/markdown"
    assert media_type_of(Path("a.htm")) == media_type_of(Path("a.html")) == "text/html"
    assert media_type_of(Path("a.xlsx")) is None


def test_a_media_type_nobody_parses_is_an_error_that_names_the_known_ones(write):
    with pytest.raises(StepError, match=r"image/png.*cannot be parsed.*text/markdown"):
        parse_document(write("a.png", b"x"), "image/png")


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.pdf", "a.docx"])
@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_file_is_an_error(write, name, content):
    with pytest.raises(StepError, match=rf"{name}: is empty"):
        parse(write(name, content))


@pytest.mark.parametrize("name", ["a.md", "a.html"])
def test_a_file_without_text_is_an_error(write, name):
    with pytest.raises(StepError, match="holds no text"):
        parse(write(name, "<!-- nothing to see -->\n"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.md", b"%PDF-1.4 ...", "is a PDF, not text: the extension is wrong"),
        ("a.html", b"PK\x03\x04....", "is a ZIP archive"),
        ("a.txt", b"one\ntwo \xfc three\n", r"line 2: not UTF-8 \(byte 0xfc at offset 8\)"),
        ("a.md", b"one\n\x00two", "line 2: holds a NUL character"),
        ("a.pdf", b"just text", "not a PDF: the extension is wrong"),
        ("a.pdf", b"%PDF-1.4\nbroken", "is not a readable PDF"),
        ("a.docx", b"%PDF-1.4\n", "is a PDF"),
        ("a.docx", b"PK\x03\x04 broken", "is not a DOCX package"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1", "encrypted or an old .doc"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_an_error_with_the_reason(write, name, content, reason):
    with pytest.raises(StepError, match=reason):
        parse(write(name, content))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(StepError, match="gone.md: cannot be read"):
        parse(tmp_path / "gone.md")


def test_a_file_over_the_limit_is_an_error(write, monkeypatch):
    monkeypatch.setattr("raftops.parsing.original.TEXT_BYTES_MAX", source.MIB)
    with pytest.raises(StepError, match="larger than 1 MiB"):
        parse(write("a.txt", b"a " * source.MIB))


def test_text_is_normalised_before_offsets_exist(write):
    parsed = parse(
        write("a.txt", b"\xef\xbb\xbfCafe\xcc\x81 o\xef\xac\x83ce\xc2\xa0hours\xe2\x80\x8b,\r\nso\xc2\xadft\r\n")
    )
    assert parsed.text == "Café office hours, soft"


def test_the_title_falls_back_to_the_file_name(write):
    assert parse(write("travel-policy.txt", "No heading here.")).title == "travel-policy"


@pytest.mark.parametrize("seed", ["markdown", "html", "pdf", "docx"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_truncated_or_flipped_file_parses_or_raises_a_step_error(
    seed, data, tmp_path, handbook_pdf, handbook_docx, tokenizer
):
    samples = {"markdown": MARKDOWN.encode(), "html": HTML.encode()}
    content = bytearray(samples.get(seed) or (handbook_pdf if seed == "pdf" else handbook_docx).read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=12)):
        content[at] ^= data.draw(st.integers(1, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    path = tmp_path / {"markdown": "f.md", "html": "f.html", "pdf": "f.pdf", "docx": "f.docx"}[seed]
    path.write_bytes(content)
    try:
        parsed = parse(path)
    except StepError as error:
        assert str(path) in str(error)
        return
    check_blocks(parsed)
    cut(parsed, tokenizer)


def real_files(folder: str) -> list[Path]:
    return [p for p in sorted((REAL / folder).rglob("*")) if p.is_file() and media_type_of(p)]


@pytest.mark.model
@pytest.mark.parametrize("folder", ["handbooks/18f-handbook", "multimodal"])
def test_every_real_document_keeps_the_invariants_or_says_why_not(folder, tokenizer):
    if not (REAL / folder).is_dir():
        pytest.skip(f"{REAL / folder} is absent: real data is not part of the repository")
    files = real_files(folder)
    assert len(files) > 20
    refused = []
    for path in files:
        try:
            parsed = parse(path)
        except StepError as error:
            refused.append(str(error))
            continue
        check_blocks(parsed)
        cut(parsed, tokenizer)
    reasons = ("holds no text", "is empty", "password", "no text layer", "not UTF-8")
    assert [r for r in refused if not any(reason in r for reason in reasons)] == []
    assert len(refused) < len(files) / 4
