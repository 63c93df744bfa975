"""A public key infrastructure in memory, with a clock that stands still. Cached: making keys costs more than tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from zdda.demonstration.authority import Credential, DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.model.clock import FixedClock
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import complete_token

NOW = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
BORN = NOW - timedelta(days=1)


def counting_entropy(seed: int = 0) -> Callable[[int], bytes]:
    """Bytes that look random and are the same in every run."""
    counter = [seed]

    def entropy(n: int) -> bytes:
        counter[0] += 1
        return hashlib.shake_256(counter[0].to_bytes(8)).digest(n)

    return entropy


@dataclass(frozen=True)
class Pki:
    """``clock`` stands at the moment at which CRLs, answers and tokens are made; certificates are a day older."""

    clock: FixedClock
    entropy: Callable[[int], bytes]
    authority: DemonstrationAuthority
    timestamps: DemonstrationTimestamps

    @property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors((self.authority.root_certificate(),))

    def revocation(self, credential: Credential, *, with_ocsp: bool = False) -> RevocationData:
        """CRLs of the whole path, and an OCSP answer if asked for."""
        answers = (self.ocsp(credential),) if with_ocsp else ()
        return RevocationData((self.authority.crl("root"), self.authority.crl("issuing")), answers)

    def ocsp(self, credential: Credential) -> bytes:
        builder = ocsp.OCSPRequestBuilder().add_certificate(
            credential.certificate, self.authority.issuing.certificate, hashes.SHA256()
        )
        return self.authority.ocsp_response(builder.build().public_bytes(Encoding.DER))

    def token(self, imprint: bytes, algorithm: str = "sha256", by: Credential | None = None) -> bytes:
        """A token completed with what a verifier needs besides the root: issuing CA and CRLs."""
        by = by or self.authority.timestamping
        token = DemonstrationTimestamps(by, self.clock, self.entropy).token(imprint, algorithm)
        return complete_token(token, [self.authority.issuing.der], self.revocation(by))

    def at(self, moment: datetime) -> Pki:
        """Moves the clock; only for an infrastructure that no other test shares (``new_pki``)."""
        self.clock.move_to(moment)
        return self


def new_pki(name: str = "ZDDA DEMONSTRATION", born: datetime = BORN, now: datetime = NOW, seed: int = 0) -> Pki:
    clock = FixedClock(born)
    entropy = counting_entropy(seed)
    authority = DemonstrationAuthority(clock, entropy, "http://localhost:1", name=name)
    clock.move_to(now)
    return Pki(clock, entropy, authority, DemonstrationTimestamps(authority.timestamping, clock, entropy))


@cache
def pki() -> Pki:
    """The archive's own; shared by all tests, so its clock is not to be moved and nothing to be revoked."""
    return new_pki()


@cache
def stranger() -> Pki:
    """An infrastructure that looks the same and that nobody trusts."""
    return new_pki(seed=1_000_000)
