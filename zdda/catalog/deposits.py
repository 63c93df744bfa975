"""Deposits on their way: rows, documents, history. The state in the row is the truth; everything else is a doorbell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Text, Uuid, bindparam, cast, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from zdda.catalog.destroyed import is_destroyed, no_such_deposit
from zdda.catalog.leasing import Lease, Leased
from zdda.catalog.tables import ON_THE_WAY, deposit_documents, deposit_history, deposits, packages
from zdda.database.session import AnyRow, Transaction
from zdda.database.types import Moment
from zdda.model.deposit import NEXT, DepositState
from zdda.model.errors import Conflict
from zdda.model.submission import DocumentDescription, ExternalId

LEASED = Leased(
    deposits,
    deposits.c.deposit_id,
    ON_THE_WAY,
    frozenset({DepositState.STORED, DepositState.ARCHIVED, DepositState.REJECTED}),
)

_TENANT: BindParameter[Any] = bindparam("tenant")
_DEPOSIT: BindParameter[Any] = bindparam("deposit")
_INSERT, _INSERT_DOCUMENTS = insert(deposits), insert(deposit_documents)
_GET = select(deposits).where(deposits.c.tenant_id == _TENANT, deposits.c.deposit_id == _DEPOSIT)
_BY_KEY = select(deposits).where(
    deposits.c.tenant_id == _TENANT,
    deposits.c.account == bindparam("account"),
    deposits.c.idempotency_key == bindparam("key"),
)
_DOCUMENTS = (
    select(deposit_documents)
    .where(deposit_documents.c.tenant_id == _TENANT, deposit_documents.c.deposit_id == _DEPOSIT)
    .order_by(deposit_documents.c.number)
)
_EACH: BindParameter[Any] = bindparam("deposits", expanding=True)
_GET_EACH = select(deposits).where(deposits.c.tenant_id == _TENANT, deposits.c.deposit_id.in_(_EACH))
_DOCUMENTS_OF_EACH = (
    select(deposit_documents)
    .where(deposit_documents.c.tenant_id == _TENANT, deposit_documents.c.deposit_id.in_(_EACH))
    .order_by(deposit_documents.c.deposit_id, deposit_documents.c.number)
)
_DESCRIBE = (
    update(deposit_documents)
    .where(
        deposit_documents.c.tenant_id == _TENANT,
        deposit_documents.c.deposit_id == _DEPOSIT,
        deposit_documents.c.number == bindparam("of_number"),
    )
    .values({name: bindparam(f"new_{name}") for name in ("puid", "format_name", "verdict")})
)
_HISTORY = (
    select(deposit_history.c.state, deposit_history.c.at, deposit_history.c.note)
    .where(deposit_history.c.tenant_id == _TENANT, deposit_history.c.deposit_id == _DEPOSIT)
    .order_by(deposit_history.c.ordinal)
)
_WRITE_HISTORY = insert(deposit_history).from_select(
    ["tenant_id", "deposit_id", "ordinal", "state", "at", "note"],
    select(
        cast(_TENANT, Text),
        cast(_DEPOSIT, Uuid),
        func.count(),
        cast(bindparam("state"), Text),
        cast(bindparam("at", type_=Moment), Moment),
        cast(bindparam("note"), Text),
    ).where(deposit_history.c.tenant_id == _TENANT, deposit_history.c.deposit_id == _DEPOSIT),
)
_EXTERNAL_ID_KNOWN = tuple(
    select(table.c.deposit_id).where(
        table.c.tenant_id == _TENANT,
        table.c.producer == bindparam("producer"),
        table.c.external_id == bindparam("external_id"),
    )
    for table in (deposits, packages)
)


class IdempotencyKeyTaken(Conflict):
    """Another request with the same account and key has just been written."""

    code = "idempotency-key-in-flight"


class ExternalIdTaken(Conflict):
    """The producer has already deposited something of this name."""

    code = "external-id-taken"


@dataclass(frozen=True, slots=True)
class NewDeposit:
    """A deposit as its reception fixes it: nothing in it is ever made again."""

    deposit_id: UUID
    package_id: UUID
    account: str
    correlation_id: str
    idempotency_key: str | None
    request_digest: bytes
    external_id: ExternalId | None
    received_at: datetime
    wrapped_data_key: bytes
    generation: int
    metadata: bytes
    retention_class: str
    mark: str
    years: int
    retain_until: datetime


@dataclass(frozen=True, slots=True)
class SpooledDocument:
    """A received document and where its ciphertext lies in the spool."""

    description: DocumentDescription
    content_id: bytes
    spool_file: str


def insert_deposit(tx: Transaction, deposit: NewDeposit, documents: Sequence[SpooledDocument]) -> None:
    """Writes a deposit in state ``received``.

    Raises ``IdempotencyKeyTaken`` or ``ExternalIdTaken`` where another deposit or package holds the name.
    """
    external = deposit.external_id
    if external is not None and _external_id_known(tx, external):
        raise ExternalIdTaken("this external id belongs to another deposit of the producer")
    values = {name: getattr(deposit, name) for name in NewDeposit.__dataclass_fields__ if name not in ("external_id",)}
    try:
        tx.execute(
            _INSERT,
            {
                "tenant_id": tx.tenant,
                "state": DepositState.RECEIVED,
                "lease_epoch": 0,
                "attempts": 0,
                "flagged": False,
                "producer": external.producer if external else None,
                "external_id": external.id if external else None,
                **values,
            },
        )
    except IntegrityError:
        # which of the unique keys gave way is told apart without parsing a driver's message
        if deposit.idempotency_key is not None:
            raise IdempotencyKeyTaken("a request with this idempotency key is being received") from None
        raise ExternalIdTaken("this external id belongs to another deposit of the producer") from None
    tx.execute(
        _INSERT_DOCUMENTS,
        [
            {
                "tenant_id": tx.tenant,
                "deposit_id": deposit.deposit_id,
                "content_id": document.content_id,
                "spool_file": document.spool_file,
                **{name: getattr(document.description, name) for name in DocumentDescription.__dataclass_fields__},
            }
            for document in documents
        ],
    )
    _write_history(tx, [(deposit.deposit_id, DepositState.RECEIVED, deposit.received_at, None)])


@dataclass(frozen=True, slots=True)
class Move:
    """One deposit's next transition, with what the step fixed."""

    lease: Lease
    after: DepositState
    at: datetime
    values: Mapping[str, object]
    note: str | None = None


def transition(
    tx: Transaction, lease: Lease, after: DepositState, at: datetime, note: str | None = None, **values: object
) -> Lease:
    """Moves a deposit one state on and writes its history; raises ``FencedOff``, or ``Conflict`` for a move that
    the states do not know."""
    return transition_each(tx, [Move(lease, after, at, values, note)])[0]


def transition_each(tx: Transaction, moves: Sequence[Move]) -> list[Lease]:
    """``transition`` for several deposits: all of them, or an error and a transaction that is good for nothing."""
    alike: defaultdict[tuple[object, ...], list[tuple[Lease, Mapping[str, object]]]] = defaultdict(list)
    for move in moves:
        before, values = DepositState(move.lease.state), move.values
        if move.after not in NEXT[before]:
            raise Conflict(f"a deposit does not go from {before} to {move.after}")
        if move.after is DepositState.REJECTED:
            values = {**values, "producer": None, "external_id": None}  # a corrected deposit may use the name again
        alike[before, move.after, *values].append((move.lease, values))
    moved: dict[UUID, Lease] = {}
    for (before_state, after, *_), group in alike.items():
        for lease in LEASED.transition_each(tx, group, str(before_state), str(after)):
            moved[lease.key] = lease
    _write_history(tx, [(move.lease.key, move.after, move.at, move.note) for move in moves])
    return [moved[move.lease.key] for move in moves]


def get_deposit(tx: Transaction, deposit_id: UUID) -> AnyRow:
    """The row; raises ``NotFound``, ``PackageDestroyed``."""
    row = tx.run(_GET, deposit=deposit_id).one_or_none()
    return no_such_deposit(tx, deposit_id) if row is None else row


def find_by_idempotency_key(tx: Transaction, account: str, key: str) -> AnyRow | None:
    """The deposit that this account made under this key, in any state."""
    return tx.run(_BY_KEY, account=account, key=key).one_or_none()


def documents_of(tx: Transaction, deposit_id: UUID) -> Sequence[AnyRow]:
    """The deposit's documents by number."""
    return tx.run(_DOCUMENTS, deposit=deposit_id).all()


def deposits_with_documents(tx: Transaction, deposit_ids: Sequence[UUID]) -> dict[UUID, tuple[AnyRow, list[AnyRow]]]:
    """Rows and documents by number of those deposits that there are."""
    rows = tx.run(_GET_EACH, deposits=deposit_ids).all()
    documents = documents_of_each(tx, deposit_ids)
    return {row.deposit_id: (row, documents[row.deposit_id]) for row in rows}


def documents_of_each(tx: Transaction, deposit_ids: Sequence[UUID]) -> dict[UUID, list[AnyRow]]:
    """The documents of several deposits, each deposit's by number."""
    found: dict[UUID, list[AnyRow]] = {deposit_id: [] for deposit_id in deposit_ids}
    for document in tx.run(_DOCUMENTS_OF_EACH, deposits=deposit_ids):
        found[document.deposit_id].append(document)
    return found


def history_of(tx: Transaction, deposit_id: UUID) -> Sequence[AnyRow]:
    """The states it has been in, in order: (state, at, note)."""
    return tx.run(_HISTORY, deposit=deposit_id).all()


@dataclass(frozen=True, slots=True)
class FoundOut:
    """What examination found out about one document."""

    deposit_id: UUID
    number: int
    puid: str | None
    format_name: str | None
    verdict: str


def describe_documents(tx: Transaction, found: Sequence[FoundOut]) -> None:
    """Adds what examination found out."""
    rows = [
        {
            "deposit": each.deposit_id,
            "of_number": each.number,
            "new_puid": each.puid,
            "new_format_name": each.format_name,
            "new_verdict": each.verdict,
        }
        for each in found
    ]
    if rows:
        tx.run_each(_DESCRIBE, rows)


def describe_document(
    tx: Transaction, deposit_id: UUID, number: int, puid: str | None, format_name: str | None, verdict: str
) -> None:
    """Adds what examination found out about one document."""
    describe_documents(tx, [FoundOut(deposit_id, number, puid, format_name, verdict)])


def is_flagged(tx: Transaction, package_id: UUID) -> bool:
    """Whether intake marked the package for somebody to look at."""
    wanted = select(deposits.c.flagged).where(deposits.c.tenant_id == tx.tenant, deposits.c.package_id == package_id)
    return bool(tx.execute(wanted).scalar_one())


def knows_package(tx: Transaction, package_id: UUID) -> bool:
    """Whether some deposit became, or is to become, this package; a destroyed one is known still."""
    wanted = select(deposits.c.deposit_id).where(deposits.c.tenant_id == tx.tenant, deposits.c.package_id == package_id)
    return tx.execute(wanted).first() is not None or is_destroyed(tx, package_id)


def spool_files(tx: Transaction) -> frozenset[str]:
    """Every spool file that some deposit on its way still needs."""
    on_the_way = (DepositState.RECEIVED, DepositState.VALIDATED)
    documents = tx.execute(
        select(deposit_documents.c.spool_file)
        .join(
            deposits,
            (deposits.c.tenant_id == deposit_documents.c.tenant_id)
            & (deposits.c.deposit_id == deposit_documents.c.deposit_id),
        )
        .where(deposits.c.tenant_id == tx.tenant, deposits.c.state.in_(on_the_way))
    ).scalars()
    data = tx.execute(
        select(deposits.c.validation_data_file).where(
            deposits.c.tenant_id == tx.tenant, deposits.c.state == DepositState.VALIDATED
        )
    ).scalars()
    containers = tx.execute(
        select(deposits.c.container_file).where(
            deposits.c.tenant_id == tx.tenant, deposits.c.state == DepositState.SEALED
        )
    ).scalars()
    return frozenset(name for name in (*documents, *data, *containers) if name is not None)


def _external_id_known(tx: Transaction, external: ExternalId) -> bool:
    return any(
        tx.run(known, producer=external.producer, external_id=external.id).first() is not None
        for known in _EXTERNAL_ID_KNOWN
    )


def _write_history(tx: Transaction, entries: Sequence[tuple[UUID, DepositState, datetime, str | None]]) -> None:
    rows = [{"deposit": deposit, "state": state, "at": at, "note": note} for deposit, state, at, note in entries]
    tx.run_each(_WRITE_HISTORY, rows)
