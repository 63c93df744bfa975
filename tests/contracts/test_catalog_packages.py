"""Archived packages in the catalog, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import func, select

import zdda.audit.tables
import zdda.catalog.tables
import zdda.identity.tables
from zdda.catalog import packages as archived
from zdda.catalog.deposits import SpooledDocument
from zdda.catalog.packages import ArchivedDocument, ArchivedPackage, StoredObject
from zdda.database.session import TenantDatabase
from zdda.database.types import metadata
from zdda.model.errors import NotFound
from zdda.model.placement import Placed
from zdda.model.submission import DocumentDescription, ExternalId, SubjectIdentifier, SubmissionMetadata

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
DECLARED = (zdda.catalog.tables.deposits, zdda.audit.tables.audit_log, zdda.identity.tables.accounts)


def document(number: int = 1) -> SpooledDocument:
    description = DocumentDescription(number, "main", "a.pdf", "application/pdf", 1, bytes(32), bytes(64), 0xFFFFFFFF)
    return SpooledDocument(description, bytes(32), f"spool.{number}")


def test_every_table_begins_with_the_tenant() -> None:
    assert all(table.name in metadata.tables for table in DECLARED)
    for table in metadata.tables.values():
        assert table.columns[0].name == "tenant_id", table.name


def test_a_package_is_listed_with_all_that_is_known(database: TenantDatabase) -> None:
    submission = SubmissionMetadata(
        "t", "d", "c", external_id=ExternalId("kis", "1"), subjects=(SubjectIdentifier("rc", "1"),) * 2
    )
    listed_document = ArchivedDocument(document().description, b"c", "NO_SIGNATURE")
    package = ArchivedPackage(
        UUID(int=1), UUID(int=2), "kis", "key", bytes(32), submission, b"{}", "c", "S", 5, UNTIL, "NO_SIGNATURE",
        NOW, NOW, NOW, NOW, bytes(32), UUID(int=3), 0, b"receipt", (listed_document,),
    )  # fmt: skip
    listed = StoredObject(UUID(int=1), "aip", 0, "sha256:00", 1, bytes(64), 1, UNTIL)
    with database.write() as tx:
        archived.insert_package(tx, package)
        archived.insert_object(tx, listed, Placed(("main",)), NOW)
    with database.read() as tx:
        row = archived.get_package(tx, UUID(int=1))
        assert (row.title, row.external_id, row.receipt, row.retain_until) == ("t", "1", b"receipt", UNTIL)
        assert archived.known_content(tx, b"c") == (UUID(int=1),)
        assert len(archived.documents_of_package(tx, UUID(int=1))) == 1
        assert list(archived.stored_objects(tx)) == [listed]
        subjects = select(func.count()).select_from(zdda.catalog.tables.subject_identifiers)
        assert tx.execute(subjects).scalar_one() == 1
        with pytest.raises(NotFound):
            archived.get_package(tx, UUID(int=9))
