"""The schedule of scrubbing: which copies have not been read for the longest time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update

from zdda.catalog.object_copies import OBJECT_OF_COPY, CopyState, named_copy, parameters_of
from zdda.catalog.tables import object_copies, objects
from zdda.database.session import Transaction
from zdda.model.objects import ObjectKind, ObjectName

_COPY = object_copies.c
_LISTED = (
    select(_COPY.package_id, _COPY.kind, _COPY.sequence, objects.c.length)
    .join_from(
        object_copies,
        objects,
        OBJECT_OF_COPY,
    )
    .where(
        _COPY.tenant_id == bindparam("tenant"),
        _COPY.site == bindparam("of_site"),
        _COPY.state == CopyState.PRESENT.value,
    )
    .limit(bindparam("limit"))
)
_NEVER = _LISTED.where(_COPY.checked_at.is_(None), _COPY.since < bindparam("before")).order_by(_COPY.since)
_LONG_AGO = _LISTED.where(_COPY.checked_at < bindparam("before")).order_by(_COPY.checked_at)
_AHEAD = (
    _LISTED.where(_COPY.checked_at.is_(None), _COPY.since > bindparam("now")),
    _LISTED.where(_COPY.checked_at > bindparam("now")),
)
"""What was written or checked by a clock that was ahead: nobody knows when."""
_CHECKED = (
    update(object_copies)
    .where(*named_copy(), _COPY.state == CopyState.PRESENT.value)
    .values(checked_at=bindparam("at"))
)


def copies_to_check(
    tx: Transaction, site: str, written_before: datetime, checked_before: datetime, now: datetime, limit: int
) -> list[tuple[ObjectName, int]]:
    """Copies that are present at a site, with their lengths: those never checked and written before a moment, oldest
    first; where there are none, those that were written or checked later than ``now``; then those whose check is older
    than another, oldest first."""
    rows = tx.run(_NEVER, of_site=site, before=written_before, limit=limit).all()
    for ahead in _AHEAD:
        rows = rows or tx.run(ahead, of_site=site, now=now, limit=limit).all()
    rows = rows or tx.run(_LONG_AGO, of_site=site, before=checked_before, limit=limit).all()
    return [
        (ObjectName(tx.tenant, package, ObjectKind(kind), number), length) for package, kind, number, length in rows
    ]


def copies_checked(tx: Transaction, site: str, names: Sequence[ObjectName], at: datetime) -> None:
    """Notes that copies were read and found whole. One that is no longer present stays as it is."""
    rows = [{**parameters_of(site, each), "at": at} for each in names]
    if rows:
        tx.run_each(_CHECKED, rows)
