"""The use case behind every door for packages. Every byte is authentic (AEAD) and matches the sealed manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import select

from zdda.access.reports import report_in_form
from zdda.audit.log import record
from zdda.catalog.amendments import listed_amendments
from zdda.catalog.deposits import is_flagged
from zdda.catalog.evidence import get_batch
from zdda.catalog.packages import documents_of_package, get_package
from zdda.catalog.tables import evidence_batches
from zdda.catalog.validation_objects import ValidationObject, validation_uses_of
from zdda.database.session import TenantDatabase
from zdda.evidence.batch import EvidenceBatch
from zdda.jobs.report_writing import ReportWriter
from zdda.model.clock import Clock, format_time
from zdda.model.errors import NotFound, Unavailable
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.views import Content, DocumentView, PackageView
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.storage.object_store import ObjectStore
from zdda.validation.forms import Form, Language, written

_SIGNATURE = [
    "identifier",
    "format",
    "counter",
    "indication",
    "subindication",
    "claimedSigningTime",
    "bestSignatureTime",
    "signingCertificate",
    "coversWholeDocument",
    "changesAfterSigning",
    "timestamps",
]
_TIMESTAMP = ["identifier", "type", "time", "indication", "subindication", "signingCertificate"]
ASIC_E = "application/vnd.etsi.asic-e+zip"
_CHUNK = 1024 * 1024


class PackageAccess:
    """See ``zdda.model.views.Packages``."""

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        clock: Clock,
        write: ReportWriter = written,
        seal: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._database, self._store, self._clock, self._write, self._seal = database, store, clock, write, seal

    def describe(self, package_id: UUID, account: str) -> PackageView:
        """Raises ``NotFound``."""
        with self._database.write() as tx:
            row = get_package(tx, package_id)
            gen_time = tx.execute(
                select(evidence_batches.c.gen_time).where(
                    evidence_batches.c.tenant_id == tx.tenant, evidence_batches.c.batch_id == row.batch_id
                )
            ).scalar_one()
            documents = documents_of_package(tx, package_id)
            flagged = is_flagged(tx, package_id)
            record(tx, self._clock.now(), "package-described", package=str(package_id), account=account)
        return PackageView(
            package_id=package_id,
            deposit_id=row.deposit_id,
            metadata=json.loads(row.metadata),
            documents=tuple(
                DocumentView(
                    number=each.number,
                    role=each.role,
                    original_name=each.original_name,
                    media_type=each.media_type,
                    format_name=each.format_name,
                    puid=each.puid,
                    length=each.length,
                    sha256=each.sha256,
                    verdict=each.verdict,
                )
                for each in documents
            ),
            worst=row.worst,
            flagged=flagged,
            received_at=row.received_at,
            archived_at=row.archived_at,
            retention_class=row.retention_class,
            mark=row.mark,
            retain_until=row.retain_until,
            group_digest=row.group_digest,
            evidence_time=gen_time,
        )

    def document(self, package_id: UUID, number: int, account: str) -> Content:
        """Raises ``NotFound``."""
        with self._database.write() as tx:
            get_package(tx, package_id)
            document = next((each for each in documents_of_package(tx, package_id) if each.number == number), None)
            if document is None:
                raise NotFound("the package has no document of that number")
            record(tx, self._clock.now(), "document-read", package=str(package_id), document=number, account=account)
        return Content(
            media_type=document.media_type,
            file_name=document.original_name,
            length=document.length,
            sha256=document.sha256,
            chunks=self._document_chunks(package_id, number),
        )

    def aip(self, package_id: UUID, account: str) -> Content:
        """Raises ``NotFound``, ``IntegrityError``, ``Unavailable``."""
        self._note(package_id, "package-exported", account)
        with closing(self._store.open(self._name(package_id))) as stream:
            length = stream.length
        return Content(ASIC_E, f"{package_id}.asice", length, None, self._container_chunks(package_id))

    def evidence_record(self, package_id: UUID, account: str) -> bytes:
        """The DER of the package's ``EvidenceRecord`` (RFC 4998), assembled from its batch."""
        self._note(package_id, "evidence-exported", account)
        with self._database.read() as tx:
            row = get_package(tx, package_id)
            get_batch(tx, row.batch_id)
        name = ObjectName(self._database.tenant, row.batch_id, ObjectKind.EVIDENCE_BATCH)
        with closing(self._store.open(name)) as stream:
            batch = EvidenceBatch.decode(stream.read())
        with self._opened(package_id) as package:
            return batch.evidence_record(row.leaf_index, package.group)

    def amendments(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        """What happened to the package after its sealing, in the order of its chain."""
        self._note(package_id, "amendments-listed", account)
        with self._database.read() as tx:
            rows = listed_amendments(tx, package_id)
        return [
            {
                "sequence": row.sequence,
                "amendmentId": str(row.amendment_id),
                "kind": row.kind,
                "created": format_time(row.created_at),
                "sha256": row.digest.hex(),
            }
            for row in rows
        ]

    def amendment(self, package_id: UUID, sequence: int, account: str) -> bytes:
        """The DER of one amendment (CMS SignedData around its canonical JSON). Raises ``NotFound``."""
        self._note(package_id, "amendment-read", account)
        with self._database.read() as tx:
            found = {row.sequence: row.amendment_id for row in listed_amendments(tx, package_id)}
        if sequence not in found:
            raise NotFound("the package has no amendment of that number")
        name = ObjectName(self._database.tenant, found[sequence], ObjectKind.AMENDMENT)
        with closing(self._store.open(name)) as stream:
            return stream.read()

    def validation_report(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        """The sealed reports, by document."""
        self._note(package_id, "report-read", account)
        with self._opened(package_id) as package:
            return [
                {
                    "number": each.facts.number,
                    "verdict": each.facts.verdict,
                    "report": package.report(each.facts.number),
                }
                for each in package.documents
            ]

    def signatures(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        """The sealed report's signatures and timestamps of every document, without the constraints behind them."""
        return [
            {"number": each["number"], "signatures": _told(each["report"], "signatures", _SIGNATURE)}
            | {"timestamps": _told(each["report"], "timestamps", _TIMESTAMP)}
            for each in self.validation_report(package_id, account)
        ]

    def certificates(self, package_id: UUID, account: str) -> list[dict[str, Any]]:
        """What the package's signatures rest on: certificates, CRLs, OCSP answers, timestamps, each once."""
        self._note(package_id, "certificates-read", account)
        with self._database.read() as tx:
            uses = validation_uses_of(tx, package_id)
        serves: dict[ValidationObject, list[dict[str, Any]]] = {}
        for use in uses:
            of = {"document": use.document_number, "signature": use.signature or None}
            serves.setdefault(use.object, []).append(of)
        return [
            {
                "role": each.role,
                "sha256": each.sha256.hex(),
                "subject": each.subject,
                "issuer": each.issuer,
                "serialNumber": each.serial,
                "validFrom": format_time(each.valid_from) if each.valid_from else None,
                "validUntil": format_time(each.valid_until) if each.valid_until else None,
                "serves": of,
            }
            for each, of in serves.items()
        ]

    def validation_report_as(
        self, package_id: UUID, number: int | None, form: str, language: str, account: str, sealed: bool = False
    ) -> bytes:
        """See ``zdda.access.reports.report_in_form``. ``sealed``: of the XML, as an ASiC-S container; may raise
        ``Unavailable``."""
        self._note(package_id, "report-sealed" if sealed else "report-read", account)
        with self._opened(package_id) as package:
            report = report_in_form(package, number, Form(form), Language(language), self._write)
        if not sealed:
            return report
        if self._seal is None:
            raise Unavailable("there is no seal here")
        return self._seal(report)

    def _name(self, package_id: UUID) -> ObjectName:
        return ObjectName(self._database.tenant, package_id, ObjectKind.AIP)

    def _note(self, package_id: UUID, event: str, account: str) -> None:
        with self._database.write() as tx:
            get_package(tx, package_id)
            record(tx, self._clock.now(), event, package=str(package_id), account=account)

    @contextmanager
    def _opened(self, package_id: UUID) -> Iterator[Aip]:
        with closing(self._store.open(self._name(package_id))) as stream:
            yield open_aip(stream)

    @contextmanager
    def _document_chunks(self, package_id: UUID, number: int) -> Iterator[Iterator[bytes]]:
        with self._opened(package_id) as package:
            yield package.stream(package.documents[number - 1].member)

    @contextmanager
    def _container_chunks(self, package_id: UUID) -> Iterator[Iterator[bytes]]:
        with closing(self._store.open(self._name(package_id))) as stream:
            yield iter(lambda: stream.read(_CHUNK), b"")


def _told(report: Mapping[str, Any], what: str, members: list[str]) -> list[dict[str, Any]]:
    """Of each signature or timestamp these members; one that an older report does not have is null."""
    return [{name: each.get(name) for name in members} for each in report.get(what, ())]
