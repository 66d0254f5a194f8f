"""The name under which a Milvus server offers an assistant's index: `<assistant>`, an alias of one built collection.

Pods of a release open their own collection, so the alias is moved when a release is promoted and can be moved back.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from raftops.errors import IndexUnusable
from raftops.files import read_json
from raftops.retrieval.milvus import MilvusConnection

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class IndexAlias:
    """The alias of a built index on a server."""

    uri: str
    token_env: str
    name: str
    """The alias itself."""
    collection: str

    @classmethod
    def of(cls, built: Path) -> IndexAlias | None:
        """The alias that a built index goes by; None where the index lies in its own folder."""
        about = read_json(built / "index.json")
        if about["uri"] == "embedded":
            return None
        return cls(about["uri"], about.get("token_env", ""), about["name"].replace("-", "_"), about["collection"])

    def point(self) -> str | None:
        """Point the alias at this index; returns the collection that it pointed at before."""
        with closing(self._connection()) as connection:
            return connection.point(self.name, self.collection)

    def drop_unused(
        self, kept: Mapping[Path, str], gone: Collection[str], keep_days: float, now: float | None = None
    ) -> list[str]:
        """Drop this assistant's collections that nobody needs; returns their names.

        What a release that is kept here or in any other store refers to stays, and what a run built or opened less than
        `keep_days` ago. `kept` are built indexes of this store with the hashes of their releases (drafts have none),
        `gone` the hashes that were deleted here; `now` is in seconds since 1970.
        """
        used: dict[str, set[str]] = {self.collection: set()}
        for built, release in kept.items():
            if alias := IndexAlias.of(built):
                used.setdefault(alias.collection, set()).update([release] if release else [])
        with closing(self._connection()) as connection:
            return connection.drop_unused(self.name, used, gone, keep_days * DAY_SECONDS, now)

    def _connection(self) -> MilvusConnection:
        token = os.environ.get(self.token_env, "") if self.token_env else ""
        if self.token_env and not token:
            raise IndexUnusable(f"{self.uri}: no token", next_step=f"set {self.token_env} in the environment")
        return MilvusConnection(self.uri, token)
