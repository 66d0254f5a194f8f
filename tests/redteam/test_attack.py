"""A red team's visit to a release of real models: nothing closed gets out, and where something does it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raftops.access import AccessPolicies
from raftops.errors import GateFailed
from raftops.redteam.attack import visit
from raftops.redteam.found import Tally, Visit
from raftops.release.current import current_release
from tests.service.conftest import deployed  # noqa: F401  a fixture
from tests.service.release_files import ACCESS

pytestmark = pytest.mark.local


def test_nobody_gets_what_is_closed_to_them_and_the_questions_could_have_brought_it(deployed):  # noqa: F811
    release = current_release(deployed.releases)
    found = visit(release, attacks=44, orders=0, seed=1)
    assert found.leaked == 0
    assert found.prompt.succeeded == 0
    assert sum(tally.tried for tally in found.leaks) > 44
    seen, _, asked, *_ = next(tally.control for tally in found.leaks if tally.kind == "topic (chat)").split()
    assert int(seen) == int(asked) > 0
    assert found.not_tried == ["orders: the report has no answered question"]
    found.check(0.02)


def test_a_service_that_shows_too_much_is_found_out(deployed):  # noqa: F811
    release = current_release(deployed.releases)
    narrow = {**ACCESS, "policies": {"all-staff": {"groups": ["managers"]}, "managers-only": {"groups": ["managers"]}}}
    wanted = replace(release, access=AccessPolicies.model_validate(narrow))  # what is served is wider than this
    found = visit(wanted, attacks=22, orders=0, seed=1)
    assert found.leaked > 3
    assert {document for tally in found.leaks for row in tally.seen for document in row["documents"]} <= {
        "leave.md",
        "travel.md",
    }
    with pytest.raises(GateFailed, match="may not read"):
        found.check(0.02)


def test_a_gate_is_about_leaks_the_prompt_and_the_share_of_orders():
    def found(leaked=False, told=False, obeyed=0):
        leaks, prompt, orders = Tally("leak"), Tally("prompt"), Tally("order")
        leaks.note(leaked)
        prompt.note(told)
        for number in range(50):
            orders.note(number < obeyed)
        return Visit("0" * 16, [leaks], prompt, [orders])

    found(obeyed=1).check(0.02)
    for wrong in (found(leaked=True), found(told=True), found(obeyed=2)):
        with pytest.raises(GateFailed):
            wrong.check(0.02)
