"""Names of a directory's groups, as the access file and the service write them: the source, a colon, one spelling.

A directory spells one group in many ways (`CN=Boss, OU=x` and `cn=boss,ou=x`); here it has one, so that a rule that is
never met is seen when the spec is read. Groups of a token keep their own names, and none of these prefixes.
"""

from __future__ import annotations

import re
import unicodedata

LDAP, SCIM = "ldap:", "scim:"
_PIECE = re.compile(r"\\[0-9A-Fa-f]{2}|\\.|[^\\]", re.DOTALL)
_ESCAPED = ',+"\\<>;='


def is_of_directory(group: str) -> bool:
    """Whether a name belongs to a directory's groups, whatever its case: then no token may claim it."""
    return group.strip().casefold().startswith((LDAP, SCIM))


def canonical_group(group: str) -> str:
    """The one spelling of a directory's group, with its prefix."""
    prefix, _, name = group.strip().partition(":")
    source = f"{prefix.casefold()}:"
    return source + (canonical_dn(name) if source == LDAP and "=" in name else canonical_name(name))


def canonical_name(name: str) -> str:
    """A name without what directories overlook: case, Unicode's forms, spaces around it and repeated ones."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).split())


def canonical_dn(dn: str) -> str:
    """A distinguished name (RFC 4514) in small letters, without spaces around its parts, with one way of escaping."""
    parts = [_split(part, "+") for part in _split(dn, ",")]
    return ",".join("+".join(sorted(_assertion(one) for one in part)) for part in parts)


def first_value(dn: str, attribute: str) -> str | None:
    """The value that names an entry within its parent, if that is of one attribute, and of this one."""
    first = _split(dn, ",")[0]
    kind, _, value = first.partition("=")
    return _plain(value) if len(_split(first, "+")) == 1 and kind.strip().casefold() == attribute else None


def parent_of(dn: str) -> str:
    """The name of the entry above."""
    return ",".join(_split(dn, ",")[1:])


def _split(text: str, separator: str) -> list[str]:
    parts = [""]
    for piece in _PIECE.findall(text):
        parts = [*parts, ""] if piece == separator else [*parts[:-1], parts[-1] + piece]
    return parts


def _assertion(text: str) -> str:
    kind, _, value = text.partition("=")
    plain = canonical_name(_plain(value))
    return f"{kind.strip().casefold()}=" + "".join(f"\\{c}" if c in _ESCAPED else c for c in plain)


def _plain(value: str) -> str:
    """A value with its escapes resolved: `\\,` and `\\2C` are one comma, and hex pairs are bytes of UTF-8."""
    raw = b"".join(
        bytes.fromhex(piece[1:]) if len(piece) == 3 else piece[-1].encode("utf-8", "surrogatepass")
        for piece in _PIECE.findall(value.strip())
    )
    return raw.decode("utf-8", "replace")
