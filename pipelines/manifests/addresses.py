"""IP addresses and networks as servers read them: those before 1.36 pass over leading zeros and bits of the host."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

STRICT = 36
"""The minor version from which an address or a network can be written in one way only."""
_ZEROS = re.compile(r"(?<![0-9A-Fa-f.:])0+(?=[0-9])|(?<=\.)0+(?=[0-9])")


def address(text: object, minor: int) -> IPv4Address | IPv6Address | None:
    """An IP address, or None where a server of this minor version sees none."""
    try:
        return ip_address(_plain(str(text), minor))
    except ValueError:
        return None


def network(text: object, minor: int) -> IPv4Network | IPv6Network | None:
    """A network with the length of its prefix, or None where a server of this minor version sees none."""
    words = _plain(str(text), minor)
    if not re.fullmatch(r"[^/]+/[0-9]+", words):
        return None
    try:
        return ip_network(words, strict=minor >= STRICT)
    except ValueError:
        return None


def _plain(text: str, minor: int) -> str:
    return text if minor >= STRICT else _ZEROS.sub("", text)
