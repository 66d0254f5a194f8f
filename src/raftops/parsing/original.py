"""Bytes of a file, bounded and checked against what its name promises. Does not parse."""

from __future__ import annotations

from pathlib import Path

from raftops.errors import StepError

MIB = 1024 * 1024
TEXT_BYTES_MAX = 16 * MIB
BINARY_BYTES_MAX = 256 * MIB
_MAGIC = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive (DOCX, XLSX, ODT and the like)",
    b"\xd0\xcf\x11\xe0": "an old Office file or an encrypted one",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x1f\x8b": "a gzip archive",
}


def read_bytes(path: Path, limit: int) -> bytes:
    """All bytes of a file that is not empty and not larger than `limit`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise StepError(f"cannot be read ({error.strerror})") from error
    if len(data) > limit:
        raise StepError(f"is larger than {limit // MIB} MiB")
    if not data.strip():
        raise StepError("is empty")
    return data


def looks_like(data: bytes) -> str:
    """What the first bytes say the file is, or nothing."""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


def read_text(path: Path) -> str:
    """UTF-8 text (a byte order mark is fine) with newlines as `\\n`; anything else is an error with its place."""
    data = read_bytes(path, TEXT_BYTES_MAX)
    if found := looks_like(data):
        raise StepError(f"is {found}, not text: the extension is wrong")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StepError(
            f"line {line}: not UTF-8 (byte {data[error.start]:#04x} at offset {error.start})",
            next_step="convert it: iconv -f WINDOWS-1252 -t UTF-8",
        ) from error
    if (at := text.find("\0")) >= 0:
        raise StepError(f"line {text.count(chr(10), 0, at) + 1}: holds a NUL character: this is not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
