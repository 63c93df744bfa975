"""Decides whether a deposit waits until new revocation data are due, from its reports' constraint records. Pure.

A CA publishes a revocation some time after it happened: a verdict at intake that lacks the data, or has old ones only,
is better asked for again than settled by the intake policy. What waiting cannot cure does not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from zdda.ingest.intake_policy import Standing
from zdda.model.clock import parse_time

_CURABLE = frozenset({"revocation-data-present", "revocation-data-acceptable", "revocation-fresh", "not-on-hold"})
"""Constraints that newer data may meet (EN 319 102-1 clauses 5.2.5 and 5.2.6): missing, unusable, stale, suspended."""
_NOT_MET = "not-ok"
_FIRST = timedelta(minutes=1)
_LONGEST = timedelta(hours=1)
_DUE_SOON = timedelta(seconds=30)


def wait_for_revocation_data(
    worst: Standing, reports: Iterable[Mapping[str, Any]], now: datetime, until: datetime, attempts: int
) -> timedelta | None:
    """How long to wait before the deposit is validated again; None where it goes on now.

    It waits while the worst verdict is INDETERMINATE, every such signature could be cured by newer data, and ``until``
    has not come. The wait ends when the data at hand say that newer ones are due (nextUpdate); where they do not say,
    or that moment has passed, after a minute, doubled with each of the ``attempts`` before, an hour at most.
    """
    if worst is not Standing.INDETERMINATE or now >= until:
        return None
    unmet = [list(_unmet(item)) for report in reports for item in _undecided(report)]
    if not unmet or not all(records and all(record["id"] in _CURABLE for record in records) for records in unmet):
        return None
    due = [_due(records, now) for records in unmet]
    known = [moment for moment in due if moment is not None]
    if len(known) < len(due):
        return min(_FIRST * (1 << min(attempts, 16)), _LONGEST, until - now)
    # Signatures may wait for several issuers: the next one due comes first.
    return min(min(known) - now + _DUE_SOON, until - now)


def _undecided(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The signatures that are INDETERMINATE; in a document of timestamps alone, the timestamps."""
    for item in report.get("signatures") or report.get("timestamps") or ():
        if item.get("indication") == Standing.INDETERMINATE:
            yield item


def _unmet(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for block in item.get("buildingBlocks", ()):
        for record in block.get("constraints", ()):
            if record.get("status") == _NOT_MET:
                yield record


def _due(records: Iterable[Mapping[str, Any]], now: datetime) -> datetime | None:
    """The latest nextUpdate ahead that the records on freshness name; None where one record names none."""
    latest = None
    for record in records:
        try:
            moment = parse_time(record["checked"]) if record["id"] == "revocation-fresh" else now
        except ValueError:
            return None
        if moment <= now:
            return None
        latest = moment if latest is None else max(latest, moment)
    return latest
