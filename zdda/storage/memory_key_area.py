"""A key area in memory: for tests and trials; it forgets."""

from __future__ import annotations

from collections.abc import Iterator

from zdda.model.errors import NotFound
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.key_area import newest_of, sort_key
from zdda.storage.object_record import ObjectRecord


class MemoryKeyArea:
    """See ``KeyArea``."""

    def __init__(self) -> None:
        self._records: dict[ObjectName, ObjectRecord] = {}

    def write(self, record: ObjectRecord) -> None:
        self._records[record.name] = record

    def read(self, name: ObjectName) -> ObjectRecord:
        try:
            return self._records[name]
        except KeyError as error:
            raise NotFound("the key area has no such record") from error

    def records(self) -> Iterator[ObjectRecord]:
        return iter([self._records[name] for name in sorted(self._records, key=sort_key)])

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        return newest_of(self._records, kind, tenant, limit)

    def destroy(self, name: ObjectName) -> None:
        self._records.pop(name, None)
