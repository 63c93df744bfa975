"""Archived packages: the view that search and access read, rebuilt from the stores when it is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, insert, select

from zdda.catalog.destroyed import no_such_package
from zdda.catalog.object_copies import insert_copies
from zdda.catalog.tables import objects, package_documents, packages, subject_identifiers
from zdda.database.session import AnyRow, Transaction
from zdda.model.placement import Placed
from zdda.model.submission import DocumentDescription, SubmissionMetadata


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """One document of a package as the catalog lists it."""

    description: DocumentDescription
    content_id: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class ArchivedPackage:
    """A package under evidence. Every value lies in the stores as well."""

    package_id: UUID
    deposit_id: UUID
    account: str
    idempotency_key: str | None
    request_digest: bytes
    submission: SubmissionMetadata
    metadata: bytes
    retention_class: str
    mark: str
    years: int
    retain_until: datetime
    worst: str
    received_at: datetime
    sealed_at: datetime
    stored_at: datetime
    archived_at: datetime
    group_digest: bytes
    batch_id: UUID
    leaf_index: int
    receipt: bytes
    documents: tuple[ArchivedDocument, ...]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the stores, as the catalog knows it."""

    package_id: UUID
    kind: str
    sequence: int
    address: str
    length: int
    sha512: bytes
    generation: int
    retain_until: datetime


_TENANT: BindParameter[Any] = bindparam("tenant")
_PACKAGE: BindParameter[Any] = bindparam("package")
_INSERT, _INSERT_DOCUMENTS, _INSERT_OBJECT = insert(packages), insert(package_documents), insert(objects)
_GET = select(packages).where(packages.c.tenant_id == _TENANT, packages.c.package_id == _PACKAGE)
_DOCUMENTS = (
    select(package_documents)
    .where(package_documents.c.tenant_id == _TENANT, package_documents.c.package_id == _PACKAGE)
    .order_by(package_documents.c.number)
)
_INSERT_SUBJECTS = insert(subject_identifiers)
_TAKEN_OVER = [name for name in ArchivedPackage.__dataclass_fields__ if name not in {"submission", "documents"}]
_DESCRIBED = [name for name in DocumentDescription.__dataclass_fields__ if name != "crc32"]


def insert_package(tx: Transaction, package: ArchivedPackage) -> None:
    """Lists a package, its documents and its subjects' identifiers."""
    insert_packages(tx, [package])


def insert_packages(tx: Transaction, listed: Sequence[ArchivedPackage]) -> None:
    """``insert_package`` for several, at least one."""
    tx.execute(_INSERT, [_values(tx, package) for package in listed])
    tx.execute(
        _INSERT_DOCUMENTS,
        [
            {
                "tenant_id": tx.tenant,
                "package_id": package.package_id,
                "content_id": document.content_id,
                "verdict": document.verdict,
                **{name: getattr(document.description, name) for name in _DESCRIBED},
            }
            for package in listed
            for document in package.documents
        ],
    )
    subjects = [
        {"tenant_id": tx.tenant, "package_id": package.package_id, "type": kind, "value": value}
        for package in listed
        for kind, value in sorted({(subject.type, subject.value) for subject in package.submission.subjects})
    ]
    if subjects:
        tx.execute(_INSERT_SUBJECTS, subjects)


def _values(tx: Transaction, package: ArchivedPackage) -> dict[str, Any]:
    submission = package.submission
    external = submission.external_id
    return {
        "tenant_id": tx.tenant,
        "title": submission.title,
        "document_type": submission.document_type,
        "originator": submission.originator,
        "created": submission.created,
        "producer": external.producer if external else None,
        "external_id": external.id if external else None,
        **{name: getattr(package, name) for name in _TAKEN_OVER},
    }


def get_package(tx: Transaction, package_id: UUID) -> AnyRow:
    """The row; raises ``NotFound``, ``PackageDestroyed``."""
    row = tx.run(_GET, package=package_id).one_or_none()
    return no_such_package(tx, package_id) if row is None else row


def documents_of_package(tx: Transaction, package_id: UUID) -> Sequence[AnyRow]:
    """The package's documents by number."""
    return tx.run(_DOCUMENTS, package=package_id).all()


def known_content(tx: Transaction, content_id: bytes) -> tuple[UUID, ...]:
    """The packages that already hold a document of this content, oldest first."""
    return tuple(
        tx.execute(
            select(package_documents.c.package_id)
            .where(package_documents.c.tenant_id == tx.tenant, package_documents.c.content_id == content_id)
            .order_by(package_documents.c.package_id)
            .distinct()
        ).scalars()
    )


def insert_object(tx: Transaction, stored: StoredObject, placed: Placed, now: datetime) -> None:
    """Lists an object that now lies in the stores."""
    insert_objects(tx, [(stored, placed)], now)


def insert_objects(tx: Transaction, stored: Sequence[tuple[StoredObject, Placed]], now: datetime) -> None:
    """Lists objects that now lie in the stores, and at which sites each does."""
    names = StoredObject.__dataclass_fields__
    rows = [{"tenant_id": tx.tenant, **{name: getattr(each, name) for name in names}} for each, _ in stored]
    if rows:
        tx.execute(_INSERT_OBJECT, rows)
        insert_copies(tx, [(each.package_id, each.kind, each.sequence, placed) for each, placed in stored], now)


def stored_objects(tx: Transaction) -> Iterator[StoredObject]:
    """Every object the catalog knows, by package, kind and sequence."""
    rows = tx.execute(
        select(*(objects.c[name] for name in StoredObject.__dataclass_fields__))
        .where(objects.c.tenant_id == tx.tenant)
        .order_by(objects.c.package_id, objects.c.kind, objects.c.sequence)
    )
    return (StoredObject(*row) for row in rows)
