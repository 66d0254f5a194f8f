"""One content, one policy: links, copies and names that differ by case may not open what another name restricts.

The stricter policy counts. Where no policy lies within all the others, nobody may read. Judges rows that are already
there; which texts are alike by meaning is not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from raftops.access import AccessPolicies
from raftops.files import names_on_the_way, sha256_text
from raftops.globs import folded, nfc
from raftops.validation.rows import Check, Row

SHORTEST = 8
"""Words of a text from which on the same words are no coincidence."""
ONE_POLICY_CHECKS = (
    Check("has_one_policy", "true", "critical", "a content has one policy under all its names: links, copies, case"),
    Check("has_own_name", "true", "warning", "no two documents' names differ by case or look alone"),
    Check("has_own_text", "true", "warning", "no two documents of the same words, in other files, have other readers"),
)


@dataclass
class Same:
    """What several documents may have in common."""

    row: Row
    policy_id: str | None
    is_link: bool = False
    words: str = ""
    """Hash of the words of its text; empty where they are few."""


def link_policy(access: AccessPolicies, folder: Path, path: Path, row: Row) -> str | None:
    """The policy of a document: of a link, the strictest of all names on the way, which must be one."""
    ids = {name: access.policy_of(name) for name in map(nfc, names_on_the_way(folder, path))}
    policy_id = access.strictest(ids.values())
    if len({access.readers(one) for one in ids.values()}) > 1 or (None in ids.values() and any(ids.values())):
        said = ", ".join(f"{name} ({one or 'no policy'})" for name, one in ids.items())
        row.fail("has_one_policy", f"is a link, and its names have policies of other readers: {said}; link to it where")
        row.reasons["has_one_policy"] += " the same readers are, or give both names one policy"
    return policy_id


def words_of(text: str) -> str:
    """A hash of the words of a text, whatever its format; empty where they are few."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    return sha256_text(" ".join(words)) if len(words) >= SHORTEST else ""


def judge_same(access: AccessPolicies, documents: Sequence[Same]) -> None:
    """Fill the columns of documents that share a content, a name but for its case, or their words."""
    for one in documents:
        one.row.columns.setdefault("has_one_policy", True)
        one.row.columns |= {"has_own_name": True, "has_own_text": True}
    files = [one for one in documents if not one.is_link]
    for same in _grouped((str(one.row.columns.get("version") or ""), one) for one in files):
        _refuse_laxer(access, same, "has the content of")
    for same in _grouped((folded(str(one.row.columns["doc_id"])), one) for one in documents):
        if not _refuse_laxer(access, same, "differs by case or look alone from"):
            for one in same:
                one.row.fail("has_own_name", f"differs by case or look alone from {_others(one, same)}")
    for same in _grouped((one.words, one) for one in files):
        if len({access.readers(one.policy_id) for one in same}) > 1:
            for one in same:
                others = [o for o in same if o.row.columns["version"] != one.row.columns["version"]]
                if others:
                    said = ", ".join(f"{o.row.id} ({o.policy_id or 'no policy'})" for o in others[:3])
                    row_says = (
                        f"has the words of {said}, which others may read than this ({one.policy_id or 'no policy'})"
                    )
                    one.row.fail("has_own_text", row_says)


def _grouped(keyed: Iterable[tuple[str, Same]]) -> list[list[Same]]:
    """Those with the same key, where there are several; an empty key is none."""
    groups: dict[str, list[Same]] = {}
    for key, one in keyed:
        if key:
            groups.setdefault(key, []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def _refuse_laxer(access: AccessPolicies, same: Sequence[Same], how: str) -> bool:
    """Whether policies differ; then all but those of the strictest are refused, and all where none is strictest."""
    if len({access.readers(one.policy_id) for one in same}) == 1:
        return False
    strictest = access.strictest(one.policy_id for one in same)
    for one in same:
        if strictest is None or access.readers(one.policy_id) != access.readers(strictest):
            why = (
                f"fewer may read what has the policy {strictest}" if strictest else "neither policy is within the other"
            )
            said = f"{how} {_others(one, same)}, and has the policy {one.policy_id or 'none'}: {why}"
            one.row.fail("has_one_policy", f"{said}; remove one, or give both the same policy")
    return True


def _others(one: Same, same: Sequence[Same]) -> str:
    named = [f"{other.row.id} ({other.policy_id or 'no policy'})" for other in same if other is not one]
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
