"""Documents on their way into the spool: encrypted under one key in memory, bounded, gone again unless they are kept.

If everything stops meanwhile, the spool holds files that nothing refers to; the next start sweeps them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from zdda.ingest.workshop import IntakeLimits, Workshop
from zdda.model.errors import InvalidInput
from zdda.model.objects import ObjectName
from zdda.packaging.document_names import check_document_name
from zdda.storage.spool import EncryptedSpoolFile


class DocumentMissing(InvalidInput):
    """There is no main document."""

    code = "document-missing"


class DocumentEmpty(InvalidInput):
    """A document has no bytes."""

    code = "document-empty"


class DocumentTooLarge(InvalidInput):
    """A document is over the limit."""

    code = "document-too-large"


class DepositTooLarge(InvalidInput):
    """The documents together are over the limit."""

    code = "deposit-too-large"


class TooManyDocuments(InvalidInput):
    """There are more documents than the settings allow."""

    code = "too-many-documents"


@dataclass(frozen=True, slots=True)
class Upload:
    """One document; ``number`` counts from 1."""

    number: int
    role: str
    name: str
    media_type: str
    spool_file: str
    object_name: ObjectName
    file: EncryptedSpoolFile


class Uploads:
    """The documents of one request. ``package``: what their encryption is bound to; ``prefix``: how their files'
    names begin; ``whole``: what messages call them together."""

    def __init__(self, workshop: Workshop, package: UUID, prefix: str, whole: str) -> None:
        self._workshop, self._package, self._prefix, self._whole = workshop, package, prefix, whole
        self.key = workshop.entropy(32)
        self.documents: list[Upload] = []
        self._total = 0

    @property
    def _limits(self) -> IntakeLimits:
        return self._workshop.limits

    def open(self, role: str, name: str, media_type: str) -> UploadWriter:
        """Raises ``DocumentNameInvalid``, ``TooManyDocuments``, ``SpoolFull``."""
        check_document_name(name)
        if len(self.documents) >= self._limits.max_documents:
            raise TooManyDocuments(f"{self._whole} has {self._limits.max_documents} documents at most")
        number = len(self.documents) + 1
        spool_file, object_name = f"{self._prefix}.{number}", self._workshop.spooled(self._package, number)
        file = self._workshop.spool.encrypting(spool_file, self.key, object_name, self._workshop.entropy)
        self.documents.append(Upload(number, role, name, media_type, spool_file, object_name, file))
        return UploadWriter(self, file)

    def discard(self) -> None:
        """Nothing of them is left."""
        for each in self.documents:
            with suppress(OSError):
                each.file.discard()

    def count(self, length: int, of_document: int) -> None:
        """Raises ``DocumentTooLarge``, ``DepositTooLarge`` before the bytes over the limit are written."""
        if of_document + length > self._limits.max_document_bytes:
            raise DocumentTooLarge(f"a document has {self._limits.max_document_bytes} bytes at most")
        self._total += length
        if self._total > self._limits.max_deposit_bytes:
            raise DepositTooLarge(f"{self._whole} has {self._limits.max_deposit_bytes} bytes at most")


class UploadWriter:
    """One document's bytes on their way into the spool."""

    def __init__(self, uploads: Uploads, file: EncryptedSpoolFile) -> None:
        self._uploads, self._file, self._length = uploads, file, 0

    def write(self, data: bytes, /) -> None:
        self._uploads.count(len(data), self._length)
        self._length += len(data)
        self._file.write(data)

    def close(self) -> None:
        """The last byte came; durability comes when the file is finished."""
