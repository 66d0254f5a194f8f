"""Who may read what. The one place that decides; it fails closed.

A document has one policy, a policy lists groups, a caller's groups come from a verified token. No policy, unknown
policy, unknown group, empty group list: denied. A permission change edits the access file and re-embeds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raftops.errors import AccessError

_FOLDERS = "(?:.*/)?"


class Policy(BaseModel):
    """A named list of groups; any one of them may read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: tuple[str, ...] = ()
    """Groups of this file; whoever is in one of them may read."""


class Rule(BaseModel):
    """Which documents have a policy; the first rule that matches decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    match: str = Field(min_length=1)
    """Pattern of document ids (paths below the documents folder): `**/` any folders, `*` and `?` within one name."""
    policy: str = Field(min_length=1)
    """Policy of this file that the documents have."""


class AccessPolicies(BaseModel):
    """The access file: groups, policies, and which document has which policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    groups: dict[str, str] = Field(default_factory=dict)
    """Every group of the callers' tokens that counts here, with a line for people."""
    policies: dict[str, Policy] = Field(default_factory=dict)
    """Named lists of groups."""
    documents: tuple[Rule, ...] = ()
    """Which documents have which policy; the first rule that matches decides, and none means that nobody may read."""

    def policy_of(self, doc_id: str) -> str | None:
        """The policy of a document, or None: then nobody may read it."""
        rule = next((r for r in self.documents if glob_pattern(r.match).fullmatch(doc_id)), None)
        return rule.policy if rule and rule.policy in self.policies else None

    def readable(self, groups: Iterable[str]) -> frozenset[str]:
        """The policies that a caller with these groups may read. Groups the file does not know count for nothing,
        and so does a bare string: a claim of the wrong shape must not be read letter by letter."""
        known = set() if isinstance(groups, str) else {g for g in groups if isinstance(g, str) and g in self.groups}
        return frozenset(p for p, policy in self.policies.items() if known & set(policy.groups))

    def readable_by_all(self, audience: Iterable[str]) -> frozenset[str]:
        """The policies that every single group of an audience may read; none for an empty or unknown audience."""
        shares = [] if isinstance(audience, str) else [self.readable([group]) for group in audience]
        return frozenset.intersection(*shares) if shares else frozenset()

    def may_read(self, groups: Iterable[str], policy_id: str | None) -> bool:
        """Whether a caller with these groups may read what has this policy."""
        return policy_id is not None and policy_id in self.readable(groups)


@lru_cache(maxsize=4096)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob over a whole path: `**/` as its own part is any folders, `**` anything, `*` and `?` within one name."""
    out, i = "", 0
    while i < len(glob):
        if glob.startswith("**/", i) and glob[i - 1 : i] in ("", "/"):
            out, i = out.removesuffix(_FOLDERS) + _FOLDERS, i + 3
        elif glob.startswith("**", i):
            out, i = out + ".*", i + 2
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(glob[i], re.escape(glob[i]))
            i += 1
    return re.compile(out, re.DOTALL)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key may stand once: of two policies of one name, the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, or an error at the key that repeats an earlier one."""
        seen: set[str] = set()
        for key in (k for k, _ in node.value if isinstance(k, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def load_access(path: Path) -> AccessPolicies:
    """Read an access file. Raises `AccessError` with every problem, each with its place in the file's tree."""
    try:
        raw: Any = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506  a safe loader
        return AccessPolicies.model_validate(raw or {})
    except OSError as error:
        raise AccessError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise AccessError(f"{path}: not valid YAML ({error})") from error
    except ValidationError as error:
        places = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise AccessError(f"{path}: " + "; ".join(places)) from error
