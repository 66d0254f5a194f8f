"""The validator sees a mistake of every kind, at its place, and none where there is none."""

from __future__ import annotations

import copy
from collections import Counter

import pytest

from pipelines.manifests import MINORS, Resource, check
from tests.manifests.broken import BROKEN, Broken
from tests.manifests.mutation import mutate
from tests.manifests.samples import all_kinds


def broken(case: Broken) -> list[Resource]:
    """Everything, with one mistake in it."""
    found = [f"{r.kind}/{r.name}" for r in all_kinds()]
    assert case.resource in found, f"the mutation's resource is not there: {case.resource}"
    result = list(all_kinds())
    body = copy.deepcopy(dict(result[found.index(case.resource)].body))
    mutate(body, case.field, case.value)
    result[found.index(case.resource)] = Resource(body, "mutated")
    return result


@pytest.mark.parametrize("minor", [MINORS[0], MINORS[-1]])
def test_what_is_not_broken_gives_no_finding(minor: str) -> None:
    assert check(all_kinds(), minor, production=True) == []


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.mistake.replace(" ", "-"))
def test_a_mistake_is_found_at_its_place(case: Broken) -> None:
    findings = check(broken(case), MINORS[-1], production=True)
    kind, _, name = (case.by or case.resource).partition("/")
    here = [f for f in findings if f.path == (case.path or case.field) and f.resource.startswith(f"{kind} ")]
    assert here, f"found instead: {[str(finding) for finding in findings]}"
    assert all(finding.what and finding.next_step for finding in here)


def test_the_mistakes_are_many_and_no_two_are_the_same() -> None:
    assert len(BROKEN) >= 60
    assert not [mistake for mistake, count in Counter(case.mistake for case in BROKEN).items() if count > 1]
    changes = Counter((case.resource, case.field, repr(case.value)) for case in BROKEN)
    assert not [change for change, count in changes.items() if count > 1]
