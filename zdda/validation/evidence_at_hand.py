"""What the core may look at besides the signature itself: paths with their revocation data, policy, catalogue.

The core asks for facts through ``Evidence`` and parses nothing; ``EvidenceAtHand`` gets them from the bytes that
the document carries and the caller gave. Immutable, in memory; nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.errors import FormatError
from zdda.signatures.qualified_statements import qualified_statements
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathResult, RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData
from zdda.validation.policy import RevocationPolicy, ValidationPolicy
from zdda.validation.qualification import CertificateDeclaration


class Evidence(Protocol):
    """What the core asks. Answers never change within one validation."""

    @property
    def policy(self) -> ValidationPolicy: ...

    @property
    def catalogue(self) -> AlgorithmCatalogue: ...

    @property
    def validation_time(self) -> datetime: ...

    def certificate(self, name: bytes) -> Certificate | None:
        """The certificate that a token names (its DER, where there are bytes); None where it cannot be read."""
        ...

    def declaration_of(self, certificate: Certificate) -> CertificateDeclaration:
        """What the certificate says of its own qualification."""
        ...

    def path_of(self, certificate: Certificate) -> PathResult:
        """The best path at the validation time. Whether revocation data suffice is judged by the core."""
        ...


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

    def certificate(self, name: bytes) -> Certificate | None:
        try:
            return load_certificate(name)
        except FormatError:
            return None

    def declaration_of(self, certificate: Certificate) -> CertificateDeclaration:
        stated = qualified_statements(certificate.der)
        return CertificateDeclaration(
            certificate.not_before, stated.compliance, stated.secure_device, stated.types, stated.policies
        )

    def path_of(self, certificate: Certificate) -> PathResult:
        found = validate_path(
            certificate.der,
            self.certificates,
            self.anchors,
            self.validation_time,
            self.revocation,
            RequiredRevocation.ALL,
            self.latest_revocation,
        )
        return without_waived_doubts(found, self.policy.revocation)


def without_waived_doubts(path: PathResult, policy: RevocationPolicy) -> PathResult:
    """The same path without the doubts about revocation data that the policy passes over."""
    waived = any(policy.relies_on(doubt) for item in path.members for fact in item.revocation for doubt in fact.doubts)
    if not waived:
        return path
    members = tuple(
        replace(
            member,
            revocation=tuple(
                replace(fact, doubts=tuple(doubt for doubt in fact.doubts if not policy.relies_on(doubt)))
                for fact in member.revocation
            ),
        )
        for member in path.members
    )
    return replace(path, members=members)
