"""Evidence batches: which packages share a hash tree, and how far its timestamp has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, insert, or_, select, union, update

from zdda.catalog.leasing import Leased
from zdda.catalog.tables import (
    ON_THE_WAY,
    UNPROVEN,
    UNRECORDED,
    amendment_packages,
    amendments,
    deposits,
    destroyed_packages,
    evidence_batches,
    evidence_members,
)
from zdda.database.session import AnyRow, Transaction
from zdda.database.types import Moment
from zdda.model.deposit import DepositState
from zdda.model.errors import NotFound


class BatchState(StrEnum):
    """A batch's way: its members are fixed, timestamped, stored as a batch object, recorded in an amendment."""

    CLOSED = "closed"
    TIMESTAMPED = "timestamped"
    STORED = "stored"
    RECORDED = "recorded"


LEASED = Leased(evidence_batches, evidence_batches.c.batch_id, UNRECORDED, frozenset({BatchState.RECORDED}))
_PLACE = (
    update(deposits)
    .where(deposits.c.tenant_id == bindparam("tenant"), deposits.c.package_id == bindparam("package"))
    .values(batch_id=bindparam("of_batch"), leaf_index=bindparam("index"))
)
_PROVEN = (
    update(amendments)
    .where(amendments.c.tenant_id == bindparam("tenant"), amendments.c.amendment_id == bindparam("amendment"))
    .values(batch_id=bindparam("of_batch"))
)
_TENANT: BindParameter[Any] = bindparam("tenant")
_BATCH: BindParameter[Any] = bindparam("batch")
_CANDIDATES = (
    select(
        deposits.c.deposit_id,
        deposits.c.package_id,
        deposits.c.group_digest,
        deposits.c.retain_until,
        deposits.c.stored_at,
    )
    .where(
        ON_THE_WAY,
        deposits.c.tenant_id == _TENANT,
        deposits.c.state == DepositState.STORED,
        deposits.c.batch_id.is_(None),
        deposits.c.sealed_at <= bindparam("sealed_by", type_=Moment),
    )
    .order_by(deposits.c.stored_at, deposits.c.deposit_id)
    .limit(bindparam("limit"))
)
_COMING = (
    select(deposits.c.deposit_id)
    .where(
        ON_THE_WAY,
        deposits.c.tenant_id == _TENANT,
        deposits.c.state.in_((DepositState.RECEIVED, DepositState.VALIDATED, DepositState.SEALED)),
        deposits.c.deferred_reason.is_(None),
    )
    .limit(1)
)
_GET = select(evidence_batches).where(evidence_batches.c.tenant_id == _TENANT, evidence_batches.c.batch_id == _BATCH)
_MEMBERS = (
    select(
        evidence_members.c.package_id, evidence_members.c.kind, evidence_members.c.sequence, evidence_members.c.digest
    )
    .where(evidence_members.c.tenant_id == _TENANT, evidence_members.c.batch_id == _BATCH)
    .order_by(evidence_members.c.leaf_index)
)
_DEPOSITS = (
    select(deposits)
    .where(deposits.c.tenant_id == _TENANT, deposits.c.batch_id == _BATCH)
    .order_by(deposits.c.leaf_index)
)
_LATEST_SEAL = select(func.max(deposits.c.sealed_at)).where(
    deposits.c.tenant_id == _TENANT, deposits.c.batch_id == _BATCH
)
_INSERT, _INSERT_MEMBERS = insert(evidence_batches), insert(evidence_members)
_INSERT_AMENDMENT, _INSERT_AMENDED = insert(amendments), insert(amendment_packages)
_UNDER_WAY = (
    select(evidence_batches.c.batch_id)
    .where(
        UNRECORDED,
        evidence_batches.c.tenant_id == bindparam("tenant"),
        evidence_batches.c.deferred_reason.is_(None),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Member:
    """One leaf: a package's group of data objects, or an amendment."""

    package_id: UUID
    kind: str
    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored deposit that waits for a batch."""

    deposit_id: UUID
    package_id: UUID
    group_digest: bytes
    retain_until: datetime
    stored_at: datetime


def candidates(tx: Transaction, limit: int, sealed_by: datetime) -> list[Candidate]:
    """Stored deposits without a batch that say they were sealed by a moment, those that have waited longest first."""
    return [Candidate(*row) for row in tx.run(_CANDIDATES, limit=limit, sealed_by=sealed_by)]


def more_are_coming(tx: Transaction) -> bool:
    """Whether a deposit is on its way to be stored. One that was deferred is not: it may be long in coming."""
    return tx.run(_COMING).first() is not None


def pending_amendments(
    tx: Transaction, disposal_years: range, limit: int, overdue: datetime | None = None
) -> list[tuple[Member, datetime]]:
    """Amendments in the stores and not yet under evidence whose packages go in these years, or that were made before
    the moment ``overdue``, oldest first; each with the moment until which it is kept."""
    due = and_(amendments.c.disposal_year >= disposal_years.start, amendments.c.disposal_year < disposal_years.stop)
    if overdue is not None:
        due = or_(due, amendments.c.created_at < overdue)
    rows = tx.execute(
        select(amendments.c.amendment_id, amendments.c.digest, amendments.c.retain_until)
        .where(UNPROVEN, amendments.c.tenant_id == tx.tenant, due, amendments.c.spool_file.is_(None))
        .order_by(amendments.c.amendment_id)
        .limit(limit)
    )
    return [(Member(amendment_id, "amendment", 0, digest), until) for amendment_id, digest, until in rows]


def insert_batch(
    tx: Transaction,
    batch_id: UUID,
    created_at: datetime,
    retain_until: datetime,
    root: bytes,
    members: Sequence[Member],
) -> None:
    """Fixes a batch and its members, in the order of the tree's leaves, and marks the deposits as belonging to it.

    This commits before the timestamp authority is called. ``retain_until`` is the last of the members'.
    """
    row = {
        "tenant_id": tx.tenant,
        "batch_id": batch_id,
        "state": BatchState.CLOSED,
        "lease_epoch": 0,
        "attempts": 0,
        "created_at": created_at,
        "disposal_year": retain_until.year,
        "retain_until": retain_until,
        "root": root,
    }
    tx.execute(_INSERT, row)
    insert_members(tx, batch_id, dict(enumerate(members)))
    places = [
        {"tenant": tx.tenant, "package": member.package_id, "of_batch": batch_id, "index": index}
        for index, member in enumerate(members)
        if member.kind == "aip"
    ]
    if places:
        tx.execute(_PLACE, places)


def insert_members(tx: Transaction, batch_id: UUID, members: Mapping[int, Member]) -> None:
    """Lists leaves of a batch by their numbers in the tree; amendments among them are noted to be in it."""
    tx.execute(
        _INSERT_MEMBERS,
        [
            {
                "tenant_id": tx.tenant,
                "batch_id": batch_id,
                "leaf_index": index,
                "package_id": member.package_id,
                "kind": member.kind,
                "sequence": member.sequence,
                "digest": member.digest,
            }
            for index, member in sorted(members.items())
        ],
    )
    proven = [
        {"tenant": tx.tenant, "amendment": member.package_id, "of_batch": batch_id}
        for member in members.values()
        if member.kind == "amendment"
    ]
    if proven:
        tx.execute(_PROVEN, proven)


def get_batch(tx: Transaction, batch_id: UUID) -> AnyRow:
    """The row; raises ``NotFound``."""
    row = tx.run(_GET, batch=batch_id).one_or_none()
    if row is None:
        raise NotFound("no such evidence batch")
    return row


def members_of(tx: Transaction, batch_id: UUID) -> list[Member]:
    """The leaves in the order of the tree."""
    return [Member(*row) for row in tx.run(_MEMBERS, batch=batch_id)]


def deposits_of_batch(tx: Transaction, batch_id: UUID) -> Sequence[AnyRow]:
    """The deposits whose packages are the batch's members, by leaf."""
    return tx.run(_DEPOSITS, batch=batch_id).all()


def classes_of_batch(tx: Transaction, batch_id: UUID) -> list[str]:
    """The retention classes of the packages that the batch serves: its members, and those of which amendments among its
    members tell, destroyed ones too."""
    direct = select(deposits.c.retention_class).where(
        deposits.c.tenant_id == tx.tenant, deposits.c.batch_id == batch_id
    )
    told = (
        select(amendment_packages.c.package_id)
        .join_from(
            evidence_members,
            amendment_packages,
            (amendment_packages.c.tenant_id == evidence_members.c.tenant_id)
            & (amendment_packages.c.amendment_id == evidence_members.c.package_id),
        )
        .where(
            evidence_members.c.tenant_id == tx.tenant,
            evidence_members.c.batch_id == batch_id,
            evidence_members.c.kind == "amendment",
        )
    )
    under = [
        select(table.c.retention_class).where(table.c.tenant_id == tx.tenant, table.c.package_id.in_(told))
        for table in (deposits, destroyed_packages)
    ]
    return sorted(tx.execute(union(direct, *under)).scalars())


def latest_seal_of_batch(tx: Transaction, batch_id: UUID) -> datetime:
    """The latest moment at which a package of the batch says it was sealed."""
    found: datetime = tx.run(_LATEST_SEAL, batch=batch_id).scalar_one()
    return found


def insert_amendment(
    tx: Transaction,
    amendment_id: UUID,
    kind: str,
    created_at: datetime,
    digest: bytes,
    retain_until: datetime,
    packages: Sequence[tuple[UUID, int, bytes]],
    on_the_way: tuple[str, bytes] | None = None,
) -> None:
    """Lists an amendment and, for each package it covers, its number there and its predecessor's digest.

    ``on_the_way``: the spool file and the object record of one that is not in the stores yet.
    """
    row = {
        "tenant_id": tx.tenant,
        "amendment_id": amendment_id,
        "kind": kind,
        "created_at": created_at,
        "digest": digest,
        "disposal_year": retain_until.year,
        "retain_until": retain_until,
        "spool_file": on_the_way[0] if on_the_way else None,
        "object_record": on_the_way[1] if on_the_way else None,
    }
    tx.execute(_INSERT_AMENDMENT, row)
    tx.execute(
        _INSERT_AMENDED,
        [
            {
                "tenant_id": tx.tenant,
                "package_id": package_id,
                "sequence": sequence,
                "amendment_id": amendment_id,
                "predecessor": predecessor,
            }
            for package_id, sequence, predecessor in packages
        ],
    )


def is_under_way(tx: Transaction) -> bool:
    """Whether a batch is on its way to its receipts. One that was deferred is not: others go past it."""
    return tx.run(_UNDER_WAY).first() is not None


def knows_batch(tx: Transaction, batch_id: UUID) -> bool:
    """Whether there is a batch of this identifier."""
    return _any(tx, evidence_batches.c.batch_id == batch_id)


def knows_amendment(tx: Transaction, amendment_id: UUID) -> bool:
    """Whether it is listed, or some batch is making it."""
    wanted = amendments.c.tenant_id == tx.tenant, amendments.c.amendment_id == amendment_id
    listed = tx.execute(select(amendments.c.amendment_id).where(*wanted)).first() is not None
    return listed or _any(tx, evidence_batches.c.amendment_id == amendment_id)


def _any(tx: Transaction, condition: ColumnElement[bool]) -> bool:
    return tx.execute(select(evidence_batches.c.batch_id).where(_of(tx), condition).limit(1)).first() is not None


def _of(tx: Transaction) -> ColumnElement[bool]:
    return evidence_batches.c.tenant_id == tx.tenant


def newest_gen_time(tx: Transaction) -> datetime | None:
    """The latest moment that an authority has told."""
    found: datetime | None = tx.execute(select(func.max(evidence_batches.c.gen_time)).where(_of(tx))).scalar_one()
    return found


def batch_files(tx: Transaction) -> frozenset[str]:
    """Every spool file that some batch on its way still needs."""
    needed = {
        BatchState.TIMESTAMPED: evidence_batches.c.batch_file,
        BatchState.STORED: evidence_batches.c.amendment_file,
    }
    return frozenset(
        name
        for state, column in needed.items()
        for name in tx.execute(
            select(column).where(
                UNRECORDED,
                evidence_batches.c.tenant_id == tx.tenant,
                evidence_batches.c.state == state,
                column.is_not(None),
            )
        ).scalars()
    )
