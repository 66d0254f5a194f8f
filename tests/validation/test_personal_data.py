"""Personal data: each kind by shape and check digit, near misses left alone, values never shown."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftops.validation import checksums
from raftops.validation.personal_data import find_personal_data, mask

HELD = [
    ("email", "e-mail address", "jane.doe+hr@people.example.com"),
    ("email", "e-mail address", "j@x.ie"),
    ("card", "payment card", "4111111111111111"),
    ("card", "payment card", "4111 1111 1111 1111"),
    ("card", "payment card", "5555-5555-5555-4444"),
    ("card", "payment card", "3782 822463 10005"),
    ("iban", "bank account of DE", "DE89 3704 0044 0532 0130 00"),
    ("iban", "bank account of IE", "IE29AIBK93115212345678"),
    ("iban", "bank account of PT", "PT50 0002 0123 1234 5678 9015 4"),
    ("iban", "bank account of GB", "gb29nwbk60161331926819"),
    ("national_id", "US SSN", "123-45-6789"),
    ("national_id", "UK NINO", "AB 12 34 56 C"),
    ("national_id", "UK NINO", "JG103759A"),
    ("national_id", "Irish PPS number", "1234567T"),
    ("national_id", "Irish PPS number", "1234567FA"),
    ("national_id", "German Steuer-ID", "86095742719"),
    ("national_id", "German Steuer-ID", "47 036 892 816"),
    ("national_id", "Canadian SIN", "046 454 286"),
    ("national_id", "Canadian SIN", "130-692-544"),
    ("phone", "telephone number", "+353 21 555 0123"),
    ("phone", "telephone number", "+49 (0)341 9999-123"),
    ("phone", "telephone number", "(415) 555-0132"),
    ("phone", "telephone number", "415-555-0132"),
    ("phone", "telephone number", "021 555 0123"),
    ("phone", "telephone number", "00353 21 5550123"),
]
LEFT_ALONE = [
    "4111 1111 1111 1112",  # Luhn
    "0000 0000 0000 0000",
    "1234567890123456",  # no issuer
    "DE89 3704 0044 0532 0130 01",  # mod 97
    "XX89 3704 0044 0532 0130 00",  # no such country
    "000-12-3456",
    "666-12-3456",
    "123-00-6789",
    "BG 12 34 56 A",
    "1234567A",  # check letter
    "86095742718",  # check digit
    "12345678901",  # no digit repeats
    "130 692 545",
    "130692544",  # nine digits that nothing calls a SIN
    "123456789",  # nine digits that nothing calls a NIF
    "2024-01-15",
    "01-02-2024",
    "1.000.000,00",
    "EUR 12,500.00 in 2025",
    "version 10.2.33",
    "@channel",
    "a@b",
    "ISBN 978-3-16-148410-0",
    "https://example.org/2024/11/22/123456",
]


@pytest.mark.parametrize(("kind", "name", "value"), HELD)
def test_a_value_is_found_in_a_sentence_with_its_place_and_masked(kind: str, name: str, value: str) -> None:
    text = f"For Jane, {value}, since May."
    assert [(f.kind, f.name, text[f.start : f.end]) for f in find_personal_data(text)] == [(kind, name, value)]
    found = find_personal_data(text)[0]
    assert found.masked == f"{value[:2]}\u2026 ({len(value)} characters)"
    assert value not in repr(found)


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    assert find_personal_data(f"See {text} there.") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NIF: 123456789", "Portuguese NIF"),
        ("contribuinte 501 964 843", "Portuguese NIF"),
        ("PT501964843", "Portuguese NIF"),
        ("his SIN is 046454286", "Canadian SIN"),
        ("SSN 123456789", "US SSN"),
    ],
)
def test_bare_numbers_are_found_where_a_word_says_what_they_are(text: str, name: str) -> None:
    assert [f.name for f in find_personal_data(text)] == [name]


def test_a_value_at_either_end_and_beside_words_is_found() -> None:
    assert [f.kind for f in find_personal_data("jane@example.com")] == ["email"]
    text = "IBAN IE29 AIBK 9311 5212 3456 78 and card 4111 1111 1111 1111."
    assert [f.kind for f in find_personal_data(text)] == ["iban", "card"]


def test_of_two_overlapping_findings_the_surer_kind_stays() -> None:
    assert [f.kind for f in find_personal_data("DE89370400440532013000")] == ["iban"]


@pytest.mark.parametrize("digits", ["4111111111111111", "046454286", "79927398713"])
def test_luhn_refuses_every_single_changed_digit(digits: str) -> None:
    assert checksums.luhn(digits)
    for at, old in enumerate(digits):
        for new in set("0123456789") - {old}:
            assert not checksums.luhn(digits[:at] + new + digits[at + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789", min_size=10, max_size=10))
def test_a_steuer_id_has_exactly_one_check_digit(first_ten: str) -> None:
    holding = [d for d in "0123456789" if checksums.german_tax_id(first_ten + d)]
    counts = sorted((first_ten.count(d) for d in set(first_ten)), reverse=True)
    shaped = first_ten[0] != "0" and counts[0] in (2, 3) and max(counts[1:], default=1) == 1
    assert len(holding) == (1 if shaped else 0)


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789", min_size=18, max_size=18))
def test_every_german_iban_with_its_check_digits_is_found_and_with_wrong_ones_is_not(account: str) -> None:
    check = 98 - int(f"{account}131400") % 97
    code = f"DE{check:02}{account}"
    assert [f.kind for f in find_personal_data(f"pay to {code}.")][:1] == ["iban"]
    wrong = f"DE{(check + 1) % 97:02}{account}"
    assert not checksums.iban(wrong)


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("0123456789 -.+()@aBDEIR\u00a0/\n"), max_size=80))
def test_findings_lie_in_the_text_in_order_and_apart(text: str) -> None:
    found = find_personal_data(text)
    assert all(0 <= f.start < f.end <= len(text) for f in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert all(f.masked == mask(text[f.start : f.end]) for f in found)


@pytest.mark.parametrize(
    "text", ["a." * 100_000, "1 " * 100_000, "a@" * 100_000, "DE12 " * 40_000, "0" * 200_000, "+1" * 100_000]
)
def test_time_grows_with_the_text_and_not_faster(text: str) -> None:
    started = time.process_time()
    find_personal_data(text)
    assert time.process_time() - started < 10
