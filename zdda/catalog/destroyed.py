"""What stays known of packages that were destroyed: enough to say so, nothing of what was in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from zdda.catalog.tables import destroyed_packages
from zdda.database.session import AnyRow, Transaction
from zdda.model.canonical_json import canonical_json
from zdda.model.errors import NotFound, PackageDestroyed

_OF = destroyed_packages.c


def idempotency_digest(content_id: Callable[[bytes], bytes], account: str, key: str | None) -> bytes | None:
    """By what a destroyed deposit's key is known again; ``content_id``: the tenant's HMAC. None without a key."""
    return None if key is None else content_id(hashlib.sha256(canonical_json([account, key])).digest())


def insert_destroyed(tx: Transaction, row: dict[str, object]) -> None:
    """Lists a destroyed package: every column but the tenant's."""
    tx.execute(insert(destroyed_packages).values(tenant_id=tx.tenant, **row))


def destroyed_of(tx: Transaction, disposal: UUID) -> Sequence[AnyRow]:
    """The packages of one disposal."""
    wanted = _OF.tenant_id == tx.tenant, _OF.disposal_id == disposal
    return tx.execute(select(destroyed_packages).where(*wanted).order_by(_OF.package_id)).all()


def is_destroyed(tx: Transaction, package_id: UUID) -> bool:
    """Whether a package of that name was destroyed, or is being."""
    return _found(tx, _OF.package_id == package_id)


def refuse_destroyed(tx: Transaction, idempotency: bytes | None) -> None:
    """Raises ``PackageDestroyed`` where that idempotency key was a destroyed package's."""
    if idempotency is not None and _found(tx, _OF.idempotency == idempotency):
        raise PackageDestroyed("what was deposited under this idempotency key was destroyed when its time was over")


def no_such_package(tx: Transaction, package_id: UUID) -> NoReturn:
    """Raises ``PackageDestroyed`` or ``NotFound``."""
    if _found(tx, _OF.package_id == package_id):
        raise PackageDestroyed("the package was destroyed when its time was over")
    raise NotFound("no such package")


def no_such_deposit(tx: Transaction, deposit_id: UUID) -> NoReturn:
    """Raises ``PackageDestroyed`` or ``NotFound``."""
    if _found(tx, _OF.deposit_id == deposit_id):
        raise PackageDestroyed("the deposit's package was destroyed when its time was over")
    raise NotFound("no such deposit")


def _found(tx: Transaction, condition: ColumnElement[bool]) -> bool:
    wanted = select(_OF.package_id).where(_OF.tenant_id == tx.tenant, condition)
    return tx.execute(wanted).first() is not None
