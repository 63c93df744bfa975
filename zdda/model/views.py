"""What the use cases answer and the interfaces show: plain values, no rows, no bytes of documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from zdda.model.deposit import Deferral, DepositState


@dataclass(frozen=True, slots=True)
class DepositStatus:
    """Where a deposit stands. ``created`` is False when an earlier request had already made it.

    ``receipt`` is there once archived, ``rejection`` once rejected; both as JSON values.
    """

    deposit_id: UUID
    package_id: UUID
    account: str
    state: DepositState
    history: tuple[tuple[str, datetime], ...]
    deferral: Deferral | None
    receipt: dict[str, Any] | None
    rejection: dict[str, Any] | None
    created: bool = False


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One document of a package."""

    number: int
    role: str
    original_name: str
    media_type: str
    format_name: str | None
    puid: str | None
    length: int
    sha256: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class PackageView:
    """What a package is."""

    package_id: UUID
    deposit_id: UUID
    metadata: dict[str, Any]
    documents: tuple[DocumentView, ...]
    worst: str
    flagged: bool
    received_at: datetime
    archived_at: datetime
    retention_class: str
    mark: str
    retain_until: datetime
    group_digest: bytes
    evidence_time: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes on their way out, each chunk verified before it is yielded.

    Opening ``chunks`` may raise ``NotFound`` or ``Unavailable``; iterating it raises ``IntegrityError`` at the
    first wrong byte, before the last chunk: wrong bytes never complete.
    """

    media_type: str
    file_name: str
    length: int
    sha256: bytes | None
    chunks: AbstractContextManager[Iterator[bytes]]


class DocumentSink(Protocol):
    """Takes one document's bytes."""

    def write(self, data: bytes, /) -> object: ...

    def close(self) -> None: ...


class Reception(Protocol):
    """One deposit while its bytes arrive. Not thread-safe; ``commit`` or ``abort`` ends it, ``abort`` never raises."""

    def metadata(self, data: bytes) -> None: ...

    def open_document(self, role: str, name: str, media_type: str) -> DocumentSink: ...

    def commit(self) -> DepositStatus: ...

    def abort(self) -> None: ...


class Deposits(Protocol):
    """Takes deposits and tells how they fare."""

    def begin(self, account: str, idempotency_key: str | None, correlation_id: str) -> Reception: ...

    def status(self, deposit_id: UUID) -> DepositStatus: ...

    def wait(self, deposit_id: UUID, seconds: float) -> DepositStatus: ...


class Packages(Protocol):
    """Gives packages back. Every call may raise ``NotFound``. ``account`` is noted in the audit."""

    def describe(self, package_id: UUID, account: str) -> PackageView: ...

    def document(self, package_id: UUID, number: int, account: str) -> Content: ...

    def aip(self, package_id: UUID, account: str) -> Content: ...

    def evidence_record(self, package_id: UUID, account: str) -> bytes: ...

    def amendments(self, package_id: UUID, account: str) -> list[dict[str, Any]]: ...

    def amendment(self, package_id: UUID, sequence: int, account: str) -> bytes: ...

    def validation_report(self, package_id: UUID, account: str) -> list[dict[str, Any]]: ...

    def signatures(self, package_id: UUID, account: str) -> list[dict[str, Any]]: ...

    def certificates(self, package_id: UUID, account: str) -> list[dict[str, Any]]: ...

    def validation_report_as(
        self, package_id: UUID, number: int | None, form: str, language: str, account: str, sealed: bool
    ) -> bytes: ...


class ValidationRequest(Protocol):
    """Documents while they are validated without being kept. Not thread-safe; ``abort`` ends it, removes every byte
    and never raises."""

    def open_document(self, role: str, name: str, media_type: str) -> DocumentSink: ...

    def report(self, form: str, language: str, sealed: bool) -> bytes: ...

    def abort(self) -> None: ...


class Validations(Protocol):
    """Validates documents that are not archived."""

    def begin_validation(self, account: str, correlation_id: str) -> ValidationRequest: ...


class Health(Protocol):
    """Whether the parts answer."""

    def ready(self) -> dict[str, str | None]:
        """Name of the part → None, or what is wrong. The store is well while one of its sites answers."""
        ...

    def sites(self) -> dict[str, bool]:
        """Name of the site → whether it answers."""
        ...
