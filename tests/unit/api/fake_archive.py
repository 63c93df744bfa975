"""The use cases in memory: what the interface needs to be tried without an archive behind it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from zdda.api.rest.application import create_application
from zdda.api.rest.deposits import DepositLimits
from zdda.identity.accounts import Account, Role
from zdda.model.deposit import Deferral, DepositState
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable, ZddaError
from zdda.model.views import Content, DepositStatus, DocumentView, PackageView
from zdda.packaging.document_names import check_document_name
from zdda.packaging.submission import parse_submission_metadata

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
METADATA = b'{"title":"Report","documentType":"report","retentionClass":"medical-record"}'
PASSWORD = "correct horse battery"
ACCOUNTS = {
    "kis": {Role.PRODUCER, Role.CONSUMER},
    "other": {Role.PRODUCER},
    "reader": {Role.CONSUMER},
    "admin": {Role.ADMINISTRATOR},
}


def error(kind: type[ZddaError], code: str) -> ZddaError:
    raised = kind(f"the message of {code}")
    raised.code = code  # as a subclass would
    return raised


@dataclass
class Stored:
    role: str
    name: str
    media_type: str
    data: bytes = b""
    closed: bool = False


class FakeSink:
    def __init__(self, archive: FakeArchive, stored: Stored) -> None:
        self._archive, self._stored = archive, stored

    def write(self, data: bytes, /) -> int:
        self._archive.written.set()
        if self._archive.fail_write is not None:
            raise self._archive.fail_write
        self._stored.data += data
        return len(data)

    def close(self) -> None:
        self._stored.closed = True


@dataclass
class FakeReception:
    archive: FakeArchive
    account: str
    key: str | None
    correlation_id: str
    data: bytes | None = None
    documents: list[Stored] = field(default_factory=list)
    ended: str | None = None

    def metadata(self, data: bytes) -> None:
        if self.data is not None:
            raise error(InvalidInput, "metadata-repeated")
        parse_submission_metadata(data)
        self.data = data

    def open_document(self, role: str, name: str, media_type: str) -> FakeSink:
        check_document_name(name)
        if len(self.documents) >= self.archive.limits.max_documents:
            raise error(InvalidInput, "too-many-documents")
        self.documents.append(Stored(role, name, media_type))
        return FakeSink(self.archive, self.documents[-1])

    def commit(self) -> DepositStatus:
        if self.data is None:
            raise error(InvalidInput, "metadata-missing")
        if not any(document.role == "main" for document in self.documents):
            raise error(InvalidInput, "document-missing")
        assert all(document.closed for document in self.documents)
        if not all(document.data for document in self.documents):
            raise error(InvalidInput, "document-empty")
        self.ended = "committed"
        return self.archive.take(self)

    def abort(self) -> None:
        self.ended = self.ended or "aborted"
        self.archive.aborted.set()


@dataclass
class FakeValidation:
    archive: FakeArchive
    documents: list[Stored] = field(default_factory=list)
    aborted: bool = False

    def open_document(self, role: str, name: str, media_type: str) -> FakeSink:
        self.documents.append(Stored(role, name, media_type))
        return FakeSink(self.archive, self.documents[-1])

    def report(self, form: str, language: str, sealed: bool) -> bytes:
        if self.archive.fail_read is not None:
            raise self.archive.fail_read
        assert all(document.closed for document in self.documents)
        lengths = [len(document.data) for document in self.documents]
        return f"{form} {language}{' sealed' if sealed else ''} {lengths}".encode()

    def abort(self) -> None:
        self.aborted = True


class FakeArchive:
    """Fills every protocol. ``outcome`` is where a deposit comes to rest; ``settles`` is when ``wait`` finds it so."""

    def __init__(self, **limits: Any) -> None:
        self.limits = DepositLimits(
            **{"max_body_bytes": 4 << 20, "max_documents": 3, "max_concurrent": 2}
            | {"wait_seconds": 5.0, "idle_seconds": 5.0}
            | limits
        )
        self.outcome = DepositState.ARCHIVED
        self.rejection: dict[str, Any] | None = None
        self.deferral: Deferral | None = None
        self.fail_begin: Exception | None = None
        self.fail_write: Exception | None = None
        self.fail_read: Exception | None = None
        self.damaged_at: int | None = None
        self.parts: dict[str, str | None] = {"catalog": None, "store": None}
        self.receptions: list[FakeReception] = []
        self.validations: list[FakeValidation] = []
        self.statuses: dict[UUID, DepositStatus] = {}
        self.keys: dict[tuple[str, str], UUID] = {}
        self.waited: list[float] = []
        self.content = b"%PDF-1.7 " + bytes(range(256)) * 4096
        self.closed_contents = 0
        self.written, self.aborted, self.settles = threading.Event(), threading.Event(), threading.Event()
        self.content_closed = threading.Event()
        self.settles.set()
        self.application = create_application(self, self, self, self, self, self.limits)

    # Authenticator
    def verify(self, name: str, password: str) -> Account | None:
        known = name in ACCOUNTS and password == PASSWORD
        return Account(name, frozenset(ACCOUNTS[name])) if known else None

    # Deposits
    def begin(self, account: str, idempotency_key: str | None, correlation_id: str) -> FakeReception:
        if self.fail_begin is not None:
            raise self.fail_begin
        self.receptions.append(FakeReception(self, account, idempotency_key, correlation_id))
        return self.receptions[-1]

    def take(self, reception: FakeReception) -> DepositStatus:
        seen = self.keys.get((reception.account, reception.key)) if reception.key else None
        if seen is not None:
            return self.statuses[seen]
        number = len(self.statuses) + 1
        deposit, package = UUID(int=number), UUID(int=number << 64)
        history = (("received", NOW),)
        status = DepositStatus(
            deposit, package, reception.account, DepositState.RECEIVED, history, self.deferral, None, None, True
        )
        self.statuses[deposit] = status
        if reception.key:
            self.keys[reception.account, reception.key] = deposit
        return status

    def status(self, deposit_id: UUID) -> DepositStatus:
        if deposit_id not in self.statuses:
            raise NotFound("no such deposit")
        return self.statuses[deposit_id]

    def wait(self, deposit_id: UUID, seconds: float) -> DepositStatus:
        self.waited.append(seconds)
        if not self.settles.wait(seconds):
            return self.statuses[deposit_id]
        status = replace(self.status(deposit_id), state=self.outcome)
        if self.outcome is DepositState.ARCHIVED:
            status = replace(status, receipt={"state": "archived", "depositId": str(deposit_id)})
        if self.outcome is DepositState.REJECTED:
            status = replace(status, rejection=self.rejection or {"reports": []})
        self.statuses[deposit_id] = status
        return status

    # Packages
    def _known(self, package_id: UUID) -> None:
        if self.fail_read is not None:
            raise self.fail_read
        if package_id != UUID(int=7):
            raise NotFound("no such package")

    def describe(self, package_id: UUID, account: str) -> PackageView:
        self._known(package_id)
        document = DocumentView(
            1,
            "main",
            "Příloha.pdf",
            "application/pdf",
            "PDF 1.7",
            "fmt/276",
            len(self.content),
            hashlib.sha256(self.content).digest(),
            "TOTAL_PASSED",
        )
        return PackageView(
            package_id,
            UUID(int=1),
            {"title": "Report"},
            (document,),
            "TOTAL_PASSED",
            False,
            NOW,
            NOW,
            "medical-record",
            "S",
            NOW,
            bytes(32),
            NOW,
        )

    def document(self, package_id: UUID, number: int, account: str) -> Content:
        self._known(package_id)
        if number != 1:
            raise NotFound("no such document")
        digest = hashlib.sha256(self.content).digest()
        return Content("application/pdf", "Příloha.pdf", len(self.content), digest, self._chunks())

    def aip(self, package_id: UUID, account: str) -> Content:
        self._known(package_id)
        return Content("application/vnd.etsi.asic-e+zip", "x.asice", len(self.content), None, self._chunks())

    @contextmanager
    def _chunks(self) -> Iterator[Iterator[bytes]]:
        def pieces() -> Iterator[bytes]:
            for index, at in enumerate(range(0, len(self.content), 65536)):
                if index == self.damaged_at:
                    raise IntegrityError("a chunk is damaged")
                yield self.content[at : at + 65536]

        try:
            yield pieces()
        finally:
            self.closed_contents += 1
            self.content_closed.set()

    def evidence_record(self, package_id: UUID, account: str) -> bytes:
        self._known(package_id)
        return b"\x30\x03\x02\x01\x01"

    def amendments(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        self._known(package_id)
        return [{"sequence": 1, "kind": "sealing-storing-evidence"}]

    def amendment(self, package_id: UUID, sequence: int, account: str) -> bytes:
        self._known(package_id)
        if sequence != 1:
            raise NotFound("no such amendment")
        return b"\x30\x01\x02"

    def signatures(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        return self.validation_report(package_id, account)

    def certificates(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        return self.validation_report(package_id, account)

    def validation_report(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        self._known(package_id)
        return [{"indication": "TOTAL_PASSED"}]

    def validation_report_as(
        self, package_id: UUID, number: int | None, form: str, language: str, account: str, sealed: bool
    ) -> bytes:
        self._known(package_id)
        return f"{number} {form} {language}{' sealed' if sealed else ''}".encode()

    # Validations
    def begin_validation(self, account: str, correlation_id: str) -> FakeValidation:
        if self.fail_begin is not None:
            raise self.fail_begin
        self.validations.append(FakeValidation(self))
        return self.validations[-1]

    # Health
    def ready(self) -> dict[str, str | None]:
        return self.parts

    def sites(self) -> dict[str, bool]:
        return {"praha": True, "brno": False}


UNAVAILABLE = Unavailable("the catalog is away at secret-host")
SPOOL_FULL = error(Unavailable, "spool-full")
IN_FLIGHT = error(Conflict, "idempotency-key-in-flight")
