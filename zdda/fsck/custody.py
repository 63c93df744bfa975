"""The answer of ``verify``: what was checked of one package, how it went, and what that amounts to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zdda.model.clock import format_time

FORMAT = "zdda-custody-report/1"


class CustodyStatus(StrEnum):
    """``exit_code`` is that of ``zdda verify``."""

    PROVEN = "proven"
    BROKEN = "broken"
    NOT_PROVABLE = "not-provable"
    NOT_CHECKED = "not-checked"

    @property
    def exit_code(self) -> int:
        return list(CustodyStatus).index(self)


class Outcome(StrEnum):
    """How one check went. NOT_PROVABLE: nothing is wrong, something to prove it with is lacking; NOT_CHECKED: it
    could not be done, or makes no sense after what failed before it."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_PROVABLE = "not-provable"
    NOT_CHECKED = "not-checked"


class CheckName(StrEnum):
    """Every check, in the order they are made. Add, never rename."""

    CONTAINER = "container"
    MANIFEST = "manifest"
    METS = "mets"
    PREMIS = "premis"
    SEAL = "seal"
    EVIDENCE = "evidence"
    SEAL_TRUST = "seal-trust"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``code`` is stable; ``member`` names the member of the container at fault, where one is."""

    name: CheckName
    outcome: Outcome
    message: str
    code: str | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True)
class SealedVerdict:
    """What the archive found of a document when it was deposited, as sealed. Not judged again here."""

    number: int
    role: str
    media_type: str
    length: int
    sha256: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class Sealer:
    """Whose certificate sealed: its subject (RFC 4514) and the SHA-256 of its DER in hexadecimal."""

    subject: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CustodyReport:
    """The whole answer, at the moment ``at``. ``proven_at``: since when the package is proven to be what it is."""

    status: CustodyStatus
    at: datetime
    package: UUID | None
    sealed_at: datetime | None
    sealed_by: Sealer | None
    proven_at: datetime | None
    checks: tuple[Check, ...]
    documents: tuple[SealedVerdict, ...]

    def __bool__(self) -> bool:
        raise TypeError("ask for .status: a package is not just proven or broken")

    def as_json(self) -> dict[str, object]:
        """A JSON value, format ``zdda-custody-report/1``; it holds no names of documents."""
        return {
            "format": FORMAT,
            "status": str(self.status),
            "at": format_time(self.at),
            "packageId": None if self.package is None else str(self.package),
            "sealedAt": None if self.sealed_at is None else format_time(self.sealed_at),
            "sealedBy": None
            if self.sealed_by is None
            else {"subject": self.sealed_by.subject, "sha256": self.sealed_by.sha256},
            "provenAt": None if self.proven_at is None else format_time(self.proven_at),
            "checks": [
                {
                    "check": str(each.name),
                    "outcome": str(each.outcome),
                    "message": each.message,
                    "code": each.code,
                    "member": each.member,
                }
                for each in self.checks
            ],
            "documents": [
                {
                    "number": each.number,
                    "role": each.role,
                    "mediaType": each.media_type,
                    "length": each.length,
                    "sha256": each.sha256.hex(),
                    "sealedVerdict": each.verdict,
                }
                for each in self.documents
            ],
        }


def status_of(checks: tuple[Check, ...]) -> CustodyStatus:
    """What is broken stays broken whatever else could not be checked; proven is only what passed every check."""
    outcomes = {check.outcome for check in checks}
    if Outcome.FAILED in outcomes:
        return CustodyStatus.BROKEN
    if Outcome.NOT_CHECKED in outcomes or {check.name for check in checks} != set(CheckName):
        return CustodyStatus.NOT_CHECKED
    return CustodyStatus.NOT_PROVABLE if Outcome.NOT_PROVABLE in outcomes else CustodyStatus.PROVEN
