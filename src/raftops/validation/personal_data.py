"""Finds personal data in texts: e-mail addresses, telephone, card and account numbers, national identity numbers.

By shape and check digit. No names, no addresses, no birth dates. A finding never holds the value itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from raftops.validation import checksums

Kind = Literal["email", "phone", "card", "iban", "national_id"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_GAP = r"[ \u00a0.\u2010-\u2013-]"
_ALONE = r"(?<![\w+])(?<!\d[.,])"  # not in the middle of a word or a number
_END = r"(?![\w@])(?![.,]\d)"


@dataclass(frozen=True)
class Finding:
    """Personal data in a text: what kind, and where; never what."""

    kind: Kind
    name: str
    """Which number exactly, such as "US SSN"."""
    start: int
    end: int
    masked: str
    """First two characters and the length."""


@dataclass(frozen=True)
class _Detector:
    kind: Kind
    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    """Decides on the letters and digits of a match, upper-case."""
    label: re.Pattern[str] | None = None
    """What must stand shortly before a number that looks like any other."""


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{_ALONE}(?:{pattern}){_END}", re.ASCII)


def _label(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ \u00a0]?[A-Za-z0-9])", re.ASCII)
_CARD = "|".join(
    (
        r"\d{13,19}",
        rf"\d{{4}}(?P<c>{_GAP})\d{{4}}(?P=c)\d{{4}}(?P=c)\d{{1,4}}(?:(?P=c)\d{{3}})?",
        rf"3\d{{3}}(?P<a>{_GAP})\d{{6}}(?P=a)\d{{4,5}}",
    )
)
_NINE = rf"\d{{3}}{_GAP}?\d{{3}}{_GAP}?\d{{3}}"
_PHONE = "|".join(
    (
        rf"\+\d(?:{_GAP}?\(?\d\)?|/){{7,14}}",
        rf"00[1-9](?:{_GAP}?\d){{8,13}}",
        rf"\(\d{{2,5}}\){_GAP}?\d{{3,4}}(?:{_GAP}?\d{{2,5}}){{1,2}}",
        rf"(?:1{_GAP})?[2-9]\d{{2}}{_GAP}[2-9]\d{{2}}{_GAP}\d{{4}}",
        r"0\d{1,4}[ \u00a0/-]\d{3,4}[ \u00a0-]?\d{3,5}",
    )
)


def _phone(digits: str) -> bool:
    return 8 <= len(digits) <= 16 and len(set(digits)) > 2


_DETECTORS = (
    _Detector(
        "email",
        "e-mail address",
        re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])"),
    ),
    _Detector("card", "payment card", _shape(_CARD), lambda v: 13 <= len(v) <= 19 and checksums.card(v)),
    _Detector(
        "national_id",
        "US SSN",
        _shape(r"(?!000|666|9\d\d)\d{3}(?P<s>[- \u2010-\u2013])(?!00)\d{2}(?P=s)(?!0000)\d{4}"),
    ),
    _Detector(
        "national_id",
        "US SSN",
        _shape(r"(?!000|666|9\d\d)\d{3}(?!00)\d{2}(?!0000)\d{4}"),
        label=_label(r"SSN|social security"),
    ),
    _Detector(
        "national_id",
        "UK NINO",
        _shape(r"(?i:(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D])"),
    ),
    _Detector("national_id", "Irish PPS number", _shape(r"\d{7} ?[A-Wa-w][A-IWa-iw]?"), checksums.irish_pps),
    _Detector(
        "national_id",
        "German Steuer-ID",
        _shape(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
        checksums.german_tax_id,
    ),
    _Detector(
        "national_id",
        "Portuguese NIF",
        _shape(rf"(?:PT ?)?{_NINE}"),
        lambda v: checksums.portuguese_nif(v.removeprefix("PT")),
        _label(r"NIF|n\.?i\.?f|contribuinte|VAT|IVA|fiscal|tax(?:payer)?|PT"),
    ),
    _Detector("national_id", "Canadian SIN", _shape(r"\d{3}(?P<s>[ -])\d{3}(?P=s)\d{3}"), checksums.canadian_sin),
    _Detector(
        "national_id",
        "Canadian SIN",
        _shape(r"\d{9}"),
        checksums.canadian_sin,
        _label(r"SIN|NAS|social insurance|assurance sociale"),
    ),
    _Detector("phone", "telephone number", _shape(rf"(?<!\d[ \u00a0-])(?:{_PHONE})(?![ \u00a0-]?\d)"), _phone),
)
_LABEL_REACH = 60


def find_personal_data(text: str) -> list[Finding]:
    """Every finding in a text, in order; of two that overlap, the surer kind."""
    candidates = []
    for match in _IBAN_START.finditer(text):
        # So many letters and digits as the country's accounts have, together or in groups one space apart.
        size = checksums.IBAN_LENGTHS.get(match[0][:2].upper())
        account = re.compile(rf"(?:\s?[A-Za-z0-9]){{{size}}}").match(text, match.start()) if size else None
        code = "".join(account[0].split()).upper() if account else ""
        if account and checksums.iban(code) and not text[account.end() : account.end() + 1].isalnum():
            candidates.append(_finding("iban", f"bank account of {code[:2]}", text, *account.span()))
    for detector in _DETECTORS:
        for match in detector.pattern.finditer(text):
            value = re.sub(r"[^0-9A-Za-z]", "", match[0]).upper()
            near = text[max(0, match.start() - _LABEL_REACH) : match.start()] + match[0][:2]
            if detector.holds(value) and (detector.label is None or detector.label.search(near)):
                candidates.append(_finding(detector.kind, detector.name, text, *match.span()))
    taken = bytearray(len(text))
    found = []
    for finding in candidates:  # the surest kind comes first
        if not any(taken[finding.start : finding.end]):
            taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
            found.append(finding)
    return sorted(found, key=lambda f: f.start)


def mask(value: str) -> str:
    """A value that can be shown: its first two characters and its length."""
    return f"{value[:2]}… ({len(value)} characters)"


def _finding(kind: Kind, name: str, text: str, start: int, end: int) -> Finding:
    return Finding(kind, name, start, end, mask(text[start:end]))
