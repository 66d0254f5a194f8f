"""Of 237 mistakes the check finds those that no server finds, or that cost a run; the others are the server's business.

`python -m tests.manifests.test_broken` prints which is which.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter

import pytest

from pipelines.manifests import MINORS, Resource, check
from tests.manifests.broken import BROKEN, SERVERS, Broken
from tests.manifests.mutation import mutate
from tests.manifests.samples import all_kinds

AT_LEAST = 120
FOUND = [case for case in BROKEN if case.mistake not in SERVERS]


def broken(case: Broken) -> list[Resource]:
    """Everything, with one mistake in it."""
    names = [f"{r.kind}/{r.name}" for r in all_kinds()]
    assert case.resource in names, f"the mutation's resource is not there: {case.resource}"
    result = list(all_kinds())
    body = copy.deepcopy(dict(result[names.index(case.resource)].body))
    mutate(body, case.field, case.value)
    result[names.index(case.resource)] = Resource(body, "mutated")
    return result


def is_found(case: Broken) -> bool:
    """Whether a finding says what next about this resource, at the place of the mistake."""
    kind = (case.by or case.resource).partition("/")[0]
    here = [f for f in check(broken(case), MINORS[-1], production=True) if f.resource.startswith(f"{kind} ")]
    return any(f.path == (case.path or case.field) and bool(f.what and f.next_step) for f in here)


@pytest.mark.parametrize("minor", MINORS)
def test_what_is_not_broken_gives_no_finding(minor: str) -> None:
    assert check(all_kinds(), minor, production=True) == []


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.mistake.replace(" ", "-"))
def test_a_mistake_is_found_at_its_place(case: Broken) -> None:
    assert is_found(case)


@pytest.mark.parametrize("mistake", sorted(SERVERS))
def test_what_is_called_the_servers_business_is_not_found_here(mistake: str) -> None:
    """The table is true: whoever adds a check takes its mistakes out of it."""
    [case] = [case for case in BROKEN if case.mistake == mistake]
    assert not is_found(case)


def test_most_of_the_mistakes_are_found_and_no_two_are_the_same() -> None:
    assert len(BROKEN) == 237 and len(FOUND) >= AT_LEAST
    assert not [mistake for mistake, count in Counter(case.mistake for case in BROKEN).items() if count > 1]
    changes = Counter((case.resource, case.field, repr(case.value)) for case in BROKEN)
    assert not [change for change, count in changes.items() if count > 1]


if __name__ == "__main__":
    for case in BROKEN:
        sys.stdout.write(f"{'found' if is_found(case) else 'the server'}\t{case.resource}\t{case.mistake}\n")
    sys.stdout.write(f"{sum(map(is_found, BROKEN))} of {len(BROKEN)} are found\n")
