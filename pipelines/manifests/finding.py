"""What is wrong with a resource."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and indices from the root of a resource."""


@dataclass(frozen=True)
class Finding:
    """One mistake."""

    resource: str
    """Kind, namespace and name."""
    path: str
    """Field, as Kubernetes writes it: spec.containers[0].image."""
    what: str
    next_step: str
    """The edit that mends it."""

    def __str__(self) -> str:
        return f"{self.resource}: {self.path}: {self.what}"


def show(path: Path) -> str:
    """A path as Kubernetes writes it; a key with dots or slashes stands in brackets."""
    text = ""
    for part in path:
        plain = isinstance(part, str) and not set(part) & set("./[] ")
        text += f".{part}" if plain else f"[{part}]"
    return text.removeprefix(".") or "."
