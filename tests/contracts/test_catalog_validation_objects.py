"""What packages rest on, in the catalog, on every database: each piece once, each use, and what runs out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from tests.simulator.catalog_rows import spooled_document
from zdda.catalog.packages import ArchivedDocument, ArchivedPackage, insert_package
from zdda.catalog.validation_objects import (
    Expiring,
    ValidationObject,
    ValidationUse,
    expiring,
    insert_validation_uses,
    validation_uses_of,
)
from zdda.database.session import TenantDatabase
from zdda.model.identifiers import TenantId
from zdda.model.submission import SubmissionMetadata

DAY = datetime(2026, 11, 20, tzinfo=UTC)


def thing(number: int, days: int | None, role: str = "certificate") -> ValidationObject:
    until = None if days is None else DAY + timedelta(days=days)
    return ValidationObject(bytes([number]) * 32, role, f"CN={number}", "CN=CA", "1f", DAY, until)


def package(database: TenantDatabase, *uses: ValidationUse) -> UUID:
    document = ArchivedDocument(spooled_document().description, b"c", "TOTAL_PASSED")
    made = ArchivedPackage(
        uuid4(), uuid4(), "kis", None, bytes(32), SubmissionMetadata("t", "d", "c"), b"{}", "c", "S", 5, DAY,
        "TOTAL_PASSED", DAY, DAY, DAY, DAY, bytes(32), UUID(int=3), 0, b"receipt", (document,),
    )  # fmt: skip
    with database.write() as tx:
        insert_package(tx, made)
        insert_validation_uses(tx, made.package_id, uses)
    return made.package_id


def found(database: TenantDatabase, days: int, *roles: str) -> list[Expiring]:
    with database.read() as tx:
        return list(expiring(tx, DAY, DAY + timedelta(days=days), roles or ("certificate",)))


def test_what_is_shared_stands_once_and_every_use_is_known(database: TenantDatabase) -> None:
    shared, own = thing(1, 10), thing(2, 20, "crl")
    uses = [ValidationUse(shared, 1, "aa"), ValidationUse(shared, 1, "bb"), ValidationUse(own, 2, "")]
    first = package(database, *uses, uses[0])
    second = package(database, ValidationUse(shared, 1, "cc"))
    with database.read() as tx:
        assert validation_uses_of(tx, first) == uses
        assert validation_uses_of(tx, second) == [ValidationUse(shared, 1, "cc")]


def test_what_runs_out_comes_soonest_first_with_the_number_of_packages(database: TenantDatabase) -> None:
    soon, later, never, unused = thing(1, 10), thing(2, 40), thing(3, None), thing(4, 5)
    package(database, ValidationUse(later, 1, "a"), ValidationUse(soon, 1, "a"), ValidationUse(soon, 1, "b"))
    package(database, ValidationUse(soon, 1, "c"), ValidationUse(never, 1, "c"), ValidationUse(unused, 1, ""))
    assert found(database, 90) == [Expiring(soon, 2), Expiring(later, 1)]
    assert found(database, 40) == [Expiring(soon, 2)]
    assert found(database, 90, "crl", "ocsp") == []


def test_they_are_the_tenants_own(database: TenantDatabase) -> None:
    package(database, ValidationUse(thing(1, 10), 1, "a"))
    other = TenantDatabase(database.engine, TenantId("other"))
    assert found(other, 90) == []
    package(other, ValidationUse(thing(1, 10), 1, "a"))
    assert found(other, 90) == [Expiring(thing(1, 10), 1)]
