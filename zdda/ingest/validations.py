"""Validates documents that are not archived. They pass through the spool, encrypted under a key that exists in memory
only, and are removed whatever happens; after a crash the next start sweeps them, since nothing refers to them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from zdda.audit.log import record
from zdda.ingest.reception import (
    DepositTooLarge,
    DocumentEmpty,
    DocumentMissing,
    DocumentTooLarge,
    TooManyDocuments,
)
from zdda.ingest.workshop import Workshop
from zdda.jobs.report_writing import ReportWriter
from zdda.model.errors import InvalidInput
from zdda.model.identifiers import new_identifier
from zdda.model.objects import ObjectName
from zdda.packaging.document_names import check_document_name
from zdda.packaging.sealed_report import ReportSealer
from zdda.storage.spool import EncryptedSpoolFile
from zdda.validation.forms import Form, Language
from zdda.validation.report import ReportError, ValidationReport

DOCUMENT, DETACHED = "document", "detached"


class NotValidated(InvalidInput):
    """The validation ended without a report: the document exceeded its limits of time or memory."""

    code = "not-validated"


class OneDocument(InvalidInput):
    """One document is validated at a time."""

    code = "too-many-documents"


@dataclass(slots=True)
class _Spooled:
    role: str
    name: str
    media_type: str
    spool_file: str
    object_name: ObjectName
    file: EncryptedSpoolFile


class ValidationDesk:
    """See ``zdda.model.views.Validations``."""

    def __init__(self, workshop: Workshop, write: ReportWriter) -> None:
        self._workshop, self._write = workshop, write
        self._seal = ReportSealer(workshop.signer, workshop.seal_validation_data, workshop.clock)

    def begin_validation(self, account: str, correlation_id: str) -> PassingValidation:
        """Raises ``SpoolFull``."""
        self._workshop.spool.check_room()
        return PassingValidation(self._workshop, self._write, self._seal, account, correlation_id)


class PassingValidation:
    """See ``zdda.model.views.ValidationRequest``."""

    def __init__(
        self, workshop: Workshop, write: ReportWriter, seal: ReportSealer, account: str, correlation_id: str
    ) -> None:
        self._workshop, self._write, self._seal = workshop, write, seal
        self._account, self._correlation_id = account, correlation_id
        self._identifier = new_identifier(workshop.clock, workshop.entropy)
        self._key = workshop.entropy(32)
        self._files: list[_Spooled] = []
        self._total = 0

    def open_document(self, role: str, name: str, media_type: str) -> PassingWriter:
        """``role``: ``document``, once, or ``detached``. Raises ``OneDocument``, ``TooManyDocuments``,
        ``DocumentNameInvalid``, ``SpoolFull``."""
        check_document_name(name)
        if role == DOCUMENT and any(each.role == DOCUMENT for each in self._files):
            raise OneDocument("one document is validated at a time")
        if len(self._files) >= self._workshop.limits.max_documents:
            raise TooManyDocuments(f"there are {self._workshop.limits.max_documents} documents at most")
        number = len(self._files) + 1
        spool_file, object_name = f"v-{self._identifier}.{number}", self._workshop.spooled(self._identifier, number)
        file = self._workshop.spool.encrypting(spool_file, self._key, object_name, self._workshop.entropy)
        self._files.append(_Spooled(role, name, media_type, spool_file, object_name, file))
        return PassingWriter(self, file)

    def report(self, form: str, language: str, sealed: bool = False) -> bytes:
        """``sealed``: of the XML, as an ASiC-S container. Raises ``DocumentMissing``, ``DocumentEmpty``,
        ``NotValidated``, ``Unavailable``."""
        main = next((each for each in self._files if each.role == DOCUMENT), None)
        if main is None:
            raise DocumentMissing("the part named document is missing")
        digests = {each.spool_file: each.file.finish()[0] for each in self._files}
        if any(not digest.length for digest in digests.values()):
            raise DocumentEmpty("a document is empty")
        siblings = [(each.spool_file, each.object_name) for each in self._files if each is not main]
        found = self._workshop.examiner.examine(main.spool_file, self._key, main.object_name, main.media_type, siblings)
        with self._workshop.database.write() as tx:
            record(
                tx,
                self._workshop.clock.now(),
                "document-validated",
                account=self._account,
                verdict=str(found.verdict),
                correlation=self._correlation_id,
            )
        try:
            content = ValidationReport.from_json(found.report).content
        except ReportError as error:
            raise NotValidated("the document could not be validated within its limits") from error
        data = {hashlib.sha256(datum).hexdigest(): datum for _, datum in found.validation_data}
        sha256 = digests[main.spool_file].sha256.hex()
        report = self._write(content, data, Form(form), Language(language), sha256, main.name)
        return self._seal(report) if sealed else report

    def abort(self) -> None:
        for each in self._files:
            with suppress(OSError):
                each.file.discard()

    def count(self, length: int, of_document: int) -> None:
        """Raises ``DocumentTooLarge``, ``DepositTooLarge`` before the bytes over the limit are written."""
        limits = self._workshop.limits
        if of_document + length > limits.max_document_bytes:
            raise DocumentTooLarge(f"a document has {limits.max_document_bytes} bytes at most")
        self._total += length
        if self._total > limits.max_deposit_bytes:
            raise DepositTooLarge(f"the documents together have {limits.max_deposit_bytes} bytes at most")


class PassingWriter:
    """One document's bytes on their way into the spool."""

    def __init__(self, validation: PassingValidation, file: EncryptedSpoolFile) -> None:
        self._validation, self._file, self._length = validation, file, 0

    def write(self, data: bytes, /) -> None:
        self._validation.count(len(data), self._length)
        self._length += len(data)
        self._file.write(data)

    def close(self) -> None:
        """The last byte came."""
