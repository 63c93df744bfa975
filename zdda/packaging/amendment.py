"""Amendments: what happened to packages after their sealing, as small sealed objects (``schemas/amendment-v1.json``).

CMS SignedData (CAdES-B-B) around canonical JSON, attached: any CMS tool prints the content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zdda.crypto.signing import Signer
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import format_time, parse_time
from zdda.model.identifiers import TenantId, tenant_id
from zdda.packaging.cms import SignedData, read, sign
from zdda.packaging.deletion_receipt import DISPOSAL, DeletionReceipt, read_deletion_receipt
from zdda.packaging.errors import AmendmentInvalid
from zdda.packaging.preservation_events import PRESERVATION_EVENTS, PreservationEvents, read_preservation_events
from zdda.packaging.renewed_validation import VALIDATION, RenewedValidation, read_renewed_validation

FORMAT = "zdda-amendment/1"
SEALING_STORING_EVIDENCE = "sealing-storing-evidence"
LIMIT = 64 * 1024 * 1024
MOST_PACKAGES = 100_000
Typed = RenewedValidation | PreservationEvents
"""Bodies about one package."""
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AmendedPackage:
    """A package and the place of this amendment in its history. ``sequence`` counts from 1; ``predecessor`` is
    the evidence leaf (32 bytes) of the package, or of the amendment before this one."""

    package: UUID
    sequence: int
    predecessor: bytes


@dataclass(frozen=True, slots=True)
class ArchivedPackage:
    """What :class:`SealingStoringEvidence` tells of one package: its evidence leaf and its place in the batch."""

    package: UUID
    group_digest: bytes
    leaf_index: int
    sealed_at: datetime
    stored_at: datetime
    archived_at: datetime


@dataclass(frozen=True, slots=True)
class SealingStoringEvidence:
    """The body of the first kind: one for each evidence batch. ``batch_time`` is the token's genTime."""

    batch: UUID
    batch_time: datetime
    packages: tuple[ArchivedPackage, ...]


@dataclass(frozen=True, slots=True)
class Amendment:
    """An amendment's content. ``body`` is typed for the kinds this version knows, else the JSON value as it is."""

    amendment: UUID
    tenant: TenantId
    created: datetime
    kind: str
    packages: tuple[AmendedPackage, ...]
    body: SealingStoringEvidence | DeletionReceipt | Typed | Mapping[str, Any]


def make_amendment(amendment: Amendment, signer: Signer) -> bytes:
    """The DER of the sealed amendment; its signing-time is ``created``. Raises ``AmendmentInvalid`` for content
    that the schema does not allow, ``Unavailable`` where the signer is away."""
    content = encode_content(amendment)
    try:
        decode_content(content)
    except AmendmentInvalid as error:
        raise AmendmentInvalid(error.reason) from None
    return sign(content, signer, amendment.created, attached=True)


def read_amendment(der: bytes, name: str = "amendment") -> tuple[Amendment, SignedData]:
    """The content and the facts of its signature, which is intact; whether it is trusted is not judged here.

    Raises ``SealMalformed``, ``SealBroken`` or ``AmendmentInvalid``, all naming ``name``.
    """
    facts = read(der, None, name, LIMIT)
    assert facts.content is not None
    try:
        amendment = decode_content(facts.content)
    except AmendmentInvalid as error:
        raise AmendmentInvalid(error.reason, name) from None
    if facts.signing_time != amendment.created.replace(microsecond=0):
        raise AmendmentInvalid("was signed at another time than it tells", name)
    return amendment, facts


def encode_content(amendment: Amendment) -> bytes:
    """The canonical JSON that is signed."""
    body = amendment.body
    return canonical_json(
        {
            "format": FORMAT,
            "amendmentId": str(amendment.amendment),
            "tenant": amendment.tenant,
            "created": format_time(amendment.created),
            "kind": amendment.kind,
            "packages": [
                {
                    "packageId": str(each.package),
                    "sequence": each.sequence,
                    "predecessor": each.predecessor.hex(),
                }
                for each in amendment.packages
            ],
            "body": encode_body(body),
        }
    )


def decode_content(data: bytes) -> Amendment:
    """Reads what :func:`encode_content` wrote and nothing else; raises ``AmendmentInvalid``."""
    try:
        amendment = _decode(parse_json(data, LIMIT))
        canonical = encode_content(amendment) == data
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise AmendmentInvalid("is not in the published form") from None
    if not canonical:
        raise AmendmentInvalid("is not in the canonical form")
    _check(amendment)
    return amendment


def encode_body(body: SealingStoringEvidence | DeletionReceipt | Typed | Mapping[str, Any]) -> Mapping[str, Any]:
    """The body as a JSON value."""
    if isinstance(body, Typed | DeletionReceipt):
        return body.as_json()
    if not isinstance(body, SealingStoringEvidence):
        return body
    return {
        "batchId": str(body.batch),
        "batchTime": format_time(body.batch_time),
        "packages": [
            {
                "packageId": str(each.package),
                "groupDigest": each.group_digest.hex(),
                "leafIndex": each.leaf_index,
                "sealedAt": format_time(each.sealed_at),
                "storedAt": format_time(each.stored_at),
                "archivedAt": format_time(each.archived_at),
            }
            for each in body.packages
        ],
    }


def _decode(value: Mapping[str, Any]) -> Amendment:
    kind, body = value["kind"], value["body"]
    if not isinstance(body, dict):
        raise TypeError("a body is an object")
    return Amendment(
        amendment=UUID(value["amendmentId"]),
        tenant=tenant_id(value["tenant"]),
        created=parse_time(value["created"]),
        kind=kind,
        packages=tuple(
            AmendedPackage(UUID(each["packageId"]), each["sequence"], bytes.fromhex(each["predecessor"]))
            for each in value["packages"]
        ),
        body=_BODIES[kind](body) if kind in _BODIES else body,
    )


def _decode_body(value: Mapping[str, Any]) -> SealingStoringEvidence:
    return SealingStoringEvidence(
        batch=UUID(value["batchId"]),
        batch_time=parse_time(value["batchTime"]),
        packages=tuple(
            ArchivedPackage(
                package=UUID(each["packageId"]),
                group_digest=bytes.fromhex(each["groupDigest"]),
                leaf_index=each["leafIndex"],
                sealed_at=parse_time(each["sealedAt"]),
                stored_at=parse_time(each["storedAt"]),
                archived_at=parse_time(each["archivedAt"]),
            )
            for each in value["packages"]
        ),
    )


_BODIES: Mapping[str, Callable[[Mapping[str, Any]], SealingStoringEvidence | DeletionReceipt | Typed]] = {
    SEALING_STORING_EVIDENCE: _decode_body,
    VALIDATION: read_renewed_validation,
    PRESERVATION_EVENTS: read_preservation_events,
    DISPOSAL: read_deletion_receipt,
}


def _check(amendment: Amendment) -> None:
    packages = [each.package for each in amendment.packages]
    digests = [each.predecessor for each in amendment.packages]
    proper = _proper([each.sequence for each in amendment.packages], 1)
    if not 1 <= len(packages) <= MOST_PACKAGES or len(set(packages)) != len(packages):
        raise AmendmentInvalid("does not cover a proper number of packages, each once")
    if not _is_kind(amendment.kind):
        raise AmendmentInvalid("is of a kind that cannot be")
    body = amendment.body
    if isinstance(body, Typed) and len(packages) != 1:
        raise AmendmentInvalid("tells of one package and covers several")
    if isinstance(body, DeletionReceipt) and [each.package for each in body.packages] != packages:
        raise AmendmentInvalid("tells of other packages in its body")
    if isinstance(body, SealingStoringEvidence):
        if [each.package for each in body.packages] != packages:
            raise AmendmentInvalid("tells of other packages in its body")
        digests += [each.group_digest for each in body.packages]
        proper = proper and _proper([each.leaf_index for each in body.packages], 0)
    if any(len(digest) != 32 for digest in digests) or not proper:
        raise AmendmentInvalid("holds a digest or number that cannot be")


def _is_kind(kind: object) -> bool:
    return (
        isinstance(kind, str)
        and len(kind) <= 64
        and all(part.isascii() and part.isalnum() and part == part.lower() for part in kind.split("-"))
    )


def _proper(numbers: Sequence[object], least: int) -> bool:
    return all(type(number) is int and least <= number <= _MOST for number in numbers)
