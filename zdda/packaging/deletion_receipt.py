"""The body of an amendment that tells what was destroyed (``schemas/deletion-receipt-v1.json``): the deletion receipt.

It holds no content, no names of documents and no metadata of a package. Addresses in it are of objects that no longer
exist: they are what the stores' own logs name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zdda.model.clock import format_time, parse_time
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind

DISPOSAL = "disposal"
"""The kind of such an amendment."""
FORMAT = "zdda-deletion-receipt/1"
_MOST_OBJECTS = 1_000_000
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DestroyedPackage:
    """What stays known of a package: ``idempotency``: HMAC of account and idempotency key; None without a key."""

    package: UUID
    deposit: UUID
    idempotency: bytes | None
    retention_class: str
    mark: str
    retain_until: datetime
    archived_at: datetime
    group_digest: bytes
    batch: UUID
    leaf_index: int


@dataclass(frozen=True, slots=True)
class DestroyedRecord:
    """A place of the key area in which the object's record, and with it its key, was overwritten and then sought."""

    place: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DestroyedCopy:
    """What one site did: see ``zdda.storage.erase_permit.Deletion``. ``evidence``: what the site itself said."""

    site: str
    outcome: str
    method: str
    at: datetime
    passes: tuple[str, ...]
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DestroyedObject:
    """One object. ``generation``: the key that its record was wrapped under: once that is destroyed, no old copy of the
    record revives it. ``leaf``: its leaf in the evidence, for amendments."""

    package: UUID
    kind: str
    sequence: int
    address: str
    length: int
    retain_until: datetime
    generation: int
    leaf: bytes | None
    reason: str
    records: tuple[DestroyedRecord, ...]
    copies: tuple[DestroyedCopy, ...]


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """``token``: the timestamp over ``plan``, the SHA-256 of the plan, taken before anything was destroyed."""

    disposal: UUID
    decided_by: str
    decided_at: datetime
    ended_at: datetime
    clocks: Mapping[str, datetime]
    plan: bytes
    token: bytes
    packages: tuple[DestroyedPackage, ...]
    objects: tuple[DestroyedObject, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "disposalId": str(self.disposal),
            "decidedBy": self.decided_by,
            "decidedAt": format_time(self.decided_at),
            "endedAt": format_time(self.ended_at),
            "clocks": {name: format_time(moment) for name, moment in self.clocks.items()},
            "plan": self.plan.hex(),
            "timestampToken": base64.b64encode(self.token).decode("ascii"),
            "packages": [_package(each) for each in self.packages],
            "objects": [_object(each) for each in self.objects],
        }

    def is_proper(self) -> bool:
        """Whether digests and numbers can be what they are said to be, and everything was destroyed somewhere."""
        digests = [self.plan, *(each.group_digest for each in self.packages)]
        digests += [each.idempotency for each in self.packages if each.idempotency is not None]
        digests += [each.leaf for each in self.objects if each.leaf is not None]
        numbers = [each.leaf_index for each in self.packages]
        for each in self.objects:
            numbers += [each.sequence, each.length, each.generation]
            ContentAddress.parse(each.address)
            ObjectKind(each.kind)
        names = {(each.package, each.kind, each.sequence) for each in self.objects}
        return (
            1 <= len(self.objects) <= _MOST_OBJECTS
            and len(names) == len(self.objects)
            and len({each.package for each in self.packages}) == len(self.packages)
            and all(len(digest) == 32 for digest in digests)
            and all(type(number) is int and 0 <= number < 2**63 for number in numbers)
            and all(each.leaf_index <= _MOST for each in self.packages)
            and all(each.records and each.copies for each in self.objects)
            and bool(self.decided_by and self.clocks and self.token)
        )


def read_deletion_receipt(value: Mapping[str, Any]) -> DeletionReceipt:
    """Raises ``KeyError``, ``TypeError`` or ``ValueError`` for another form."""
    if value["format"] != FORMAT:
        raise ValueError("another format")
    receipt = DeletionReceipt(
        disposal=UUID(value["disposalId"]),
        decided_by=_text(value["decidedBy"]),
        decided_at=parse_time(value["decidedAt"]),
        ended_at=parse_time(value["endedAt"]),
        clocks={_text(name): parse_time(moment) for name, moment in value["clocks"].items()},
        plan=bytes.fromhex(value["plan"]),
        token=base64.b64decode(value["timestampToken"], validate=True),
        packages=tuple(_read_package(each) for each in value["packages"]),
        objects=tuple(_read_object(each) for each in value["objects"]),
    )
    if not receipt.is_proper():
        raise ValueError("not what a receipt can say")
    return receipt


def _package(each: DestroyedPackage) -> dict[str, Any]:
    return {
        "packageId": str(each.package),
        "depositId": str(each.deposit),
        "idempotency": each.idempotency.hex() if each.idempotency is not None else None,
        "retention": {
            "class": each.retention_class,
            "mark": each.mark,
            "retainUntil": format_time(each.retain_until),
        },
        "archivedAt": format_time(each.archived_at),
        "groupDigest": each.group_digest.hex(),
        "batchId": str(each.batch),
        "leafIndex": each.leaf_index,
    }


def _read_package(value: Mapping[str, Any]) -> DestroyedPackage:
    retention, idempotency = value["retention"], value["idempotency"]
    return DestroyedPackage(
        package=UUID(value["packageId"]),
        deposit=UUID(value["depositId"]),
        idempotency=None if idempotency is None else bytes.fromhex(idempotency),
        retention_class=_text(retention["class"]),
        mark=_text(retention["mark"]),
        retain_until=parse_time(retention["retainUntil"]),
        archived_at=parse_time(value["archivedAt"]),
        group_digest=bytes.fromhex(value["groupDigest"]),
        batch=UUID(value["batchId"]),
        leaf_index=value["leafIndex"],
    )


def _object(each: DestroyedObject) -> dict[str, Any]:
    return {
        "package": str(each.package),
        "kind": each.kind,
        "sequence": each.sequence,
        "address": each.address,
        "length": each.length,
        "retainUntil": format_time(each.retain_until),
        "generation": each.generation,
        "leaf": each.leaf.hex() if each.leaf is not None else None,
        "reason": each.reason,
        "records": [{"place": one.place, "destroyedAt": format_time(one.at)} for one in each.records],
        "copies": [copy_as_json(one) for one in each.copies],
    }


def copy_as_json(each: DestroyedCopy) -> dict[str, Any]:
    """What one site did, as it stands in the receipt."""
    return {
        "site": each.site,
        "outcome": each.outcome,
        "method": each.method,
        "at": format_time(each.at),
        "passes": list(each.passes),
        "evidence": dict(each.evidence),
    }


def read_copy(value: Mapping[str, Any]) -> DestroyedCopy:
    """Reads what ``copy_as_json`` gave."""
    return DestroyedCopy(
        site=_text(value["site"]),
        outcome=_text(value["outcome"]),
        method=_text(value["method"]),
        at=parse_time(value["at"]),
        passes=tuple(_text(each) for each in value["passes"]),
        evidence={_text(name): _text(each, 1_000_000) for name, each in value["evidence"].items()},
    )


def _read_object(value: Mapping[str, Any]) -> DestroyedObject:
    leaf = value["leaf"]
    return DestroyedObject(
        package=UUID(value["package"]),
        kind=_text(value["kind"]),
        sequence=value["sequence"],
        address=_text(value["address"]),
        length=value["length"],
        retain_until=parse_time(value["retainUntil"]),
        generation=value["generation"],
        leaf=None if leaf is None else bytes.fromhex(leaf),
        reason=_text(value["reason"], 100_000),
        records=tuple(DestroyedRecord(_text(one["place"]), parse_time(one["destroyedAt"])) for one in value["records"]),
        copies=tuple(read_copy(one) for one in value["copies"]),
    )


def _text(value: Any, longest: int = 1024) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise TypeError("not a text of that length")
    return value
