"""Whether and how long a deposit waits for revocation data, from constraint records alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zdda.ingest.intake_policy import Standing
from zdda.ingest.revocation_wait import wait_for_revocation_data
from zdda.model.clock import format_time

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(days=2)
MINUTE = timedelta(minutes=1)
MISSING = {"id": "revocation-data-present", "status": "not-ok", "checked": "", "against": ""}
UNUSABLE = {**MISSING, "id": "revocation-data-acceptable"}
HOLD = {**MISSING, "id": "not-on-hold"}
REVOKED = {**MISSING, "id": "not-revoked"}
WEAK = {**MISSING, "id": "key-reliable"}


def stale(next_update: datetime) -> dict[str, str]:
    return {**MISSING, "id": "revocation-fresh", "checked": format_time(next_update), "against": format_time(NOW)}


def signature(*records: dict[str, str], indication: str = "INDETERMINATE") -> dict[str, Any]:
    fine = {**MISSING, "id": "path-found", "status": "ok"}
    warned = {**REVOKED, "status": "warning"}
    return {
        "indication": indication,
        "buildingBlocks": [{"constraints": [fine, warned]}, {"constraints": [fine, *records]}],
    }


def report(*signatures: dict[str, Any], timestamps: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"signatures": list(signatures), "timestamps": list(timestamps)}


def wait(
    *reports: dict[str, Any],
    worst: Standing = Standing.INDETERMINATE,
    now: datetime = NOW,
    until: datetime = UNTIL,
    attempts: int = 0,
) -> timedelta | None:
    return wait_for_revocation_data(worst, reports, now, until, attempts)


@pytest.mark.parametrize("record", [MISSING, UNUSABLE, HOLD, stale(NOW - timedelta(days=1))])
def test_what_newer_data_may_cure_waits(record: dict[str, str]) -> None:
    assert wait(report(signature(record))) == MINUTE


def test_what_newer_data_cannot_cure_does_not_wait() -> None:
    assert wait(report(signature(MISSING, REVOKED))) is None
    assert wait(report(signature(MISSING, WEAK))) is None
    assert wait(report(signature(MISSING)), report(signature(WEAK))) is None
    assert wait(report(signature())) is None
    assert wait(report()) is None
    assert wait({"format": "zdda-not-validated/1", "reason": "timeout"}) is None


@pytest.mark.parametrize("worst", [each for each in Standing if each is not Standing.INDETERMINATE])
def test_only_an_undecided_deposit_waits(worst: Standing) -> None:
    assert wait(report(signature(MISSING)), worst=worst) is None


def test_signatures_that_are_decided_do_not_count() -> None:
    passed = signature(WEAK, indication="TOTAL_PASSED")
    assert wait(report(passed, signature(MISSING))) == MINUTE


def test_timestamps_count_where_nothing_else_is_signed() -> None:
    assert wait(report(timestamps=(signature(MISSING),))) == MINUTE
    assert wait(report(signature(WEAK), timestamps=(signature(MISSING),))) is None


def test_it_waits_until_newer_data_are_due() -> None:
    later, soon = stale(NOW + timedelta(hours=5)), stale(NOW + timedelta(hours=3))
    assert wait(report(signature(later))) == timedelta(hours=5, seconds=30)
    assert wait(report(signature(later), signature(soon))) == timedelta(hours=3, seconds=30)
    assert wait(report(signature(later), signature(MISSING))) == MINUTE
    assert wait(report(signature(stale(NOW + timedelta(days=9))))) == UNTIL - NOW
    assert wait(report(signature({**stale(NOW), "checked": "no next update"}))) == MINUTE


def test_each_attempt_waits_longer_an_hour_at_most() -> None:
    waits = [wait(report(signature(MISSING)), attempts=attempts) for attempts in (0, 1, 5, 6, 1_000_000)]
    assert waits == [MINUTE, 2 * MINUTE, 32 * MINUTE, 60 * MINUTE, 60 * MINUTE]


def test_in_the_end_it_goes_on() -> None:
    assert wait(report(signature(MISSING)), until=NOW) is None
    assert wait(report(signature(MISSING)), now=UNTIL + timedelta(days=9999)) is None
    assert wait(report(signature(MISSING)), until=NOW + timedelta(seconds=5)) == timedelta(seconds=5)
