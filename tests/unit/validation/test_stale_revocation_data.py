"""Revocation data past their own next update: the verdict is the policy's, the report warns in any case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.validation.facts_laboratory import CA, Facts, certificate, day, signature, told
from tests.unit.validation.test_past_validation import GOOD_CA, NOW
from zdda.model.clock import format_time
from zdda.validation.constraints import Level
from zdda.validation.policy import ValidationPolicy
from zdda.validation.processes import judge

HOUR = timedelta(hours=1)


def judged(next_update: datetime | None, level: Level = Level.IGNORE) -> tuple[str, set[str]]:
    """The verdict on a signature, and the statuses of its signer's records on freshness."""
    default = ValidationPolicy()
    rules = replace(default.signature, signer=replace(default.signature.signer, revocation_fresh=level))
    facts = Facts(NOW, policy=replace(default, signature=rules))
    fact = replace(told(CA, NOW - 48 * HOUR), next_update=next_update)
    signer = facts.trust(certificate("signer"), [fact], GOOD_CA)
    found = judge([signature(signer, day(2021))], [], facts).signatures[0]
    records = [
        record for block in found.basic.blocks for record in block.constraints if record.id == "revocation-fresh"
    ]
    said = "no next update" if next_update is None else format_time(next_update)
    return str(found.conclusion.indication), {str(each.status) for each in records if each.checked == said}


@pytest.mark.parametrize("level", [Level.IGNORE, Level.INFORM, Level.WARN])
def test_what_is_stale_is_told_and_changes_no_verdict(level: Level) -> None:
    fresh, told_of_fresh = judged(NOW + HOUR, level)
    stale, told_of_stale = judged(NOW - HOUR, level)
    assert fresh == stale == "TOTAL_PASSED"
    assert told_of_fresh == {"ok"}
    assert told_of_stale == {"warning"}


def test_a_policy_that_asks_for_fresh_data_still_fails_what_is_stale() -> None:
    verdict, told_of_it = judged(NOW - HOUR, Level.FAIL)
    assert verdict == "INDETERMINATE"
    assert told_of_it == {"not-ok"}


def test_data_that_promise_no_update_are_not_past_it() -> None:
    assert judged(None) == ("TOTAL_PASSED", {"ignored"})
