"""Certificates, CRLs, OCSP answers and timestamps that packages rest on: each has its own row and is watched by itself
(requirement B6). What it is stands once for each tenant; which signature of which package it serves, for each use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select

from zdda.catalog.tables import validation_object_uses, validation_objects
from zdda.database.session import Transaction

_OBJECT = validation_objects.c
_USE = validation_object_uses.c
_INSERT, _INSERT_USES = insert(validation_objects), insert(validation_object_uses)
_KNOWN = select(_OBJECT.sha256, _OBJECT.role).where(
    _OBJECT.tenant_id == bindparam("tenant"), _OBJECT.sha256.in_(bindparam("digests", expanding=True))
)
_AT_ONCE = 500
"""Digests asked about by one statement: databases bound the number of its parameters."""
_OF_PACKAGE = (
    select(validation_objects, _USE.document_number, _USE.signature)
    .join(
        validation_object_uses,
        (_USE.tenant_id == _OBJECT.tenant_id) & (_USE.sha256 == _OBJECT.sha256) & (_USE.role == _OBJECT.role),
    )
    .where(_USE.tenant_id == bindparam("tenant"), _USE.package_id == bindparam("package"))
    .order_by(_USE.document_number, _OBJECT.role, _OBJECT.sha256, _USE.signature)
)
_EXPIRING = (
    select(validation_objects, func.count(func.distinct(_USE.package_id)).label("packages"))
    .join(
        validation_object_uses,
        (_USE.tenant_id == _OBJECT.tenant_id) & (_USE.sha256 == _OBJECT.sha256) & (_USE.role == _OBJECT.role),
    )
    .where(
        _OBJECT.tenant_id == bindparam("tenant"),
        _OBJECT.role.in_(bindparam("roles", expanding=True)),
        _OBJECT.valid_until >= bindparam("since"),
        _OBJECT.valid_until < bindparam("until"),
        _USE.signature != "",
    )
    .group_by(*validation_objects.c)
    .order_by(_OBJECT.valid_until, _OBJECT.sha256)
)


@dataclass(frozen=True, slots=True)
class ValidationObject:
    """``role``: certificate, crl, ocsp or timestamp. ``subject``, ``issuer``: RFC 4514."""

    sha256: bytes
    role: str
    subject: str | None
    issuer: str | None
    serial: str | None
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class ValidationUse:
    """Which signature or timestamp of which document (from 1) rests on the object, by its identifier in the report;
    an empty one where the document merely carries it."""

    object: ValidationObject
    document_number: int
    signature: str


@dataclass(frozen=True, slots=True)
class Expiring:
    """``packages``: how many rest on it."""

    object: ValidationObject
    packages: int


def insert_validation_uses(tx: Transaction, package_id: UUID, uses: Sequence[ValidationUse]) -> None:
    """Lists what a package rests on; an object that other packages rest on already stays as it is."""
    insert_validation_uses_of_each(tx, {package_id: uses})


def insert_validation_uses_of_each(tx: Transaction, uses: Mapping[UUID, Sequence[ValidationUse]]) -> None:
    """``insert_validation_uses`` for several packages."""
    objects = {
        (each.object.sha256, each.object.role): each.object for found in uses.values() for each in reversed(found)
    }
    known: set[tuple[bytes, str]] = set()
    digests = sorted({sha256 for sha256, _ in objects})
    for start in range(0, len(digests), _AT_ONCE):
        known |= {(row.sha256, row.role) for row in tx.run(_KNOWN, digests=digests[start : start + _AT_ONCE])}
    new = [{"tenant_id": tx.tenant, **_values(each)} for key, each in objects.items() if key not in known]
    if new:
        tx.execute(_INSERT, new)
    rows = [
        {
            "tenant_id": tx.tenant,
            "package_id": package_id,
            "document_number": each.document_number,
            "sha256": each.object.sha256,
            "role": each.object.role,
            "signature": each.signature,
        }
        for package_id, found in uses.items()
        for each in dict.fromkeys(found)
    ]
    if rows:
        tx.execute(_INSERT_USES, rows)


def validation_uses_of(tx: Transaction, package_id: UUID) -> list[ValidationUse]:
    """What a package rests on, by document, role and digest."""
    return [
        ValidationUse(_object(row), row.document_number, row.signature)
        for row in tx.run(_OF_PACKAGE, package=package_id)
    ]


def expiring(tx: Transaction, since: datetime, until: datetime, roles: Sequence[str]) -> Iterator[Expiring]:
    """Objects of these roles that signatures rest on and whose validity ends in [since, until), soonest first."""
    rows = tx.run(_EXPIRING, since=since, until=until, roles=list(roles))
    return (Expiring(_object(row), row.packages) for row in rows)


def _values(each: ValidationObject) -> dict[str, Any]:
    return {name: getattr(each, name) for name in ValidationObject.__dataclass_fields__}


def _object(row: Any) -> ValidationObject:
    return ValidationObject(*(getattr(row, name) for name in ValidationObject.__dataclass_fields__))
