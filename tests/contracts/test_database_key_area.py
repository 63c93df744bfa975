"""What a key area in a database promises beyond every key area: crashes, places apart, rows that rot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, select, update

from tests.contracts.test_key_area import TENANT, Died, record
from tests.simulator.database_rot import whole_file
from zdda.database import database_key_area
from zdda.database.database_key_area import CRASH_POINTS, DatabaseKeyArea, DatabaseKeyAreaSurvey
from zdda.database.engine import open_engine, read
from zdda.database.store_tables import make_tables, records
from zdda.model.clock import system_entropy
from zdda.model.errors import NotFound
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import CrashPoint, StoreFailed
from zdda.storage.blob_store import no_crash as _no_crash
from zdda.storage.key_area import sort_key
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey
from zdda.storage.object_record import ObjectRecord, RecordMalformed


@pytest.fixture
def engine(blank_database_url: str) -> Iterator[Engine]:
    opened = open_engine(blank_database_url)
    make_tables(opened)
    yield opened
    opened.dispose()


def reopened(engine: Engine, place: str = "first", crash: CrashPoint = _no_crash) -> DatabaseKeyArea:
    return DatabaseKeyArea(
        open_engine(engine.url.render_as_string(hide_password=False)), place, system_entropy, crash=crash
    )


@pytest.fixture
def area(engine: Engine) -> Iterator[DatabaseKeyArea]:
    with closing(reopened(engine)) as opened:
        yield opened


def surveyed(engine: Engine, place: str = "first") -> list[SlotSurvey | SegmentProblem]:
    return list(DatabaseKeyAreaSurvey(engine, place, "rows").slots())


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_old_record_or_the_new_one_is_there(point: str, engine: Engine) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    with closing(reopened(engine)) as area:
        area.write(record(1, 1))
    with closing(reopened(engine, crash=crash)) as dying, pytest.raises(Died):
        dying.write(record(1, 2))
    with closing(reopened(engine)) as again:
        assert again.read(record(1).name).length == (2 if point == "key-area.written" else 1)
        again.write(record(1, 3))
        assert again.read(record(1).name).length == 3


def test_places_are_apart(area: DatabaseKeyArea, engine: Engine) -> None:
    area.write(record(1, 1))
    with closing(reopened(engine, "second")) as second:
        assert list(second.records()) == []
        second.write(record(1, 2))
        second.destroy(record(1).name)
    assert area.read(record(1).name).length == 1
    assert len(surveyed(engine)) == 1
    assert surveyed(engine, "second") == []


def test_the_order_is_that_of_names_and_pages_hide_nothing(
    area: DatabaseKeyArea, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_key_area, "_PAGE", 3)
    names = [
        ObjectName(TENANT, record(package).name.package, kind, sequence)
        for package in (1, 2**127)
        for kind in (ObjectKind.AIP, ObjectKind.AMENDMENT, ObjectKind.EVIDENCE_BATCH)
        for sequence in (0, 2, 10)
    ]
    for name in reversed(names):
        area.write(replace(record(1), name=name))
    assert [each.name for each in area.records()] == sorted(names, key=sort_key)
    assert len(surveyed(engine)) == len(names)
    youngest = area.newest(ObjectKind.AMENDMENT, TENANT, 4)
    assert [(name.package.int, name.sequence) for name in youngest] == [(2**127, 10), (2**127, 2), (2**127, 0), (1, 10)]


def test_a_row_is_overwritten_before_it_is_deleted(
    area: DatabaseKeyArea, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.write(record(1))
    seen: list[bytes] = []

    def noting(*arguments: object) -> object:
        with read(engine) as connection:
            seen.append(bytes(connection.scalars(select(records.c.body)).one()))
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(database_key_area, "delete", noting)
        with pytest.raises(Died):
            area.destroy(record(1).name)
    assert len(seen[0]) == len(record(1).encode())
    assert b"wrapped" not in seen[0]
    assert str(record(1).name.package).encode() not in seen[0]
    with pytest.raises(RecordMalformed):
        area.read(record(1).name)
    area.destroy(record(1).name)
    with pytest.raises(NotFound):
        area.read(record(1).name)
    assert surveyed(engine) == []


@pytest.mark.parametrize("blank_database_url", ["sqlite"], indirect=True)
def test_destroyed_bytes_are_nowhere_in_the_file(area: DatabaseKeyArea, engine: Engine) -> None:
    """PostgreSQL keeps dead rows until they are vacuumed."""
    for number in range(100):
        area.write(record(number))
    area.destroy(record(7).name)
    data = whole_file(engine)
    assert str(record(7).name.package).encode() not in data
    assert str(record(8).name.package).encode() in data


def test_rows_that_rot_are_found(area: DatabaseKeyArea, engine: Engine) -> None:
    for number in range(4):
        area.write(record(number))
    with engine.begin() as connection:
        for number, body in ((1, b"rotten"), (2, record(3).encode())):
            which = records.c.package == record(number).name.package.bytes
            connection.execute(update(records).where(which).values(body=body))
    assert [each.name.package.int for each in area.records()] == [0, 3]
    for number in (1, 2):
        with pytest.raises(RecordMalformed):
            area.read(record(number).name)
    found = surveyed(engine)
    assert SegmentProblem("store_records[2]", "is not the row of the record that it holds") in found
    bodies = [each.body for each in found if isinstance(each, SlotSurvey)]
    assert bodies == [record(0).encode(), b"rotten", record(3).encode(), record(3).encode()]
    assert ObjectRecord.decode(bodies[0]) == record(0)


def test_a_database_without_tables_is_no_key_area(blank_database_url: str) -> None:
    with pytest.raises(StoreFailed):
        DatabaseKeyArea(open_engine(blank_database_url), "first", system_entropy)


def test_a_deletion_that_is_not_kept_is_noticed(area: DatabaseKeyArea, engine: Engine) -> None:
    area.write(record(1))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
            )
            connection.exec_driver_sql(
                "CREATE TRIGGER keeps BEFORE DELETE ON store_records FOR EACH ROW EXECUTE FUNCTION keeps()"
            )
        else:
            connection.exec_driver_sql(
                "CREATE TRIGGER keeps BEFORE DELETE ON store_records BEGIN SELECT RAISE(IGNORE); END"
            )
    with pytest.raises(StoreFailed):
        area.destroy(record(1).name)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "DROP TRIGGER keeps" + (" ON store_records" if engine.dialect.name != "sqlite" else "")
        )
        connection.execute(delete(records))
