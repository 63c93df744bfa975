"""Proofs of existence (EN 319 102-1 clause 5.6.2.3): since when bytes are known to exist, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ProofOfExistence:
    """``source`` names the token or record that proves ``time``: hexadecimal SHA-256, or ``validation-time``."""

    time: datetime
    source: str


@dataclass(frozen=True)
class ProofsOfExistence:
    """Digest (SHA-256 of the object) → its earliest proof. Immutable: a proof is added by making a new set.

    An object without a proof is known to exist at the validation time and no earlier; asking changes nothing.
    """

    validation_time: datetime
    proofs: Mapping[bytes, ProofOfExistence] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, digest: bytes) -> ProofOfExistence:
        found = self.proofs.get(digest)
        return found if found is not None else ProofOfExistence(self.validation_time, "validation-time")

    def with_proof(self, digest: bytes, proof: ProofOfExistence) -> ProofsOfExistence:
        """A set that also holds ``proof``, unless an earlier one is known."""
        return self.with_proofs((digest,), proof)

    def with_proofs(self, digests: Iterable[bytes], proof: ProofOfExistence) -> ProofsOfExistence:
        """The same for many objects that one token or record proves."""
        added = {digest: proof for digest in digests if proof.time < self.of(digest).time}
        if not added:
            return self
        return ProofsOfExistence(self.validation_time, MappingProxyType({**self.proofs, **added}))
