"""Trust anchors: certificates trusted because settings or the caller say so, never because a package does."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
MAXIMUM_FILE = 16 * 1024 * 1024


@dataclass(frozen=True)
class TrustAnchors:
    """DER certificates whose name and key end every path (RFC 5280 clause 6.1.1 d)."""

    certificates: tuple[bytes, ...] = ()

    @cached_property
    def _members(self) -> frozenset[bytes]:
        return frozenset(self.certificates)

    def __contains__(self, certificate: object) -> bool:
        return certificate in self._members

    def __add__(self, other: TrustAnchors) -> TrustAnchors:
        return TrustAnchors(tuple(dict.fromkeys(self.certificates + other.certificates)))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each anchor in hexadecimal, ascending: what a report pins."""
        return tuple(sorted(hashlib.sha256(der).hexdigest() for der in self.certificates))

    @cached_property
    def ordered(self) -> tuple[bytes, ...]:
        """In ascending order of SHA-256: the order in which anchors were given must not decide between paths."""
        return tuple(sorted(self.certificates, key=lambda der: hashlib.sha256(der).digest()))

    @classmethod
    def load(cls, files: Iterable[bytes]) -> TrustAnchors:
        """Reads files of one DER certificate or of PEM certificates; raises ``FormatError``."""
        found: list[bytes] = []
        for data in files:
            if len(data) > MAXIMUM_FILE:
                raise FormatError("a file of trust anchors is too long")
            blocks = [b64decode(block) for block in _PEM.findall(data)] or [data]
            for der in blocks:
                load_certificate(der)
                found.append(der)
        return cls(tuple(dict.fromkeys(found)))
