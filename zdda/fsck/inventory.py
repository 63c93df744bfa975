"""The inventory that ``fsck`` emits: canonical JSON, one line each; format ``zdda-inventory/1``.

It holds addresses, and stays within the archive; it holds no metadata, no names and no subjects. Add members and
line types, never change one: a reader passes over types it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from zdda.evidence.batch import EvidenceBatch
from zdda.fsck.findings import Finding, Severity
from zdda.fsck.object_walk import CheckedObject
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import format_time
from zdda.model.errors import InvalidInput
from zdda.packaging.aip_reader import Aip
from zdda.packaging.amendment import Amendment
from zdda.packaging.deposit_record import DocumentFacts

FORMAT = "zdda-inventory/1"
_LONGEST_LINE = 64 * 1024 * 1024
Line = dict[str, Any]


class InventoryMalformed(InvalidInput):
    """The bytes are no whole inventory."""

    code = "inventory-malformed"


def encode_line(line: Mapping[str, object]) -> bytes:
    """The line with its end."""
    return canonical_json(line) + b"\n"


def read_inventory(source: BinaryIO) -> Iterator[Line]:
    """Line after line; raises ``InventoryMalformed`` for other bytes, and at the end where the summary is missing."""
    ended = False
    for number in range(2**63):
        data = source.readline(_LONGEST_LINE + 1)
        if not data:
            break
        try:
            line: Line = parse_json(data.removesuffix(b"\n"), _LONGEST_LINE)
            proper = not ended and isinstance(line["type"], str) and data == encode_line(line)
            proper = proper and (number > 0 or (line["type"] == "inventory" and line["format"] == FORMAT))
        except (ValueError, KeyError, TypeError) as error:
            raise InventoryMalformed("a line is not that of an inventory") from error
        if not proper:
            raise InventoryMalformed("a line is not that of an inventory, or not at its place")
        ended = line["type"] == "summary"
        yield line
    if not ended:
        raise InventoryMalformed("the inventory has no end: it was cut short")


def header_line(archive: str, tenant: str, at: datetime, generations: Iterable[int]) -> Line:
    return {
        "type": "inventory",
        "format": FORMAT,
        "archive": archive,
        "tenant": tenant,
        "at": format_time(at),
        "generations": list(generations),
    }


def object_line(checked: CheckedObject) -> Line:
    record = checked.record
    return {
        "type": "object",
        "package": str(record.name.package),
        "kind": str(record.name.kind),
        "sequence": record.name.sequence,
        "address": str(record.address),
        "length": record.length,
        "sha512": record.sha512.hex(),
        "generation": record.generation,
        "retainUntil": format_time(record.retain_until),
        "lock": None if checked.lock is None else format_time(checked.lock),
        "places": list(checked.places),
        "sites": list(checked.whole),
        "intact": checked.intact,
    }


def batch_line(batch: EvidenceBatch, root: bytes, proven_at: datetime | None, token_sha256: bytes) -> Line:
    return {
        "type": "batch",
        "batch": str(batch.batch_id),
        "created": format_time(batch.created),
        "leaves": len(batch.leaves),
        "root": root.hex(),
        "provenAt": None if proven_at is None else format_time(proven_at),
        "token": token_sha256.hex(),
    }


def amendment_line(amendment: Amendment, digest: bytes, place: tuple[UUID, int] | None) -> Line:
    return {
        "type": "amendment",
        "amendment": str(amendment.amendment),
        "kind": amendment.kind,
        "created": format_time(amendment.created),
        "digest": digest.hex(),
        "packages": [
            {"package": str(each.package), "sequence": each.sequence, "predecessor": each.predecessor.hex()}
            for each in amendment.packages
        ],
        **_in_batch(place),
    }


def package_line(aip: Aip, group_digest: bytes, description: bytes, place: tuple[UUID, int] | None) -> Line:
    """``description``: HMAC over what the Producer said (``zdda.packaging.package_description``)."""
    facts, retention = aip.deposit.facts, aip.deposit.facts.retention
    return {
        "type": "package",
        "package": str(facts.package),
        "deposit": str(facts.deposit),
        "account": facts.account,
        "requestDigest": facts.request_digest.hex(),
        "description": description.hex(),
        "receivedAt": format_time(facts.received_at),
        "validatedAt": format_time(facts.validated_at),
        "sealedAt": format_time(aip.deposit.sealed_at),
        "retention": {
            "class": retention.name,
            "mark": str(retention.mark),
            "years": retention.years,
            "retainUntil": format_time(retention.retain_until),
        },
        "groupDigest": group_digest.hex(),
        "documents": [_document(each) for each in aip.deposit.documents],
        **_in_batch(place),
    }


def archived_line(package: UUID, amendment: UUID, stored_at: datetime, archived_at: datetime) -> Line:
    """What the amendment of a batch tells of one package."""
    return {
        "type": "archived",
        "package": str(package),
        "amendment": str(amendment),
        "storedAt": format_time(stored_at),
        "archivedAt": format_time(archived_at),
    }


def finding_line(finding: Finding) -> Line:
    return {
        "type": "finding",
        "severity": str(finding.severity),
        "code": finding.code,
        "message": finding.message,
        "package": None if finding.package is None else str(finding.package),
        "kind": None if finding.kind is None else str(finding.kind),
        "sequence": finding.sequence,
        "where": finding.where,
    }


def summary_line(counts: Mapping[str, int], severities: Mapping[Severity, int]) -> Line:
    """``counts``: how many lines of each type came before."""
    return {
        "type": "summary",
        "clean": not any(severities.values()),
        "lines": dict(counts),
        "findings": {str(severity): severities.get(severity, 0) for severity in Severity},
    }


def _document(facts: DocumentFacts) -> Line:
    return {
        "number": facts.number,
        "role": facts.role,
        "mediaType": facts.media_type,
        "formatName": facts.format_name,
        "puid": facts.puid,
        "length": facts.length,
        "sha256": facts.sha256.hex(),
        "sha512": facts.sha512.hex(),
        "verdict": facts.verdict,
    }


def _in_batch(place: tuple[UUID, int] | None) -> Line:
    return {"batch": None if place is None else str(place[0]), "leafIndex": None if place is None else place[1]}
