"""An object under server-side apply: its leaves, who owns each, and what one more apply makes of it.

Follows the documented rules: list items are told apart by their merge keys, some maps and lists are one value, a field
owned by another manager with another value is a conflict, and a field that its only owner no longer applies is removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MERGE_KEYS = {
    "containers": ("name",), "initContainers": ("name",), "volumes": ("name",), "env": ("name",),
    "volumeMounts": ("mountPath",), "ports": ("port", "containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"), "conditions": ("type",),
}  # fmt: skip
ATOMIC = {"selector", "nodeSelector", "matchLabels"}
SYSTEM = {"apiVersion", "kind", "status"}
SYSTEM_METADATA = {"name", "namespace", "resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"}
Path = tuple[Any, ...]


@dataclass(frozen=True)
class Item:
    """A list item by its merge keys."""

    keys: tuple[tuple[str, Any], ...]


def leaves(body: dict[str, Any]) -> dict[Path, Any]:
    """The fields of an object that somebody can own, in order."""
    own = {key: value for key, value in body.items() if key not in SYSTEM}
    own["metadata"] = {k: v for k, v in body.get("metadata", {}).items() if k not in SYSTEM_METADATA}
    found: dict[Path, Any] = {}
    _walk(own, (), found)
    return found


def _walk(value: Any, path: Path, found: dict[Path, Any]) -> None:
    name = path[-1] if path else ""
    if isinstance(value, dict) and value and name not in ATOMIC:
        for key, inner in value.items():
            _walk(inner, (*path, key), found)
    elif isinstance(value, list) and name in MERGE_KEYS and value:
        for inner in value:
            item = Item(tuple((key, inner[key]) for key in MERGE_KEYS[name] if key in inner))
            assert item.keys, f"{path}: a list item without its merge key"
            _walk(inner, (*path, item), found)
    elif value is not None and not (value == {} and path == ("metadata",)):
        found[path] = value


def whole(fields: dict[Path, Any]) -> dict[str, Any]:
    """The object that these leaves make."""
    body: dict[str, Any] = {}
    for path, value in fields.items():
        at: Any = body
        for step, following in zip(path, [*path[1:], None], strict=True):
            empty: Any = [] if isinstance(following, Item) else {}
            if isinstance(step, Item):
                known = next((one for one in at if all(one.get(k) == v for k, v in step.keys)), None)
                if known is None:
                    known = dict(step.keys)
                    at.append(known)
                at = known
            elif following is None:
                at[step] = value
            else:
                at = at.setdefault(step, empty)
    return body


class Conflict(Exception):
    """Another manager owns these fields."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__(fields)
        self.fields = fields


@dataclass
class Applied:
    """The leaves of one object and their owners."""

    fields: dict[Path, Any] = field(default_factory=dict)
    owners: dict[Path, set[str]] = field(default_factory=dict)

    def apply(self, manager: str, body: dict[str, Any], force: bool) -> Applied:
        """What comes out; this one is left as it is."""
        wanted = leaves(body)
        conflicts = [
            (path, sorted(self.owners[path] - {manager}))
            for path, value in wanted.items()
            if self.owners.get(path, set()) - {manager} and self.fields.get(path) != value
        ]
        if conflicts and not force:
            raise Conflict([(shown(path), ", ".join(names)) for path, names in conflicts])
        made = Applied(dict(self.fields), {path: set(names) for path, names in self.owners.items()})
        for path, _ in conflicts:
            made.owners[path] = set()
        for path, value in wanted.items():
            made.fields[path] = value
            made.owners.setdefault(path, set()).add(manager)
        for path in [p for p, names in made.owners.items() if manager in names and p not in wanted]:
            made.owners[path].discard(manager)
            if not made.owners[path]:
                del made.owners[path]
                made.fields.pop(path, None)
        return made

    def merge(self, manager: str, change: dict[str, Any]) -> Applied:
        """A merge patch: sets what it names, removes what it names as null."""
        made = Applied(dict(self.fields), {path: set(names) for path, names in self.owners.items()})
        for path, value in leaves(change).items():
            made.fields[path] = value
            made.owners[path] = {manager}
        return made


def shown(path: Path) -> str:
    """A path as the API server writes it."""
    text = ""
    for step in path:
        keys = ",".join(f'{k}="{v}"' for k, v in step.keys) if isinstance(step, Item) else ""
        text += f"[{keys}]" if isinstance(step, Item) else f".{step}"
    return text
