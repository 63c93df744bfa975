"""The protocol of a place where object records lie: durable, replaceable, erasable."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Protocol

from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.object_record import ObjectRecord


class KeyArea(Protocol):
    """Object records by name. Several threads may use it at once.

    When ``write`` returns the record is durable and replaces the one of the same name; a crash during ``write``
    leaves the old record or the new one, whole. When ``destroy`` returns, nothing of the record can be read here.
    """

    def write(self, record: ObjectRecord) -> None:
        """Raises ``StoreFailed``."""
        ...

    def read(self, name: ObjectName) -> ObjectRecord:
        """Raises ``NotFound``, ``RecordMalformed``."""
        ...

    def records(self) -> Iterator[ObjectRecord]:
        """Every record that can be read, in the order of names."""
        ...

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        """The names of records of a kind with the youngest identifiers (RFC 9562 version 7), youngest first."""
        ...

    def destroy(self, name: ObjectName) -> None:
        """Overwrites the record; one that is not there is no error."""
        ...


def newest_of(names: Iterable[ObjectName], kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
    """Those of ``names`` that ``KeyArea.newest`` answers."""
    wanted = (name for name in names if name.kind is kind and name.tenant == tenant)
    return heapq.nlargest(limit, wanted, key=lambda name: (name.package.int, name.sequence))


def sort_key(name: ObjectName) -> tuple[str, str, str, int]:
    """The order of names."""
    return name.tenant, str(name.package), name.kind, name.sequence
