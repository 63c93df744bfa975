"""Rows as a rebuild or a repair of the catalog writes them: at once what the normal way writes step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, insert, or_, select

from zdda.catalog.evidence import BatchState, Member, insert_members
from zdda.catalog.packages import ArchivedDocument, ArchivedPackage, insert_package
from zdda.catalog.tables import (
    amendments,
    deposit_documents,
    deposit_history,
    deposits,
    evidence_batches,
    objects,
    packages,
)
from zdda.catalog.validation_objects import ValidationUse, insert_validation_uses
from zdda.database.session import Transaction
from zdda.model.deposit import DepositState
from zdda.model.errors import IntegrityError
from zdda.model.submission import DocumentDescription, ExternalId
from zdda.packaging.deletion_receipt import DestroyedPackage

_TABLES = (deposits, packages, objects, evidence_batches, amendments)


class NamedTwice(IntegrityError):
    """Two packages in the stores claim one name; one is left out of the catalog, and stays in the store."""

    code = "named-twice"


@dataclass(frozen=True, slots=True)
class RestoredDeposit:
    """A deposit whose package lies in the store: archived where ``archived_at`` tells, else stored."""

    deposit_id: UUID
    package_id: UUID
    account: str
    idempotency_key: str | None
    request_digest: bytes
    external_id: ExternalId | None
    metadata: bytes
    retention_class: str
    mark: str
    years: int
    retain_until: datetime
    worst: str
    flagged: bool
    note: str | None
    received_at: datetime
    validated_at: datetime
    reports: bytes | None
    sealed_at: datetime
    stored_at: datetime
    archived_at: datetime | None
    generation: int
    object_record: bytes
    group_digest: bytes
    batch_id: UUID | None
    leaf_index: int | None
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class RestoredPackage:
    """``package`` None: it is stored, and no amendment tells that it is archived."""

    deposit: RestoredDeposit
    documents: Sequence[ArchivedDocument]
    package: ArchivedPackage | None
    uses: Sequence[ValidationUse]


@dataclass(frozen=True, slots=True)
class RestoredBatch:
    """A batch: recorded where an amendment tells of it, else timestamped.

    ``token`` and ``batch_record`` are None and ``root`` is empty where only the amendment is left.
    """

    batch_id: UUID
    created_at: datetime
    retain_until: datetime
    root: bytes
    token: bytes | None
    gen_time: datetime
    batch_record: bytes | None
    recorded_at: datetime | None
    amendment_id: UUID | None
    amendment_record: bytes | None
    amendment_digest: bytes | None


def is_empty(tx: Transaction) -> bool:
    """Whether the catalog knows nothing, of any tenant. Accounts and audit may be there."""
    return not any(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in _TABLES)


def take_names(tx: Transaction, deposit: RestoredDeposit) -> None:
    """Names that belong to one package for ever; whichever the catalog lists already has them. Two packages share one
    where an older copy of the catalog was put back and the Producer deposited again. Raises ``NamedTwice``."""
    external = deposit.external_id
    for table in (deposits, packages):
        names = [table.c.deposit_id == deposit.deposit_id]
        if deposit.idempotency_key is not None:
            names.append(and_(table.c.account == deposit.account, table.c.idempotency_key == deposit.idempotency_key))
        if external is not None:
            names.append(and_(table.c.producer == external.producer, table.c.external_id == external.id))
        taken = select(table.c.package_id).where(
            table.c.tenant_id == tx.tenant, table.c.package_id != deposit.package_id, or_(*names)
        )
        if tx.execute(taken.limit(1)).first() is not None:
            raise NamedTwice("another package has its deposit's name, idempotency key or external identifier")


def write_package(tx: Transaction, restored: RestoredPackage) -> None:
    """Writes a package's rows and those of its deposit, of which none may be there; raises ``NamedTwice``, and then
    nothing was written."""
    take_names(tx, restored.deposit)
    if restored.package is not None:
        insert_package(tx, restored.package)
        insert_validation_uses(tx, restored.deposit.package_id, restored.uses)
    _write_deposit(tx, restored.deposit, restored.documents)


def _write_deposit(tx: Transaction, deposit: RestoredDeposit, documents: Sequence[ArchivedDocument]) -> None:
    """Writes the deposit, its documents and its history.

    What is not in the stores: the request's correlation, the key wrapped for the time on the way (needed no more),
    names of spool files, leases.
    """
    state = DepositState.ARCHIVED if deposit.archived_at is not None else DepositState.STORED
    elsewhere = ("external_id", "note")
    values = {name: getattr(deposit, name) for name in RestoredDeposit.__dataclass_fields__ if name not in elsewhere}
    external = deposit.external_id
    tx.execute(
        insert(deposits).values(
            tenant_id=tx.tenant,
            state=state,
            lease_epoch=0,
            attempts=0,
            correlation_id="",
            wrapped_data_key=b"",
            producer=external.producer if external else None,
            external_id=external.id if external else None,
            **values,
        )
    )
    tx.execute(
        insert(deposit_documents),
        [
            {
                "tenant_id": tx.tenant,
                "deposit_id": deposit.deposit_id,
                "content_id": document.content_id,
                "spool_file": "",
                "verdict": document.verdict,
                **{name: getattr(document.description, name) for name in DocumentDescription.__dataclass_fields__},
            }
            for document in documents
        ],
    )
    moments = (
        (DepositState.RECEIVED, deposit.received_at),
        (DepositState.VALIDATED, deposit.validated_at),
        (DepositState.SEALED, deposit.sealed_at),
        (DepositState.STORED, deposit.stored_at),
        (DepositState.ARCHIVED, deposit.archived_at),
    )
    tx.execute(
        insert(deposit_history),
        [
            {
                "tenant_id": tx.tenant,
                "deposit_id": deposit.deposit_id,
                "ordinal": ordinal,
                "state": state,
                "at": at,
                "note": deposit.note if state is DepositState.VALIDATED else None,
            }
            for ordinal, (state, at) in enumerate(moments)
            if at is not None
        ],
    )


def destroyed_values(package: DestroyedPackage, disposal: UUID) -> dict[str, object]:
    """What stays known of a destroyed package, from its deletion receipt."""
    return {
        "package_id": package.package,
        "deposit_id": package.deposit,
        "idempotency": package.idempotency,
        "retention_class": package.retention_class,
        "mark": package.mark,
        "retain_until": package.retain_until,
        "archived_at": package.archived_at,
        "group_digest": package.group_digest,
        "batch_id": package.batch,
        "leaf_index": package.leaf_index,
        "disposal_id": disposal,
    }


def write_batch(tx: Transaction, batch: RestoredBatch) -> None:
    """Writes the batch without its members. One that no amendment records goes on from its object in the store, and
    has no file in the spool."""
    recorded = batch.recorded_at is not None
    tx.execute(
        insert(evidence_batches).values(
            tenant_id=tx.tenant,
            state=BatchState.RECORDED if recorded else BatchState.TIMESTAMPED,
            lease_epoch=0,
            attempts=0,
            disposal_year=batch.retain_until.year,
            **{name: getattr(batch, name) for name in RestoredBatch.__dataclass_fields__},
        )
    )


def write_members(tx: Transaction, batch_id: UUID, members: Mapping[int, Member]) -> None:
    """Writes which leaf of a batch is whose."""
    if members:
        insert_members(tx, batch_id, members)
