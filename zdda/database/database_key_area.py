"""A key area in a database: one row a record."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from zdda.database.store_medium import reading, writing
from zdda.database.store_tables import check_tables, records
from zdda.model.clock import Entropy
from zdda.model.errors import NotFound
from zdda.model.identifiers import TenantId, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import CrashPoint, StoreFailed, no_crash
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey
from zdda.storage.object_record import ObjectRecord, RecordMalformed

CRASH_POINTS = ("key-area.before-write", "key-area.before-commit", "key-area.written")
_PAGE = 500
_SEQUENCE_DIGITS = 19


class DatabaseKeyArea:
    """See ``KeyArea``. ``place`` tells several key areas of one database apart. Several processes may open one.

    A crash leaves the old row or the new one. Destroying overwrites the row, then deletes it, each in a transaction of
    its own; what the database keeps of either in its log and in free pages is not cleared here.
    """

    def __init__(self, engine: Engine, place: str, entropy: Entropy, *, crash: CrashPoint = no_crash) -> None:
        """Takes the engine over. Raises ``StoreFailed`` where the database holds no store."""
        check_tables(engine)
        self._engine, self._place, self._entropy, self._crash = engine, place, entropy, crash

    def close(self) -> None:
        """Ends the connections."""
        self._engine.dispose()

    def write(self, record: ObjectRecord) -> None:
        body = record.encode()
        self._crash("key-area.before-write")
        name = record.name
        row = {
            "place": self._place,
            "name": _sort_name(name),
            "tenant": name.tenant,
            "kind": name.kind.value,
            "package": name.package.bytes,
            "sequence": name.sequence,
            "body": body,
        }
        with writing(self._engine) as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            key = [records.c.place, records.c.name]
            connection.execute(
                insert(records).values(row).on_conflict_do_update(index_elements=key, set_={"body": body})
            )
            self._crash("key-area.before-commit")
        self._crash("key-area.written")

    def read(self, name: ObjectName) -> ObjectRecord:
        with reading(self._engine) as connection:
            body = connection.scalar(select(records.c.body).where(self._which(name)))
        if body is None:
            raise NotFound("the key area has no such record")
        record = ObjectRecord.decode(bytes(body))
        if record.name != name:
            raise RecordMalformed("a row holds another object's record")
        return record

    def records(self) -> Iterator[ObjectRecord]:
        for sort_name, body in _rows(self._engine, self._place):
            try:
                record = ObjectRecord.decode(body)
            except RecordMalformed:
                continue
            if _sort_name(record.name) == sort_name:
                yield record

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        which = and_(records.c.place == self._place, records.c.tenant == tenant, records.c.kind == kind.value)
        order = (records.c.package.desc(), records.c.sequence.desc())
        page = select(records.c.name).where(which).order_by(*order).limit(limit)
        with reading(self._engine) as connection:
            found = [bytes(each) for each in connection.scalars(page)]
        return [name for name in map(_name_of, found) if name is not None]

    def destroy(self, name: ObjectName) -> None:
        with writing(self._engine) as connection:
            length = connection.scalar(select(records.c.body).where(self._which(name)))
            if length is None:
                return
            noise = self._entropy(len(length))
            connection.execute(update(records).where(self._which(name)).values(body=noise))
        with writing(self._engine) as connection:
            connection.execute(delete(records).where(self._which(name)))
        with reading(self._engine) as connection:
            if connection.scalar(select(records.c.body).where(self._which(name))) is not None:
                raise StoreFailed("the database still has the row that it deleted")

    def _which(self, name: ObjectName) -> ColumnElement[bool]:
        return and_(records.c.place == self._place, records.c.name == _sort_name(name))


class DatabaseKeyAreaSurvey:
    """Looks at the rows of a place, believing nothing; writes nothing. For ``fsck``."""

    def __init__(self, engine: Engine, place: str, name: str) -> None:
        """Takes the engine over."""
        check_tables(engine)
        self._engine, self._place, self.name = engine, place, name

    def close(self) -> None:
        """Ends the connections."""
        self._engine.dispose()

    def slots(self) -> Iterator[SlotSurvey | SegmentProblem]:
        """Every row, in the order of names."""
        for number, (key, body) in enumerate(_rows(self._engine, self._place)):
            try:
                sound = _sort_name(ObjectRecord.decode(body).name) == key
            except RecordMalformed:
                sound = True  # what is malformed is said once
            if not sound:
                yield SegmentProblem(f"store_records[{number}]", "is not the row of the record that it holds")
            yield SlotSurvey("store_records", number, body, "" if body else "A")


def _rows(engine: Engine, place: str) -> Iterator[tuple[bytes, bytes]]:
    """(sorting name, body) of every row of a place, in order; nothing is held open in between."""
    last = b""
    while True:
        which = and_(records.c.place == place, records.c.name > last)
        page = select(records.c.name, records.c.body).where(which).order_by(records.c.name).limit(_PAGE)
        with reading(engine) as connection:
            found = [(bytes(name), bytes(body)) for name, body in connection.execute(page)]
        yield from found
        if len(found) < _PAGE:
            return
        last = found[-1][0]


def _sort_name(name: ObjectName) -> bytes:
    """Sorts byte by byte as ``sort_key`` does."""
    parts = (name.tenant, str(name.package), name.kind.value, f"{name.sequence:0{_SEQUENCE_DIGITS}}")
    return "\0".join(parts).encode("ascii")


def _name_of(key: bytes) -> ObjectName | None:
    try:
        tenant, package, kind, sequence = key.decode("ascii").split("\0")
        return ObjectName(tenant_id(tenant), UUID(package), ObjectKind(kind), int(sequence))
    except ValueError:
        return None
