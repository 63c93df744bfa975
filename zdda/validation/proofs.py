"""Extraction of proofs of existence (EN 319 102-1 clause 5.6.2.3), from timestamps and from evidence records.

Only what passed proves anything, and only of what it covers; what is not covered stays known at the validation time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from zdda.model.proof_of_existence import ProofOfExistence, ProofsOfExistence
from zdda.signatures.model import Timestamp
from zdda.trust.revocation import RevocationFact


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceRecordFact:
    """What the adapter established of an evidence record (RFC 4998, RFC 6283).

    ``timestamps``: the tokens of its archive timestamps, the first made first. ``intact``: every digest of the
    record agrees, over the objects and over its own renewals. ``covers``: as of a ``Timestamp``.
    """

    identifier: str
    timestamps: tuple[Timestamp, ...]
    intact: bool
    covers: tuple[bytes, ...]


def proofs_of_timestamp(timestamp: Timestamp, proofs: ProofsOfExistence) -> ProofsOfExistence:
    """With what ``timestamp``, which passed, proves: all that it covers existed at its time. Not itself."""
    if timestamp.token is None:
        return proofs
    return _with(timestamp.covers, timestamp.token.gen_time, timestamp.identifier, proofs)


def proofs_of_record(record: EvidenceRecordFact, proofs: ProofsOfExistence) -> ProofsOfExistence:
    """With what ``record``, whose timestamps all passed, proves: what it covers existed at its first timestamp."""
    token = record.timestamps[0].token if record.timestamps else None
    if token is None or not record.intact:
        return proofs
    return _with(record.covers, token.gen_time, record.identifier, proofs)


def since(fact: RevocationFact, proofs: ProofsOfExistence) -> datetime:
    """When all that the fact rests on is known to have existed: a delta CRL is nothing without its complete CRL."""
    return max(proofs.of(digest).time for digest in (fact.digest, *fact.supporting))


def name_of(timestamp: Timestamp) -> bytes:
    return bytes.fromhex(timestamp.identifier)


def _with(covered: Iterable[bytes], time: datetime, source: str, proofs: ProofsOfExistence) -> ProofsOfExistence:
    return proofs.with_proofs(covered, ProofOfExistence(time, source))
