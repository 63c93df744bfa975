"""Where each object lies: one row for each object and site, in the state that the copy is in there.

missing   to be written there: the journal of replication
present   it was written there under its lock and compared
damaged   what lies there are not its bytes, or nothing lies there any more; to be mended from another site
leaving   the object has moved away; to be erased there when its lock has ended
erasing   its erasure has begun
erased    nothing of it lies there; the row keeps it from being replicated again

A row is made in the transaction that lists the object, and changes state only from the state that whoever changes it
has seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from zdda.catalog.tables import UNSETTLED, deposits, object_copies, objects
from zdda.database.session import Transaction
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed

_COPY = object_copies.c


class CopyState(StrEnum):
    """See the module."""

    MISSING = "missing"
    PRESENT = "present"
    DAMAGED = "damaged"
    LEAVING = "leaving"
    ERASING = "erasing"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Copy:
    """One object at one site. ``attempts``: how often in a row what the state asks for has failed, last for
    ``problem``; it is tried again from ``not_before`` on."""

    site: str
    name: ObjectName
    state: CopyState
    since: datetime
    checked_at: datetime | None
    not_before: datetime | None
    attempts: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What the catalog knows of a site. ``objects`` and ``bytes`` of the copies that are present; ``oldest_missing``:
    since when the site is behind."""

    site: str
    objects: int
    bytes: int
    missing: int
    damaged: int
    leaving: int
    oldest_missing: datetime | None


def named_copy() -> tuple[ColumnElement[bool], ...]:
    """The conditions that name one copy; its parameters are those of ``parameters_of``."""
    return (
        _COPY.tenant_id == bindparam("tenant"),
        _COPY.site == bindparam("of_site"),
        _COPY.package_id == bindparam("of_package"),
        _COPY.kind == bindparam("of_kind"),
        _COPY.sequence == bindparam("of_sequence"),
    )


OBJECT_OF_COPY = and_(
    objects.c.tenant_id == _COPY.tenant_id,
    objects.c.package_id == _COPY.package_id,
    objects.c.kind == _COPY.kind,
    objects.c.sequence == _COPY.sequence,
)
"""How a copy's row and its object's belong together."""
_INSERT = insert(object_copies)
_COLUMNS = (
    _COPY.site,
    _COPY.package_id,
    _COPY.kind,
    _COPY.sequence,
    _COPY.state,
    _COPY.since,
    _COPY.checked_at,
    _COPY.not_before,
    _COPY.attempts,
    _COPY.problem,
)
_DUE = (
    select(*_COLUMNS)
    .where(
        UNSETTLED,
        _COPY.tenant_id == bindparam("tenant"),
        _COPY.site == bindparam("of_site"),
        _COPY.state.in_(bindparam("states", expanding=True)),
        or_(_COPY.not_before.is_(None), _COPY.not_before <= bindparam("now")),
    )
    .order_by(_COPY.since, _COPY.package_id, _COPY.kind, _COPY.sequence)
    .limit(bindparam("limit"))
)
_UNTRIED_DUE = _DUE.where(_COPY.attempts == 0)
_LEFT_DUE = _DUE.where(or_(_COPY.state == CopyState.LEAVING.value, _COPY.problem == bindparam("why")))
_MOVE = (
    update(object_copies)
    .where(*named_copy(), _COPY.state.in_(bindparam("before", expanding=True)))
    .values(state=bindparam("after"), since=bindparam("now"), not_before=None, attempts=0, problem=bindparam("why"))
)
_POSTPONE = (
    update(object_copies)
    .where(*named_copy(), _COPY.state == bindparam("before"))
    .values(attempts=_COPY.attempts + 1, not_before=bindparam("until"), problem=bindparam("why"))
)
_OF_OBJECT = (
    select(*_COLUMNS)
    .where(
        _COPY.tenant_id == bindparam("tenant"),
        _COPY.site.in_(bindparam("sites", expanding=True)),
        _COPY.package_id == bindparam("of_package"),
        _COPY.kind == bindparam("of_kind"),
        _COPY.sequence == bindparam("of_sequence"),
    )
    .order_by(_COPY.site)
)
_NEXT_SITE = select(func.min(_COPY.site)).where(_COPY.tenant_id == bindparam("tenant"), _COPY.site > bindparam("last"))
_ANY = (
    select(_COPY.site)
    .where(
        _COPY.tenant_id == bindparam("tenant"), _COPY.site == bindparam("of_site"), _COPY.state == bindparam("state")
    )
    .limit(1)
)
_REPORT = (
    select(
        func.count(case((_COPY.state == CopyState.PRESENT, 1))),
        func.sum(case((_COPY.state == CopyState.PRESENT, objects.c.length), else_=0)),
        func.count(case((_COPY.state == CopyState.MISSING, 1))),
        func.count(case((_COPY.state == CopyState.DAMAGED, 1))),
        func.count(case((_COPY.state == CopyState.LEAVING, 1))),
        func.min(case((_COPY.state == CopyState.MISSING, _COPY.since))),
    )
    .select_from(object_copies)
    .join(
        objects,
        OBJECT_OF_COPY,
    )
    .where(_COPY.tenant_id == bindparam("tenant"), _COPY.site == bindparam("of_site"))
)


def insert_copies(tx: Transaction, listed: Iterable[tuple[UUID, str, int, Placed]], now: datetime) -> None:
    """Rows for objects (package, kind, sequence), none of which has any."""
    rows = [
        {
            "tenant_id": tx.tenant,
            "site": site,
            "package_id": package,
            "kind": kind,
            "sequence": sequence,
            "state": state,
            "since": now,
            "attempts": 0,
        }
        for package, kind, sequence, placed in listed
        for sites, state in ((placed.present, "present"), (placed.missing, "missing"))
        for site in sites
    ]
    if rows:
        tx.execute(_INSERT, rows)


def due_copies(
    tx: Transaction, site: str, states: Collection[CopyState], now: datetime, limit: int, *, untried: bool = False
) -> list[Copy]:
    """Copies at a site that are in one of ``states`` (none of them present or erased) and may be tried now, those
    first that have waited longest. ``untried``: only those that have not failed."""
    query = _UNTRIED_DUE if untried else _DUE
    rows = tx.run(query, of_site=site, states=[str(state) for state in states], now=now, limit=limit)
    return [_copy(tx, row) for row in rows]


def left_copies_due(tx: Transaction, site: str, problem: str, now: datetime, limit: int) -> list[Copy]:
    """As ``due_copies``: those leaving, and those whose erasure has begun for ``problem``. What is erased for another
    reason is somebody else's, however long it takes."""
    states = [CopyState.LEAVING.value, CopyState.ERASING.value]
    rows = tx.run(_LEFT_DUE, of_site=site, states=states, why=problem, now=now, limit=limit)
    return [_copy(tx, row) for row in rows]


def move_copy(
    tx: Transaction,
    site: str,
    name: ObjectName,
    before: CopyState | Collection[CopyState],
    after: CopyState,
    now: datetime,
    problem: str | None = None,
) -> bool:
    """Moves a copy from a state, or one of several, to another; False where it is in none of them (any more), and then
    nothing is changed."""
    states = [before] if isinstance(before, CopyState) else before
    done = tx.run(
        _MOVE,
        **parameters_of(site, name),
        before=[str(each) for each in states],
        after=str(after),
        now=now,
        why=problem,
    )
    return done.rowcount == 1


def postpone_copy(
    tx: Transaction, site: str, name: ObjectName, state: CopyState, until: datetime, problem: str
) -> None:
    """What the state asks for has failed; nothing is changed where the copy is in another one by now."""
    tx.run(_POSTPONE, **parameters_of(site, name), before=str(state), until=until, why=problem)


def copies_of(tx: Transaction, name: ObjectName, sites: Sequence[str]) -> list[Copy]:
    """Where an object lies, of these sites."""
    rows = tx.run(
        _OF_OBJECT, sites=list(sites), of_package=name.package, of_kind=str(name.kind), of_sequence=name.sequence
    )
    return [_copy(tx, row) for row in rows]


def sites_known(tx: Transaction) -> list[str]:
    """Every site that some row names."""
    found: list[str] = []
    last = ""
    while True:
        site = tx.run(_NEXT_SITE, last=last).scalar_one()
        if site is None:
            return found
        found.append(last := site)


def site_report(tx: Transaction, site: str) -> SiteReport:
    """Counts every row of the site: for a person who asks, not for each request."""
    present, size, missing, damaged, leaving, oldest = tx.run(_REPORT, of_site=site).one()
    return SiteReport(site, present, int(size or 0), missing, damaged, leaving, oldest)


def objects_without_copy(
    tx: Transaction, site: str, after: ObjectName | None, limit: int
) -> list[tuple[ObjectName, str | None]]:
    """Objects that are to be kept and have no row for a site, in the order of their rows, with the retention class of
    those that are packages. An object none of whose copies is present, missing or damaged is on its way out."""
    here, others = object_copies.alias("here"), object_copies.alias("others")
    of_object = [
        others.c.tenant_id == objects.c.tenant_id,
        others.c.package_id == objects.c.package_id,
        others.c.kind == objects.c.kind,
        others.c.sequence == objects.c.sequence,
    ]
    kept = others.c.state.in_([CopyState.PRESENT.value, CopyState.MISSING.value, CopyState.DAMAGED.value])
    key = (objects.c.package_id, objects.c.kind, objects.c.sequence)
    wanted = (
        select(*key, deposits.c.retention_class)
        .select_from(objects)
        .outerjoin(
            deposits, and_(deposits.c.tenant_id == objects.c.tenant_id, deposits.c.package_id == objects.c.package_id)
        )
        .where(
            objects.c.tenant_id == tx.tenant,
            ~exists().where(
                here.c.tenant_id == objects.c.tenant_id,
                here.c.site == site,
                here.c.package_id == objects.c.package_id,
                here.c.kind == objects.c.kind,
                here.c.sequence == objects.c.sequence,
            ),
            or_(~exists().where(*of_object), exists().where(*of_object, kept)),
        )
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(
            tuple_(*key) > tuple_(literal(after.package), literal(str(after.kind)), literal(after.sequence))
        )
    return [
        (ObjectName(tx.tenant, package, ObjectKind(kind), sequence), retention_class)
        for package, kind, sequence, retention_class in tx.execute(wanted)
    ]


def names_at(tx: Transaction, site: str, after: ObjectName | None, limit: int) -> list[ObjectName]:
    """Objects that are present at a site, in the order of their rows."""
    key = (_COPY.package_id, _COPY.kind, _COPY.sequence)
    wanted = (
        select(*key)
        .where(_COPY.tenant_id == tx.tenant, _COPY.site == site, _COPY.state == CopyState.PRESENT.value)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        last = tuple_(literal(after.package), literal(str(after.kind)), literal(after.sequence))
        wanted = wanted.where(tuple_(*key) > last)
    return [ObjectName(tx.tenant, package, ObjectKind(kind), number) for package, kind, number in tx.execute(wanted)]


def states_at(tx: Transaction, site: str) -> set[CopyState]:
    """In which states copies are at a site."""
    return {state for state in CopyState if tx.run(_ANY, of_site=site, state=str(state)).first() is not None}


def forget_site(tx: Transaction, site: str) -> None:
    """Drops the rows of a site that holds nothing any more."""
    tx.execute(delete(object_copies).where(_COPY.tenant_id == tx.tenant, _COPY.site == site))


def parameters_of(site: str, name: ObjectName) -> dict[str, Any]:
    """See ``named_copy``."""
    return {
        "of_site": site,
        "of_package": name.package,
        "of_kind": str(name.kind),
        "of_sequence": name.sequence,
    }


def _copy(tx: Transaction, row: Any) -> Copy:
    site, package, kind, sequence, state, since, checked_at, not_before, attempts, problem = row
    name = ObjectName(tx.tenant, package, ObjectKind(kind), sequence)
    return Copy(site, name, CopyState(state), since, checked_at, not_before, attempts, problem)
