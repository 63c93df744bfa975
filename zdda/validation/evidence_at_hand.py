"""What the core may look at besides the signature itself: anchors, certificates, revocation data, catalogue.

Immutable, in memory; nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathResult, RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData
from zdda.validation.policy import ValidationPolicy


@dataclass(frozen=True)
class EvidenceAtHand:
    """``embedded``: the part of ``revocation`` that the document itself carries. ``latest_revocation``: the
    latest thisUpdate that counts; None for the validation time."""

    anchors: TrustAnchors
    certificates: tuple[bytes, ...]
    revocation: RevocationData
    policy: ValidationPolicy
    validation_time: datetime
    catalogue: AlgorithmCatalogue = field(default_factory=AlgorithmCatalogue)
    embedded: RevocationData = field(default_factory=RevocationData)
    latest_revocation: datetime | None = None

    def path_of(self, certificate: bytes) -> PathResult:
        """The best path at the validation time. Whether revocation data suffice is judged by the core."""
        return validate_path(
            certificate,
            self.certificates,
            self.anchors,
            self.validation_time,
            self.revocation,
            RequiredRevocation.ALL,
            self.latest_revocation,
        )
