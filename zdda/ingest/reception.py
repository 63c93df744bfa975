"""Step 1, received: bytes stream into the encrypted spool, then one row commits. 202 means just that."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from threading import Lock
from uuid import UUID

from zdda.audit.log import record
from zdda.catalog.deposits import (
    IdempotencyKeyTaken,
    NewDeposit,
    SpooledDocument,
    find_by_idempotency_key,
    insert_deposit,
)
from zdda.catalog.destroyed import idempotency_digest, refuse_destroyed
from zdda.ingest.status import status_of
from zdda.ingest.uploads import DocumentEmpty, DocumentMissing, Upload, Uploads, UploadWriter
from zdda.ingest.workshop import Workshop
from zdda.model.canonical_json import canonical_json
from zdda.model.deposit import DepositState
from zdda.model.errors import InvalidInput
from zdda.model.identifiers import new_identifier
from zdda.model.retention import retain_until
from zdda.model.submission import DocumentDescription, SubmissionMetadata
from zdda.model.views import DepositStatus
from zdda.packaging.document_names import DocumentNameInvalid, check_document_name, same_name_key
from zdda.packaging.submission import as_json, parse_submission_metadata
from zdda.storage.blob_store import StoreNotGuaranteed

CRASH_POINTS = ("reception.before-commit", "reception.committed")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.IGNORECASE)


class MetadataMissing(InvalidInput):
    """The deposit has no metadata."""

    code = "metadata-missing"


class MetadataRepeated(InvalidInput):
    """The deposit has metadata twice."""

    code = "metadata-repeated"


class RetentionClassUnknown(InvalidInput):
    """The settings name no such class."""

    code = "retention-class-unknown"


class IdempotencyKeyReused(InvalidInput):
    """The key belongs to a deposit with other content."""

    code = "idempotency-key-reused"


class KeysInFlight:
    """The idempotency keys of requests whose bodies are arriving in this process."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._lock = Lock()

    def enter(self, account: str, key: str) -> None:
        """Raises ``IdempotencyKeyTaken``."""
        with self._lock:
            if (account, key) in self._keys:
                raise IdempotencyKeyTaken("a request with this idempotency key is being received")
            self._keys.add((account, key))

    def leave(self, account: str, key: str) -> None:
        with self._lock:
            self._keys.discard((account, key))


class DepositReception:
    """See ``zdda.model.views.Reception``. If everything stops before ``commit`` has written its row, the spool
    holds files that nothing refers to, under a key that existed in memory only; they are swept at the next start."""

    def __init__(
        self, workshop: Workshop, in_flight: KeysInFlight, account: str, key: str | None, correlation_id: str
    ) -> None:
        self._workshop, self._in_flight = workshop, in_flight
        self._account, self._key, self._correlation_id = account, key, correlation_id
        self._received_at = workshop.clock.now()
        self.deposit_id = new_identifier(workshop.clock, workshop.entropy)
        self._package_id = new_identifier(workshop.clock, workshop.entropy)
        self._uploads = Uploads(workshop, self._package_id, str(self.deposit_id), "a deposit")
        self._metadata: SubmissionMetadata | None = None
        self._ended = False
        if key is not None:
            in_flight.enter(account, key)

    def metadata(self, data: bytes) -> None:
        """Raises ``MetadataRepeated``, ``MetadataInvalid``, ``RetentionClassUnknown``, ``StoreNotGuaranteed``."""
        if self._metadata is not None:
            raise MetadataRepeated("the metadata come once")
        metadata = parse_submission_metadata(data)
        if metadata.retention_class not in self._workshop.classes:
            raise RetentionClassUnknown("the archive has no retention class of that name")
        chosen = self._workshop.classes[metadata.retention_class]
        if chosen.guaranteed_store:
            problem = self._workshop.guarantee.problem(chosen.placement.sites)
            if problem is not None:
                raise StoreNotGuaranteed(f"the retention class needs a guaranteed store: {problem}")
        self._metadata = metadata

    def open_document(self, role: str, name: str, media_type: str) -> UploadWriter:
        """Raises ``DocumentNameInvalid``, ``TooManyDocuments``, ``SpoolFull``."""
        check_document_name(name)
        if any(same_name_key(document.name) == same_name_key(name) for document in self._uploads.documents):
            raise DocumentNameInvalid(("repeated",))
        kind = media_type.partition(";")[0].strip().lower()
        if not _MEDIA_TYPE.fullmatch(kind):
            kind = "application/octet-stream"
        return self._uploads.open(role, name, kind)

    def commit(self) -> DepositStatus:
        """Everything arrived: durable files, then one transaction.

        Raises ``MetadataMissing``, ``DocumentMissing``, ``DocumentEmpty``, ``IdempotencyKeyReused``,
        ``ExternalIdTaken``, ``PackageDestroyed``; nothing is left then.
        """
        workshop, metadata = self._workshop, self._metadata
        if metadata is None:
            raise MetadataMissing("the part named metadata is missing")
        if not any(document.role == "main" for document in self._uploads.documents):
            raise DocumentMissing("the part named document is missing")
        documents = [self._finished(document) for document in self._uploads.documents]
        digest = _request_digest(metadata, documents)
        known = self._known(digest)
        if known is not None:
            self._end(keep=False)
            return known
        retention_class = workshop.classes[metadata.retention_class]
        generation, wrapped = workshop.wrap_deposit_key(self._uploads.key, self._package_id)
        deposit = NewDeposit(
            deposit_id=self.deposit_id,
            package_id=self._package_id,
            account=self._account,
            correlation_id=self._correlation_id,
            idempotency_key=self._key,
            request_digest=digest,
            external_id=metadata.external_id,
            received_at=self._received_at,
            wrapped_data_key=wrapped,
            generation=generation,
            metadata=canonical_json(as_json(metadata)),
            retention_class=retention_class.name,
            mark=retention_class.mark,
            years=retention_class.years,
            retain_until=retain_until(retention_class, self._received_at),
        )
        workshop.crash("reception.before-commit")
        written = False
        try:
            with workshop.database.write() as tx:
                insert_deposit(tx, deposit, documents)
                record(
                    tx,
                    self._received_at,
                    "deposit-received",
                    deposit=str(self.deposit_id),
                    account=self._account,
                    documents=len(documents),
                    correlation=self._correlation_id,
                )
                written = True
        finally:
            # an error of the commit itself does not tell whether it took place: the files stay for the row that may
            # be there, and the next start sweeps what none refers to
            if written:
                self._end(keep=True)
        workshop.crash("reception.committed")
        workshop.wake()
        return DepositStatus(
            deposit_id=self.deposit_id,
            package_id=self._package_id,
            account=self._account,
            state=DepositState.RECEIVED,
            history=((DepositState.RECEIVED, self._received_at),),
            deferral=None,
            receipt=None,
            rejection=None,
            created=True,
        )

    def abort(self) -> None:
        """Nothing of an uncommitted deposit is left; after ``commit`` it does nothing."""
        self._end(keep=False)

    def _finished(self, document: Upload) -> SpooledDocument:
        plain, _ = document.file.finish()
        if not plain.length:
            raise DocumentEmpty(f"document {document.number} is empty")
        description = DocumentDescription(
            number=document.number,
            role=document.role,
            original_name=document.name,
            media_type=document.media_type,
            length=plain.length,
            sha256=plain.sha256,
            sha512=plain.sha512,
            crc32=plain.crc32,
        )
        content_id = self._workshop.generations.content_id(self._workshop.tenant, plain.sha256)
        return SpooledDocument(description, content_id, document.spool_file)

    def _known(self, digest: bytes) -> DepositStatus | None:
        """The deposit that this key made before, when it was the same; raises ``IdempotencyKeyReused``."""
        if self._key is None:
            return None
        with self._workshop.database.read() as tx:
            row = find_by_idempotency_key(tx, self._account, self._key)
            if row is None:
                identify = partial(self._workshop.generations.content_id, self._workshop.tenant)
                refuse_destroyed(tx, idempotency_digest(identify, self._account, self._key))
                return None
            if row.request_digest != digest:
                raise IdempotencyKeyReused("this idempotency key was used for another deposit")
            deposit_id: UUID = row.deposit_id
            return status_of(tx, deposit_id)

    def _end(self, *, keep: bool) -> None:
        if self._ended:
            return
        self._ended = True
        if self._key is not None:
            self._in_flight.leave(self._account, self._key)
        if not keep:
            self._uploads.discard()


def _request_digest(metadata: SubmissionMetadata, documents: list[SpooledDocument]) -> bytes:
    """What two requests with the same idempotency key must have in common."""
    described = [
        {
            "role": document.description.role,
            "name": document.description.original_name,
            "mediaType": document.description.media_type,
            "sha256": document.description.sha256.hex(),
        }
        for document in documents
    ]
    return hashlib.sha256(canonical_json({"metadata": as_json(metadata), "documents": described})).digest()
