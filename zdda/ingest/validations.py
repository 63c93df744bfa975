"""Validates documents that are not archived. They pass through the spool, encrypted under a key that exists in memory
only, and are removed whatever happens; after a crash the next start sweeps them, since nothing refers to them."""

from __future__ import annotations

import hashlib

from zdda.audit.log import record
from zdda.ingest.uploads import DocumentEmpty, DocumentMissing, Uploads, UploadWriter
from zdda.ingest.workshop import Workshop
from zdda.jobs.report_writing import ReportWriter
from zdda.model.errors import InvalidInput
from zdda.model.identifiers import new_identifier
from zdda.packaging.sealed_report import ReportSealer
from zdda.validation.forms import Form, Language
from zdda.validation.report import ReportError, ValidationReport

DOCUMENT, DETACHED = "document", "detached"


class NotValidated(InvalidInput):
    """The validation ended without a report: the document exceeded its limits of time or memory."""

    code = "not-validated"


class OneDocument(InvalidInput):
    """One document is validated at a time."""

    code = "too-many-documents"


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
        identifier = new_identifier(workshop.clock, workshop.entropy)
        self._uploads = Uploads(workshop, identifier, f"v-{identifier}", "a validation")

    def open_document(self, role: str, name: str, media_type: str) -> UploadWriter:
        """``role``: ``document``, once, or ``detached``. Raises ``OneDocument``, ``TooManyDocuments``,
        ``DocumentNameInvalid``, ``SpoolFull``."""
        if role == DOCUMENT and any(each.role == DOCUMENT for each in self._uploads.documents):
            raise OneDocument("one document is validated at a time")
        return self._uploads.open(role, name, media_type)

    def report(self, form: str, language: str, sealed: bool = False) -> bytes:
        """``sealed``: of the XML, as an ASiC-S container. Raises ``DocumentMissing``, ``DocumentEmpty``,
        ``NotValidated``, ``Unavailable``."""
        uploads = self._uploads
        main = next((each for each in uploads.documents if each.role == DOCUMENT), None)
        if main is None:
            raise DocumentMissing("the part named document is missing")
        digests = {each.spool_file: each.file.finish()[0] for each in uploads.documents}
        if any(not digest.length for digest in digests.values()):
            raise DocumentEmpty("a document is empty")
        siblings = [(each.spool_file, each.object_name) for each in uploads.documents if each is not main]
        found = self._workshop.examiner.examine(
            main.spool_file, uploads.key, main.object_name, main.media_type, siblings
        )
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
        """Nothing of what came is left."""
        self._uploads.discard()
