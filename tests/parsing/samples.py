"""Documents made by hand, and the invariants that every parsed document must keep."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from raftops.parsing.chunk import Chunk, chunk
from raftops.parsing.document import Parsed
from raftops.parsing.tokens import TokenMap, token_map

TextAt = tuple[float, float, float, str, str]


def pdf_bytes(pages: Sequence[Sequence[TextAt]]) -> bytes:
    """A PDF by hand: each page a list of (x, y, size, font F1 regular or F2 bold, text)."""
    kids = " ".join(f"{5 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for i, page in enumerate(pages):
        marks = "".join(
            f"BT /{font} {size} Tf {x} {y} Td ({_escaped(text)}) Tj ET\n" for x, y, size, font, text in page
        )
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> "
            f"/Contents {6 + 2 * i} 0 R >>"
        )
        objects.append(f"<< /Length {len(marks)} >>\nstream\n{marks}endstream")
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}"
    return out.encode("latin-1")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def with_part(source: Path, target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a package with one part changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, change(old.read(part)) if part == name else old.read(part))
    return target


def check_blocks(parsed: Parsed) -> None:
    """Blocks are in order, hold text, and leave nothing but line ends between them."""
    assert parsed.title and parsed.text and parsed.blocks
    assert parsed.text.encode("utf-8")
    position = 0
    for block in parsed.blocks:
        assert parsed.text[position : block.start] == ("" if position == 0 else "\n" * (block.start - position))
        assert block.start < block.end and block.start - position <= 2
        assert parsed.text[block.start : block.end].strip() == parsed.text[block.start : block.end].strip("\n") or (
            block.kind == "code"
        )
        position = block.end
    assert position == len(parsed.text)


def check_chunks(parsed: Parsed, chunks: Sequence[Chunk], tokens: TokenMap, chunk_tokens: int) -> None:
    """What must hold for every document: everything is in exactly one passage and in at most one span, in order."""
    content = {
        i for b in parsed.blocks if b.kind != "heading" for i in range(b.start, b.end) if not parsed.text[i].isspace()
    }
    headers = {i for b in parsed.blocks if b.kind == "header" for i in range(b.start, b.end)}
    last = 0
    covered: set[int] = set()
    quoted: set[int] = set()
    for part in chunks:
        assert last <= part.start < part.end
        assert part.tokens == tokens.count(part.start, part.end) <= chunk_tokens
        assert len({parsed_top(span.locator.headings) for span in part.spans}) == 1
        covered |= set(range(part.start, part.end)) & content
        inside = part.start
        for span in part.spans:
            assert inside <= span.start < span.end <= part.end
            assert parsed.text[span.start : span.end].strip() == parsed.text[span.start : span.end]
            quoted |= set(range(span.start, span.end)) & content
            inside = span.end
        last = part.end
    assert covered == content
    assert content - headers <= quoted


def parsed_top(headings: tuple[str, ...]) -> str:
    return headings[0] if headings else ""


def cut(parsed: Parsed, tokenizer, chunk_tokens: int = 200) -> list[Chunk]:
    """Chunks of a document, checked."""
    tokens = token_map(tokenizer, parsed.text)
    chunks = chunk(parsed, tokens, chunk_tokens)
    check_chunks(parsed, chunks, tokens, chunk_tokens)
    assert chunks == chunk(parsed, token_map(tokenizer, parsed.text), chunk_tokens)
    return chunks
