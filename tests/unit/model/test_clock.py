from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from zdda.model.clock import ClockLeapt, FixedClock, SteadyClock, SystemClock, format_time, parse_time


def test_time_has_one_textual_form() -> None:
    prague = datetime(2026, 11, 22, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(prague) == "2026-11-22T12:00:00.123Z"
    assert parse_time("2026-11-22T13:00:00.123+01:00") == parse_time("2026-11-22T12:00:00.123Z")


def test_a_moment_without_a_zone_is_refused_everywhere() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    for refuse in (FixedClock, format_time):
        with pytest.raises(ValueError, match="time zone"):
            refuse(naive)
    with pytest.raises(ValueError, match="time zone"):
        parse_time("2026-01-01T00:00:00")


def test_clocks_answer_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2025, 12, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("leap", [timedelta(days=-400), timedelta(days=365 * 30), timedelta(hours=25)])
def test_a_clock_that_leaps_is_believed_no_more(leap: timedelta) -> None:
    start = datetime(2026, 11, 20, tzinfo=UTC)
    wall, elapsed = FixedClock(start), [0.0]
    clock = SteadyClock(wall, lambda: elapsed[0])
    elapsed[0] = 86400.0 * 500
    wall.move_to(start + timedelta(days=500, hours=1))
    assert clock.now() == start + timedelta(days=500, hours=1)
    wall.move_to(start + timedelta(days=500) + leap)
    with pytest.raises(ClockLeapt):
        clock.now()
    wall.move_to(start + timedelta(days=500))
    with pytest.raises(ClockLeapt):  # what was dated meanwhile has to be looked at first
        clock.now()
