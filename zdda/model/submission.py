"""What the Producer says of a deposit: the metadata of a Submission Information Package."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SubjectIdentifier:
    """One identifier of the person a record is about; always sensitive: never logged, never in an address."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The source system's own name of the deposit; unique for (tenant, producer, id)."""

    producer: str
    id: str


@dataclass(frozen=True, slots=True)
class SubmissionMetadata:
    """The members of ``schemas/submission-metadata-v1.json``, parsed. Dates are RFC 3339 texts as given."""

    title: str
    document_type: str
    retention_class: str
    originator: str | None = None
    created: str | None = None
    external_id: ExternalId | None = None
    subjects: tuple[SubjectIdentifier, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentDescription:
    """What is known of one received document before it is opened, and its format once identified.

    ``number`` counts from 1 within the deposit; ``original_name`` is the Producer's, data and never a path.
    ``role`` is ``main`` or ``attachment``.
    """

    number: int
    role: str
    original_name: str
    media_type: str
    length: int
    sha256: bytes
    sha512: bytes
    crc32: int
    format_name: str | None = None
    puid: str | None = None
