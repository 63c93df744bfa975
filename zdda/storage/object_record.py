"""The object record: where an object lies, how it is decrypted, until when it is kept."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zdda.crypto.generations import GenerationKeys
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import format_time, parse_time
from zdda.model.errors import IntegrityError
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName

FORMAT = "zdda-object/1"
_MEMBERS = frozenset(
    "address format generation key kind length package retainMac retainUntil sequence sha512 tenant".split()  # noqa: SIM905
)


class RecordMalformed(IntegrityError):
    """The bytes are no object record, or one that was tampered with."""

    code = "record-malformed"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One record. ``length`` and ``sha512`` are of the stored (encrypted) bytes.

    The wrapped data key is bound to everything but the retention, which is authenticated apart so that it can be
    prolonged without unwrapping anything.
    """

    name: ObjectName
    address: ContentAddress
    length: int
    sha512: bytes
    generation: int
    wrapped_data_key: bytes
    retain_until: datetime
    retention_mac: bytes

    def encode(self) -> bytes:
        """Canonical JSON; the same record gives the same bytes."""
        return canonical_json(
            {
                **_identity(self.name, self.address, self.length, self.sha512, self.generation),
                "key": base64.b64encode(self.wrapped_data_key).decode("ascii"),
                "retainUntil": format_time(self.retain_until),
                "retainMac": base64.b64encode(self.retention_mac).decode("ascii"),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> ObjectRecord:
        """Reads exactly what ``encode`` writes; raises ``RecordMalformed``."""
        try:
            value: Any = parse_json(data, 4096)
            if not isinstance(value, dict) or value.keys() != _MEMBERS or value["format"] != FORMAT:
                raise ValueError("members")
            record = cls(
                ObjectName(
                    tenant_id(value["tenant"]), UUID(value["package"]), ObjectKind(value["kind"]), value["sequence"]
                ),
                ContentAddress.parse(value["address"]),
                value["length"],
                bytes.fromhex(value["sha512"]),
                value["generation"],
                base64.b64decode(value["key"], validate=True),
                parse_time(value["retainUntil"]),
                base64.b64decode(value["retainMac"], validate=True),
            )
            if record.encode() != data:
                raise ValueError("form")
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordMalformed("the bytes are no object record") from error
        return record

    def data_key(self, generations: GenerationKeys) -> bytes:
        """Unwraps the key; raises ``IntegrityError`` when any member it is bound to was changed."""
        context = _context(self.name, self.address, self.length, self.sha512, self.generation)
        return generations.unwrap_data_key(self.name.tenant, self.generation, self.wrapped_data_key, context)

    def check_retention(self, generations: GenerationKeys) -> None:
        """Raises ``RecordMalformed`` when the retention is not the one that was written."""
        expected = _retention_mac(generations, self.name, self.generation, self.address, self.retain_until)
        if not hmac.compare_digest(expected, self.retention_mac):
            raise RecordMalformed("the retention of a record is not authentic")

    def rewrapped(self, generations: GenerationKeys) -> ObjectRecord:
        """The record under the tenant's current generation: the same object, data key and retention. Raises
        ``IntegrityError`` where it is not authentic, ``NotFound`` where its generation is gone."""
        if self.generation == generations.current(self.name.tenant):
            return self
        self.check_retention(generations)
        key = self.data_key(generations)
        return seal_record(generations, self.name, self.address, self.length, self.sha512, key, self.retain_until)

    def prolonged(self, generations: GenerationKeys, retain_until: datetime) -> ObjectRecord:
        """The record with a later retention; raises ``ValueError`` for an earlier one."""
        if retain_until < self.retain_until:
            raise ValueError("a retention is never shortened this way")
        mac = _retention_mac(generations, self.name, self.generation, self.address, retain_until)
        return replace(self, retain_until=retain_until, retention_mac=mac)


def seal_record(
    generations: GenerationKeys,
    name: ObjectName,
    address: ContentAddress,
    length: int,
    sha512: bytes,
    data_key: bytes,
    retain_until: datetime,
) -> ObjectRecord:
    """A record under the tenant's current generation. Pure: nothing is written."""
    generation = generations.current(name.tenant)
    context = _context(name, address, length, sha512, generation)
    wrapped = generations.wrap_data_key(name.tenant, generation, data_key, context)
    mac = _retention_mac(generations, name, generation, address, retain_until)
    return ObjectRecord(name, address, length, sha512, generation, wrapped, retain_until, mac)


def _identity(
    name: ObjectName, address: ContentAddress, length: int, sha512: bytes, generation: int
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "tenant": name.tenant,
        "package": str(name.package),
        "kind": name.kind.value,
        "sequence": name.sequence,
        "address": str(address),
        "length": length,
        "sha512": sha512.hex(),
        "generation": generation,
    }


def _context(name: ObjectName, address: ContentAddress, length: int, sha512: bytes, generation: int) -> bytes:
    return canonical_json(_identity(name, address, length, sha512, generation))


def _retention_mac(
    generations: GenerationKeys, name: ObjectName, generation: int, address: ContentAddress, retain_until: datetime
) -> bytes:
    message = canonical_json(
        {
            "format": FORMAT,
            "object": name.associated_data().decode("ascii"),
            "address": str(address),
            "retainUntil": format_time(retain_until),
        }
    )
    return generations.authenticate(name.tenant, generation, message)
