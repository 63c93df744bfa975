"""What lies in a store, by name: kind, package, sequence. The name is bound into every ciphertext."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from zdda.model.identifiers import TenantId

FORMAT_VERSION = 1


class ObjectKind(StrEnum):
    """Every kind of object the archive encrypts. Add, never rename: the text is part of stored bytes."""

    AIP = "aip"
    AMENDMENT = "amendment"
    EVIDENCE_BATCH = "evidence-batch"
    EVIDENCE_RENEWAL = "evidence-renewal"
    SPOOLED_DOCUMENT = "spooled-document"


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Names one object within an archive.

    ``package`` is the package's identifier; for a batch, a renewal or an amendment of many packages, that
    object's own. ``sequence`` counts from 0 within (tenant, package, kind).
    """

    tenant: TenantId
    package: UUID
    kind: ObjectKind
    sequence: int = 0

    def facts(self) -> dict[str, str | int]:
        """How audit and logs name it."""
        return {"package": str(self.package), "kind": self.kind.value, "sequence": self.sequence}

    def associated_data(self) -> bytes:
        """The AAD of the object's encryption: ``zdda/1|tenant|package|kind|sequence`` in ASCII."""
        return f"zdda/{FORMAT_VERSION}|{self.tenant}|{self.package}|{self.kind}|{self.sequence}".encode("ascii")
