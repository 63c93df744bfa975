"""What ``fsck`` finds: each finding names the object, record, slot, batch or amendment it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from zdda.model.objects import ObjectKind, ObjectName


class Severity(StrEnum):
    """BROKEN: something is not what it was. UNPROVEN: nothing is wrong, but the anchors and data at hand do not
    prove it. PENDING: on its way, as a stop in the middle leaves it."""

    BROKEN = "broken"
    UNPROVEN = "unproven"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable. ``package`` is a package's identifier, or that of a batch or amendment (``kind`` tells);
    ``where`` is a place below the archive's folders, or a content address."""

    code: str
    message: str
    severity: Severity = Severity.BROKEN
    package: UUID | None = None
    kind: ObjectKind | None = None
    sequence: int | None = None
    where: str | None = None


def about(
    name: ObjectName, code: str, message: str, severity: Severity = Severity.BROKEN, where: str | None = None
) -> Finding:
    """A finding on one object."""
    return Finding(code, message, severity, name.package, name.kind, name.sequence, where)
