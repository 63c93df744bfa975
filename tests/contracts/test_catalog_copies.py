"""Where objects lie, in the catalog, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from zdda.catalog import object_copies as copies
from zdda.catalog.object_copies import CopyState
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.database.session import TenantDatabase
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
BOTH, BEHIND = Placed(("brno", "praha")), Placed(("praha",), ("brno",))


def name(database: TenantDatabase, number: int) -> ObjectName:
    return ObjectName(database.tenant, UUID(int=number), ObjectKind.AIP)


def listed(number: int) -> StoredObject:
    return StoredObject(UUID(int=number), "aip", 0, f"sha256:{number}", 100 * number, bytes(64), 1, UNTIL)


def fill(database: TenantDatabase, *placed: Placed) -> None:
    with database.write() as tx:
        for number, each in enumerate(placed, 1):
            insert_objects(tx, [(listed(number), each)], NOW + timedelta(minutes=number))


def test_an_object_is_listed_with_its_copies(database: TenantDatabase) -> None:
    fill(database, BOTH, BEHIND)
    with database.read() as tx:
        found = copies.copies_of(tx, name(database, 2), ["praha", "brno", "ostrava"])
        assert [(each.site, each.state) for each in found] == [
            ("brno", CopyState.MISSING),
            ("praha", CopyState.PRESENT),
        ]
        assert copies.sites_known(tx) == ["brno", "praha"]
        assert copies.states_at(tx, "brno") == {CopyState.MISSING, CopyState.PRESENT}
        assert copies.states_at(tx, "ostrava") == set()


def test_the_report_of_a_site(database: TenantDatabase) -> None:
    fill(database, BOTH, BEHIND, BEHIND, BOTH)
    with database.write() as tx:
        assert copies.move_copy(tx, "brno", name(database, 4), CopyState.PRESENT, CopyState.DAMAGED, LATER, "gone")
    with database.read() as tx:
        oldest = NOW + timedelta(minutes=2)
        assert copies.site_report(tx, "brno") == copies.SiteReport("brno", 1, 100, 2, 1, 0, oldest)
        assert copies.site_report(tx, "praha") == copies.SiteReport("praha", 4, 1000, 0, 0, 0, None)
        assert copies.site_report(tx, "ostrava") == copies.SiteReport("ostrava", 0, 0, 0, 0, 0, None)


def test_what_is_due_comes_oldest_first_and_not_before_its_time(database: TenantDatabase) -> None:
    fill(database, BEHIND, BEHIND, BEHIND, BOTH)
    missing = [CopyState.MISSING]
    with database.write() as tx:
        copies.postpone_copy(tx, "brno", name(database, 1), CopyState.MISSING, LATER, "unavailable")
        assert [each.name for each in copies.due_copies(tx, "brno", missing, NOW, 1)] == [name(database, 2)]
        assert copies.due_copies(tx, "praha", missing, NOW, 10) == []
        first = copies.due_copies(tx, "brno", missing, LATER, 10)[0]
        assert (first.name, first.attempts, first.problem) == (name(database, 1), 1, "unavailable")


def test_a_copy_moves_only_from_where_it_was_seen(database: TenantDatabase) -> None:
    fill(database, BEHIND)
    one = name(database, 1)
    with database.write() as tx:
        copies.postpone_copy(tx, "brno", one, CopyState.MISSING, LATER, "unavailable")
        assert not copies.move_copy(tx, "brno", one, CopyState.PRESENT, CopyState.DAMAGED, LATER)
        assert copies.move_copy(tx, "brno", one, {CopyState.MISSING, CopyState.DAMAGED}, CopyState.PRESENT, LATER)
        assert not copies.move_copy(tx, "ostrava", one, CopyState.MISSING, CopyState.PRESENT, LATER)
        (copy,) = copies.copies_of(tx, one, ["brno"])
        assert copy == copies.Copy("brno", one, CopyState.PRESENT, LATER, None, None, 0, None)
        copies.postpone_copy(tx, "brno", one, CopyState.MISSING, LATER, "late")
        assert copies.copies_of(tx, one, ["brno"]) == [copy]


def test_objects_that_a_site_has_no_row_of(database: TenantDatabase) -> None:
    fill(database, BOTH, BEHIND, Placed(("praha",)), Placed(("praha",)), Placed(()))
    with database.write() as tx:
        for state in (CopyState.LEAVING, CopyState.ERASED):  # 4 is on its way out: nobody gets it again
            copies.move_copy(tx, "praha", name(database, 4), list(CopyState), state, LATER)
        found = copies.objects_without_copy(tx, "brno", None, 10)
        assert [each for each, _ in found] == [name(database, 3), name(database, 5)]
        assert copies.objects_without_copy(tx, "brno", name(database, 3), 10) == [(name(database, 5), None)]
        assert len(copies.objects_without_copy(tx, "ostrava", None, 2)) == 2
        copies.forget_site(tx, "brno")
        assert copies.sites_known(tx) == ["praha"]
