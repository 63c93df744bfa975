from __future__ import annotations

from datetime import UTC, datetime

import pytest

from zdda.model.deposit import FINAL, NEXT, DepositState
from zdda.model.retention import DisposalMark, RetentionClass, retain_until


@pytest.mark.parametrize("day", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, tzinfo=UTC)])
def test_a_period_runs_from_the_first_of_january_after(day: datetime) -> None:
    assert retain_until(RetentionClass("report", DisposalMark.S, 5), day) == datetime(2032, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("years", [0, -1, 1001])
def test_a_period_without_sense_is_refused(years: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        RetentionClass("x", DisposalMark.S, years)


def test_states_move_forward_only() -> None:
    order = list(DepositState)
    assert all(order.index(after) > order.index(before) for before in NEXT for after in NEXT[before])
    assert {DepositState.ARCHIVED, DepositState.REJECTED} == FINAL
