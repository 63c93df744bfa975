"""Under which generation key each object's record is wrapped, and what is on its way under one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, bindparam, func, literal, select, tuple_, update

from zdda.catalog.tables import amendments, deposits, evidence_batches, objects
from zdda.database.session import Transaction
from zdda.model.deposit import DepositState
from zdda.model.objects import ObjectKind, ObjectName

_KEY = (objects.c.package_id, objects.c.kind, objects.c.sequence)
_MOVE = (
    update(objects)
    .where(
        objects.c.tenant_id == bindparam("tenant"),
        objects.c.package_id == bindparam("of_package"),
        objects.c.kind == bindparam("of_kind"),
        objects.c.sequence == bindparam("of_sequence"),
        objects.c.generation < bindparam("to_generation"),
    )
    .values(generation=bindparam("to_generation"))
)
_ENDED = (DepositState.ARCHIVED.value, DepositState.REJECTED.value)


@dataclass(frozen=True, slots=True)
class GenerationUse:
    """What the catalog knows to need a generation key: ``objects`` whose records are under it; ``on_their_way``:
    deposits under it that are not ended, and batches and amendments that are not stored, under whatever generation."""

    objects: int
    on_their_way: int


def objects_of_older(tx: Transaction, generation: int, after: ObjectName | None, limit: int) -> list[ObjectName]:
    """Objects whose records are under an older generation than this, in the order of their rows."""
    wanted = (
        select(*_KEY)
        .where(objects.c.tenant_id == tx.tenant, objects.c.generation < generation)
        .order_by(*_KEY)
        .limit(limit)
    )
    if after is not None:
        last = (literal(after.package), literal(str(after.kind)), literal(after.sequence))
        wanted = wanted.where(tuple_(*_KEY) > tuple_(*last))
    return [ObjectName(tx.tenant, package, ObjectKind(kind), number) for package, kind, number in tx.execute(wanted)]


def is_listed(tx: Transaction, name: ObjectName) -> bool:
    """Whether the object is in the catalog: a disposal takes its row away before it begins."""
    found = select(objects.c.sequence).where(
        objects.c.tenant_id == tx.tenant,
        objects.c.package_id == name.package,
        objects.c.kind == str(name.kind),
        objects.c.sequence == name.sequence,
    )
    return tx.execute(found).first() is not None


def move_objects(tx: Transaction, names: Sequence[ObjectName], generation: int) -> None:
    """Notes that the records are under this generation; one that is under a later one stays as it is."""
    rows = [
        {
            "of_package": each.package,
            "of_kind": str(each.kind),
            "of_sequence": each.sequence,
            "to_generation": generation,
        }
        for each in names
    ]
    if rows:
        tx.run_each(_MOVE, rows)


def generation_use(tx: Transaction, generation: int) -> GenerationUse:
    """Reads every row: for the rare moment before a generation is destroyed."""

    batch, deposit = evidence_batches.c, deposits.c
    of_deposits = (deposit.generation == generation, deposit.state.not_in(_ENDED))
    return GenerationUse(
        _count(tx, objects, objects.c.generation == generation),
        _count(tx, deposits, *of_deposits)
        + _count(tx, evidence_batches, batch.recorded_at.is_(None))
        + _count(tx, amendments, amendments.c.spool_file.is_not(None)),
    )


def _count(tx: Transaction, table: Table, *where: ColumnElement[bool]) -> int:
    found = tx.execute(select(func.count()).select_from(table).where(table.c.tenant_id == tx.tenant, *where))
    return int(found.scalar_one())
