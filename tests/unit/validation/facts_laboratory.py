"""Facts for the core without any bytes: certificates, revocation data, signatures and timestamps, named by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import (
    DigestMatcher,
    Profile,
    ReferenceState,
    Signature,
    SignedProperties,
    Timestamp,
    TimestampType,
)
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.timestamp_token import TimestampToken
from zdda.trust.paths import PathCertificate, PathResult, PathStatus
from zdda.trust.revocation import CertificateStatus, RevocationFact
from zdda.validation.policy import TIMESTAMPING, ValidationPolicy
from zdda.validation.qualification import CertificateDeclaration

ALGORITHM = SignatureAlgorithm("ecdsa", "sha256")
START, FAR = datetime(2000, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)


def name(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def day(year: int, month: int = 1, of_month: int = 1) -> datetime:
    return datetime(year, month, of_month, tzinfo=UTC)


def certificate(
    subject: str, start: datetime = START, end: datetime = FAR, kind: str = "signer", algorithm: str = "sha256"
) -> Certificate:
    """``kind``: ``signer``, ``ca``, ``tsa`` or ``responder``."""
    usages = {"signer": "content_commitment", "ca": "key_cert_sign"}
    return Certificate(
        der=name(subject),
        sha256=name(subject),
        serial=1,
        issuer=b"issuer of " + subject.encode(),
        subject=subject.encode(),
        not_before=start,
        not_after=end,
        public_key=None,
        public_key_info=name(subject),
        key_identifier=name(subject),
        authority_key_identifier=b"issuer",
        is_ca=kind == "ca",
        path_length=None,
        key_usage=frozenset({usages.get(kind, "digital_signature")}),
        extended_key_usage=frozenset({TIMESTAMPING}) if kind == "tsa" else None,
        critical_extensions=frozenset(),
        extensions=frozenset(),
        signature=SignatureAlgorithm("ecdsa", algorithm),
        key_size=256,
    )


ROOT = certificate("root", kind="ca")
CA = certificate("ca", kind="ca")


def told(
    issuer: Certificate,
    at: datetime,
    revoked_at: datetime | None = None,
    valid: timedelta = timedelta(days=7),
    about: str = "",
) -> RevocationFact:
    """A CRL of ``at``; its name depends on all that it says."""
    return RevocationFact(
        "crl",
        name(f"crl {issuer.subject!r} {at} {revoked_at} {about}"),
        CertificateStatus.GOOD if revoked_at is None else CertificateStatus.REVOKED,
        revoked_at,
        None if revoked_at is None else "unspecified",
        at,
        at + valid,
        at,
        issuer,
        ALGORITHM,
    )


@dataclass
class Facts:
    """Answers what the core asks. ``paths``: leaf's name → its path."""

    validation_time: datetime
    policy: ValidationPolicy = field(default_factory=ValidationPolicy)
    catalogue: AlgorithmCatalogue = field(default_factory=AlgorithmCatalogue)
    paths: dict[bytes, PathResult] = field(default_factory=dict)
    declared: dict[bytes, CertificateDeclaration] = field(default_factory=dict)

    def certificate(self, name: bytes) -> Certificate | None:
        found = self.paths.get(name)
        return found.members[0].certificate if found is not None else None

    def declaration_of(self, certificate: Certificate) -> CertificateDeclaration:
        return self.declared.get(certificate.sha256, CertificateDeclaration(certificate.not_before))

    def path_of(self, certificate: Certificate) -> PathResult:
        return self.paths[certificate.sha256]

    def trust(
        self,
        leaf: Certificate,
        facts: Sequence[RevocationFact],
        ca_facts: Sequence[RevocationFact],
        trusted_until: datetime | None = None,
    ) -> Certificate:
        """A path leaf – CA – root; the newest facts first."""
        members = (
            PathCertificate(leaf, False, _newest_first(facts), False),
            PathCertificate(CA, False, _newest_first(ca_facts), False),
            PathCertificate(ROOT, True, (), False, trusted_until),
        )
        path = tuple(member.certificate.der for member in members)
        self.paths[leaf.sha256] = PathResult(self.validation_time, PathStatus.VALID, path, members)
        return leaf

    def at(self, moment: datetime) -> Facts:
        return replace(self, validation_time=moment)


def _newest_first(facts: Sequence[RevocationFact]) -> tuple[RevocationFact, ...]:
    return tuple(sorted(facts, key=lambda fact: fact.this_update, reverse=True))


SIGNATURE = name("signature")


def signature(
    signer: Certificate, claimed: datetime, timestamps: Sequence[Timestamp] = (), digest: str = "sha256"
) -> Signature:
    return Signature(
        identifier=SIGNATURE.hex(),
        profile=Profile.PADES_BASELINE,
        counter=False,
        signature_value=b"",
        algorithm=SignatureAlgorithm("ecdsa", digest),
        digest_algorithm=digest,
        data_to_be_signed=None,
        value_intact=True,
        matchers=(DigestMatcher("MESSAGE_DIGEST", "", digest, True, True),),
        signer=signer,
        reference=ReferenceState.MATCH,
        references=(),
        claimed_signing_time=claimed,
        properties=SignedProperties(has_message_digest=True),
        certificates=(),
        crls=(),
        ocsps=(),
        timestamps=tuple(timestamps),
        findings=(),
        covered_until=0,
        document_length=0,
    )


def stamp(
    authority: Certificate,
    at: datetime,
    covers: Sequence[bytes] = (SIGNATURE,),
    type: TimestampType = TimestampType.SIGNATURE,
    intact: bool = True,
    digest: str = "sha256",
) -> Timestamp:
    identifier = name(f"stamp {authority.subject!r} {at} {type}")
    token = TimestampToken(
        der=identifier,
        gen_time=at,
        hash_algorithm=digest,
        imprint=b"",
        policy="1.2.3",
        nonce=None,
        serial=1,
        signer_certificate=authority.der,
        certificates=(),
        crls=(),
        ocsps=(),
        signature_intact=True,
        value_intact=True,
        certificate_reference="match",
        digest_algorithm=digest,
        signature_algorithm=SignatureAlgorithm("ecdsa", digest),
    )
    return Timestamp(identifier.hex(), type, token, True, intact, covers=tuple(covers))


def identifier(timestamp: Timestamp) -> bytes:
    return bytes.fromhex(timestamp.identifier)
