"""Check digits of cards, bank accounts and national identity numbers. Arithmetic only; finds nothing in texts."""

from __future__ import annotations

from collections import Counter

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SD": 18,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22,
    "VG": 24, "XK": 20,
}  # fmt: skip
_PPS_LETTERS = "WABCDEFGHIJKLMNOPQRSTUV"


def luhn(digits: str) -> bool:
    """Cards and Canadian SINs: every second digit from the right is doubled, the digit sum ends in 0."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def card(digits: str) -> bool:
    """A payment card: an issuer's prefix with its length, and Luhn."""
    if len(set(digits)) == 1 or not luhn(digits):
        return False
    two, four, size = int(digits[:2]), int(digits[:4]), len(digits)
    if digits[0] == "4":
        return size in (13, 16, 19)
    if two in (34, 37):
        return size == 15
    if two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305:
        return size == 14
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 3528 <= four <= 3589:
        return size == 16
    return size >= 16 and (two in (50, 62, 64, 65) or 56 <= two <= 69)


def iban(code: str) -> bool:
    """A bank account number, upper-case and without spaces: the country's length, and mod 97 gives 1."""
    if IBAN_LENGTHS.get(code[:2]) != len(code) or not code[2:4].isdigit():
        return False
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


def irish_pps(code: str) -> bool:
    """Seven digits, a check letter, and since 2013 perhaps one more letter, upper-case."""
    total = sum(int(d) * weight for d, weight in zip(code[:7], range(8, 1, -1), strict=True))
    if len(code) > 8 and code[8] != "W":
        total += 9 * (ord(code[8]) - ord("A") + 1)
    return _PPS_LETTERS[total % 23] == code[7]


def german_tax_id(digits: str) -> bool:
    """Eleven digits: among the first ten just one occurs two or three times; ISO 7064 MOD 11,10 check digit."""
    repeats = sorted(Counter(digits[:10]).values())
    if len(digits) != 11 or digits[0] == "0" or repeats[-1] not in (2, 3) or repeats[-2:-1] not in ([], [1]):
        return False
    product = 10
    for digit in digits[:10]:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return (11 - product) % 10 == int(digits[10])


def portuguese_nif(digits: str) -> bool:
    """Nine digits: weights 9 to 2, mod 11."""
    total = sum(int(d) * weight for d, weight in zip(digits[:8], range(9, 1, -1), strict=True))
    return digits[0] not in "04" and int(digits[8]) == (11 - total % 11 if total % 11 > 1 else 0)


def canadian_sin(digits: str) -> bool:
    """Nine digits, Luhn; those with 8 in front are businesses'."""
    return digits[0] != "8" and len(set(digits)) > 1 and luhn(digits)
