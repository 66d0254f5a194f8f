"""Parsed texts on disk while the validation runs, so that memory does not grow with the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path


class TextsOnDisk(Mapping[str, str]):
    """Texts by document id, each in a file of a folder that belongs to this object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[str, int] = {}

    def put(self, doc_id: str, text: str) -> None:
        """Keep a text."""
        number = self._numbers.setdefault(doc_id, len(self._numbers))
        (self._folder / str(number)).write_bytes(text.encode("utf-8", "surrogatepass"))

    def keep_only(self, doc_ids: frozenset[str]) -> None:
        """Forget every other text."""
        for doc_id in [d for d in self._numbers if d not in doc_ids]:
            (self._folder / str(self._numbers.pop(doc_id))).unlink()

    def __getitem__(self, doc_id: str) -> str:
        return (self._folder / str(self._numbers[doc_id])).read_bytes().decode("utf-8", "surrogatepass")

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
