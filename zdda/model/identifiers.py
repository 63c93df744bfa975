"""Identifiers: tenants, packages (UUID version 7, RFC 9562) and content addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from zdda.model.clock import Clock, Entropy

TenantId = NewType("TenantId", str)

_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"sha256:([0-9a-f]{64})")


def tenant_id(text: str) -> TenantId:
    """Accepts 1 to 63 characters of ``a-z 0-9 -``, no hyphen at either end; raises ``ValueError`` else."""
    if not _TENANT.fullmatch(text):
        raise ValueError("a tenant is named by 1 to 63 lower-case letters, digits and inner hyphens")
    return TenantId(text)


def new_identifier(clock: Clock, entropy: Entropy) -> UUID:
    """A UUID version 7 (RFC 9562 clause 5.7): 48 bits of milliseconds, 74 random bits; ordered by time."""
    milliseconds = int(clock.now().timestamp() * 1000) & ((1 << 48) - 1)
    random = int.from_bytes(entropy(10))
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    return UUID(int=value)


@dataclass(frozen=True, slots=True, order=True)
class ContentAddress:
    """The SHA-256 digest of the bytes that lie in a store; written ``sha256:<64 lower-case hex digits>``.

    The tag is the way to another algorithm. Addresses never leave the archive.
    """

    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != 32:
            raise ValueError("a SHA-256 digest has 32 bytes")

    def __str__(self) -> str:
        return f"sha256:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> ContentAddress:
        match = _ADDRESS.fullmatch(text)
        if not match:
            raise ValueError("not a content address")
        return cls(bytes.fromhex(match[1]))
