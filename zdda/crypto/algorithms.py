"""The algorithm catalogue: which digests, keys and signature mechanisms are reliable, and until when.

Facts of ETSI TS 119 312 V1.5.1 and, for what had gone before it, ETSI TS 102 176-1. A date is the day from
which an algorithm is not relied upon; None means that no end is set. What is not listed is not accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from zdda.model.canonical_json import canonical_json
from zdda.model.clock import format_time


class Reliability(StrEnum):
    RELIABLE = "reliable"
    EXPIRED = "expired"
    EXPIRED_AFTER_REVIEW = "expired-after-review"
    UNKNOWN = "unknown"
    KEY_TOO_SMALL = "key-too-small"


@dataclass(frozen=True, slots=True)
class AlgorithmVerdict:
    """``until``: the day the algorithm ends, None for none or unknown."""

    reliability: Reliability
    until: datetime | None = None


_RELIABLE, _UNKNOWN = AlgorithmVerdict(Reliability.RELIABLE), AlgorithmVerdict(Reliability.UNKNOWN)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_DIGESTS: dict[str, datetime | None] = {
    "md5": _day("2004-08-01"),
    "sha1": _day("2012-08-01"),
    "sha224": _day("2029-01-01"),
    "sha256": None,
    "sha384": None,
    "sha512": None,
    "sha3_256": None,
    "sha3_384": None,
    "sha3_512": None,
    "ripemd160": _day("2014-08-01"),
    "whirlpool": _day("2020-12-01"),
}
_RSA: tuple[tuple[int, datetime | None], ...] = (
    (786, _day("2010-08-01")),
    (1024, _day("2019-10-01")),
    (1900, _day("2029-01-01")),
)
_ECDSA: tuple[tuple[int, datetime | None], ...] = (
    (160, _day("2012-08-01")),
    (224, _day("2021-10-01")),
    (256, None),
)
# mechanism → (least key size in bits, day it ends), ascending: the last entry that a key reaches counts.
_KEYS: dict[str, tuple[tuple[int, datetime | None], ...]] = {
    "rsassa_pkcs1v15": _RSA,
    "rsassa_pss": (*_RSA, (3000, None)),
    "ecdsa": _ECDSA,
    "plain_ecdsa": _ECDSA,
    "dsa": ((1024, _day("2015-12-01")), (1900, _day("2029-01-01")), (3000, None)),
}


@dataclass(frozen=True)
class AlgorithmCatalogue:
    """``reviewed``: the day of the last review; an end that lies after it is told but does not fail."""

    version: str = "TS 119 312 V1.5.1"
    reviewed: datetime = field(default_factory=lambda: _day("2024-10-13"))
    digests: Mapping[str, datetime | None] = field(default_factory=lambda: dict(_DIGESTS))
    keys: Mapping[str, tuple[tuple[int, datetime | None], ...]] = field(default_factory=lambda: dict(_KEYS))

    def digest_at(self, name: str | None, moment: datetime) -> AlgorithmVerdict:
        if name is None or name not in self.digests:
            return _UNKNOWN
        return self._at(self.digests[name], moment)

    def key_at(self, mechanism: str, size: int | None, moment: datetime) -> AlgorithmVerdict:
        """``size`` in bits: of the modulus, or of the curve's order."""
        if mechanism not in self.keys or size is None:
            return _UNKNOWN
        reached = [end for least, end in self.keys[mechanism] if size >= least]
        if not reached:
            return AlgorithmVerdict(Reliability.KEY_TOO_SMALL)
        return self._at(reached[-1], moment)

    def _at(self, end: datetime | None, moment: datetime) -> AlgorithmVerdict:
        if end is None:
            return _RELIABLE
        if moment < end:
            return AlgorithmVerdict(Reliability.RELIABLE, end)
        if end > self.reviewed:
            return AlgorithmVerdict(Reliability.EXPIRED_AFTER_REVIEW, end)
        return AlgorithmVerdict(Reliability.EXPIRED, end)

    def as_json(self) -> dict[str, object]:
        def day(end: datetime | None) -> str | None:
            return None if end is None else format_time(end)

        return {
            "digests": {name: day(end) for name, end in self.digests.items()},
            "keys": {name: [[size, day(end)] for size, end in rows] for name, rows in self.keys.items()},
            "reviewed": format_time(self.reviewed),
            "version": self.version,
        }

    @cached_property
    def canonical(self) -> bytes:
        """The catalogue's canonical JSON."""
        return canonical_json(self.as_json())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the catalogue's canonical JSON in hexadecimal: what a report pins."""
        return hashlib.sha256(self.canonical).hexdigest()
