"""What ``generations.json`` holds, and its bytes: every key wrapped for its own place, every copy counted."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zdda.crypto.key_wrapping import KeyWrapper
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import parse_time
from zdda.model.errors import IntegrityError
from zdda.model.identifiers import TenantId, tenant_id

FORMAT = "zdda-generations/2"
_BEFORE_COPIES_WERE_COUNTED = "zdda-generations/1"
MAXIMUM_FILE = 16 * 1024 * 1024
_SEAL_CONTEXT = b"zdda/1|generations"


@dataclass(frozen=True, slots=True)
class CountedExport:
    """One copy of a generation key outside the archive: ``sha256`` of the export's bytes (hex), ``recipient`` the
    SHA-256 of the recovery certificate (hex), ``exported`` the time (RFC 3339)."""

    exported: str
    recipient: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DestroyedGeneration:
    """A generation whose key is gone from the archive; ``exports`` are the copies that people still have to destroy."""

    number: int
    created: str
    destroyed: str
    exports: tuple[CountedExport, ...]


@dataclass(slots=True)
class Generation:
    """A generation key that is there, with what is derived from it."""

    created: str
    wrapped: bytes
    key: bytes = field(repr=False)
    exports: tuple[CountedExport, ...] = ()
    wrapping: AESSIV = field(init=False)
    authentication: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.wrapping = AESSIV(HKDF(SHA256(), 64, None, b"zdda/1|data-key-wrapping").derive(self.key))
        self.authentication = HKDF(SHA256(), 32, None, b"zdda/1|authentication").derive(self.key)

    def wrapping_for(self, context: bytes) -> bytes:
        """The key that wraps one data key: AES key wrap binds to nothing, so the place is in the key."""
        place = hashlib.sha256(context).digest()
        return HKDF(SHA256(), 32, None, b"zdda/1|data-key-wrapping-in-place|" + place).derive(self.key)


@dataclass(slots=True)
class TenantKeys:
    """One tenant's keys, and the generations it once had."""

    content_id_wrapped: bytes
    content_id_key: bytes = field(repr=False)
    generations: dict[int, Generation] = field(default_factory=dict)
    destroyed: tuple[DestroyedGeneration, ...] = ()

    def next_number(self) -> int:
        """One that was never given before: a number means one key for ever."""
        return max([0, *self.generations, *(each.number for each in self.destroyed)]) + 1


def read_generations(data: bytes, wrapper: KeyWrapper) -> dict[TenantId, TenantKeys]:
    """Raises ``IntegrityError`` for what is damaged, changed or wrapped by another key, ``Unavailable``."""
    try:
        content = parse_json(data, MAXIMUM_FILE)
        if set(content) != {"format", "seal", "tenants"} or canonical_json(content) != data:
            raise ValueError("form")
        counted = {_BEFORE_COPIES_WERE_COUNTED: False, FORMAT: True}[content["format"]]
        sealed = wrapper.unwrap(_decode(content.pop("seal")), _SEAL_CONTEXT)
        if not hmac.compare_digest(sealed, hashlib.sha256(canonical_json(content)).digest()):
            raise ValueError("the seal is over other content")
        return {
            tenant_id(name): _read_tenant(tenant_id(name), entry, wrapper, counted)
            for name, entry in content["tenants"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError("the file of generation keys is damaged") from error


def write_generations(tenants: dict[TenantId, TenantKeys], wrapper: KeyWrapper) -> bytes:
    """Sealed by ``wrapper``, which has wrapped the keys; raises ``Unavailable``."""
    content: dict[str, object] = {
        "format": FORMAT,
        "tenants": {
            str(tenant): {
                "contentIdKey": _encode(keys.content_id_wrapped),
                "destroyed": [
                    {
                        "created": each.created,
                        "destroyed": each.destroyed,
                        "exports": _write_exports(each.exports),
                        "number": each.number,
                    }
                    for each in keys.destroyed
                ],
                "generations": [
                    {
                        "created": each.created,
                        "exports": _write_exports(each.exports),
                        "key": _encode(each.wrapped),
                        "number": number,
                    }
                    for number, each in sorted(keys.generations.items())
                ],
            }
            for tenant, keys in tenants.items()
        },
    }
    digest = hashlib.sha256(canonical_json(content)).digest()
    content["seal"] = _encode(wrapper.wrap(digest, _SEAL_CONTEXT))
    return canonical_json(content)


def generation_context(tenant: TenantId, number: int) -> bytes:
    """The place that a wrapped generation key is bound to."""
    return f"zdda/1|generation-key|{tenant}|{number}".encode("ascii")


def content_id_context(tenant: TenantId) -> bytes:
    """The place that a tenant's wrapped content-id key is bound to."""
    return f"zdda/1|content-id-key|{tenant}".encode("ascii")


def _read_tenant(tenant: TenantId, entry: dict[str, Any], wrapper: KeyWrapper, counted: bool) -> TenantKeys:
    if set(entry) != {"contentIdKey", "generations"} | ({"destroyed"} if counted else set()):
        raise ValueError("members of a tenant")
    wrapped = _decode(entry["contentIdKey"])
    keys = TenantKeys(wrapped, wrapper.unwrap(wrapped, content_id_context(tenant)))
    for generation in entry["generations"]:
        if set(generation) != {"created", "key", "number"} | ({"exports"} if counted else set()):
            raise ValueError("members of a generation")
        number, wrapped = _number(generation["number"]), _decode(generation["key"])
        key = wrapper.unwrap(wrapped, generation_context(tenant, number))
        exports = _read_exports(generation.get("exports", []))
        keys.generations[number] = Generation(_time(generation["created"]), wrapped, key, exports)
    keys.destroyed = tuple(_read_destroyed(each) for each in entry.get("destroyed", []))
    return keys


def _read_destroyed(entry: dict[str, Any]) -> DestroyedGeneration:
    if set(entry) != {"created", "destroyed", "exports", "number"}:
        raise ValueError("members of a destroyed generation")
    exports = _read_exports(entry["exports"])
    return DestroyedGeneration(_number(entry["number"]), _time(entry["created"]), _time(entry["destroyed"]), exports)


def _read_exports(entries: list[Any]) -> tuple[CountedExport, ...]:
    if any(set(each) != {"exported", "recipient", "sha256"} for each in entries):
        raise ValueError("members of an export")
    return tuple(CountedExport(_time(each["exported"]), each["recipient"], each["sha256"]) for each in entries)


def _write_exports(exports: tuple[CountedExport, ...]) -> list[dict[str, str]]:
    return [{"exported": each.exported, "recipient": each.recipient, "sha256": each.sha256} for each in exports]


def _number(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("a generation has a number from 1")
    return value


def _time(value: Any) -> str:
    parse_time(value)
    return str(value)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
