"""The protocol of a place where object records lie: durable, replaceable, erasable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from zdda.model.objects import ObjectName
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

    def destroy(self, name: ObjectName) -> None:
        """Overwrites the record; one that is not there is no error."""
        ...


def sort_key(name: ObjectName) -> tuple[str, str, str, int]:
    """The order of names."""
    return name.tenant, str(name.package), name.kind, name.sequence
