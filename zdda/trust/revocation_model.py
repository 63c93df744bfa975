"""Revocation data, and what one CRL or OCSP answer says of one certificate: facts with times, no verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from zdda.signatures.certificates import Certificate
from zdda.signatures.signature_value import SignatureAlgorithm

CLOCK_SKEW = timedelta(minutes=5)
KEY_WAS_SAFE = frozenset({"affiliation_changed", "superseded", "cessation_of_operation"})
"""RFC 3161 clause 4 (1): revoked for one of these, what was signed before stays good. ``unspecified`` counts too where
it is stated, but reads like no reason at all, after which nothing does: the stricter reading is taken."""
MAXIMUM_LENGTH = 128 * 1024 * 1024
_GENERALIZED_TIME = re.compile(rb"\x18\x0f[0-9]{14}Z")


class CertificateStatus(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Doubt(StrEnum):
    """Why a fact cannot be relied on."""

    ISSUED_LATER = "issued-later-than-the-moment"
    ISSUED_BEFORE_CERTIFICATE = "issued-before-the-certificate"
    CERTIFICATE_HAD_EXPIRED = "certificate-had-expired-when-issued"
    ISSUER_NOT_VALID_THEN = "issuer-not-valid-when-issued"
    RESPONDER_NOT_CHECKED = "responder-not-checked"
    RESPONDER_REVOKED = "responder-revoked"
    STATUS_UNKNOWN = "status-unknown"
    SOME_REASONS_ONLY = "some-reasons-only"
    OTHER_CERTIFICATE = "about-another-certificate"


@dataclass(frozen=True)
class RevocationData:
    """DER CRLs and OCSPResponses, whatever their origin; nothing is fetched."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()

    def __add__(self, other: RevocationData) -> RevocationData:
        return RevocationData(
            tuple(dict.fromkeys(self.crls + other.crls)), tuple(dict.fromkeys(self.ocsps + other.ocsps))
        )


@dataclass(frozen=True, slots=True)
class RevocationFact:
    """What one CRL or OCSP answer, whose signature holds, says of one certificate.

    ``kind``: ``crl`` or ``ocsp``; ``digest``: SHA-256 of its bytes; ``issuer``: the certificate of who signed
    it; ``doubts``: empty where the fact can be relied on at the moment asked. ``responder_facts`` are about the
    certificate of a delegated OCSP responder or of an indirect CRL's issuer. ``issuer_is_anchor``: the issuer is
    trusted by itself. ``supporting``: SHA-256 of what else the fact rests on (a delta CRL's complete CRL).
    """

    kind: str
    digest: bytes
    status: CertificateStatus
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None
    produced_at: datetime
    issuer: Certificate
    algorithm: SignatureAlgorithm
    doubts: tuple[Doubt, ...] = ()
    responder_facts: tuple[RevocationFact, ...] = ()
    issuer_is_anchor: bool = False
    supporting: tuple[bytes, ...] = ()

    @property
    def reliable(self) -> bool:
        return not self.doubts

    @property
    def revoked_since(self) -> datetime | None:
        """From when on the certificate counts as revoked, None where it does not. RFC 5280 clause 6.3.3: whoever is
        listed is revoked; so a revocation date ahead of the very data that tell it, or none, postpones nothing."""
        if self.status is not CertificateStatus.REVOKED:
            return None
        return self.this_update if self.revoked_at is None else min(self.revoked_at, self.this_update)

    def revoked_by(self, moment: datetime) -> bool:
        """Whether the certificate was revoked at ``moment``; a doubtful fact still counts here."""
        since = self.revoked_since
        return since is not None and since <= moment


def timing_doubts(
    certificate: Certificate,
    issuer: Certificate,
    this_update: datetime,
    produced_at: datetime,
    limit: datetime,
) -> list[Doubt]:
    doubts = []
    if this_update > limit:
        doubts.append(Doubt.ISSUED_LATER)
    if this_update < certificate.not_before - CLOCK_SKEW:
        doubts.append(Doubt.ISSUED_BEFORE_CERTIFICATE)
    if not issuer.not_before - CLOCK_SKEW <= produced_at <= issuer.not_after:
        doubts.append(Doubt.ISSUER_NOT_VALID_THEN)
    return doubts


def generalized_time(value: bytes) -> datetime | None:
    """A DER GeneralizedTime (RFC 5280 clause 4.1.2.5.2); None, which is the stricter reading, where it is none."""
    if _GENERALIZED_TIME.fullmatch(value) is None:
        return None
    try:
        return datetime.strptime(value[2:].decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def doubts_of_signer(facts: Sequence[RevocationFact], moment: datetime) -> tuple[Doubt, ...]:
    """What is to be doubted of revocation data whose signer stands in for the CA, given all that is known of it.

    Revoked for a reason that does not say that its key was safe, it is not believed whatever the dates: who has the
    key dates an answer as far back as it has to be.
    """
    for fact in facts:
        known = fact.status is CertificateStatus.REVOKED and Doubt.ISSUED_LATER not in fact.doubts
        if known and fact.reason not in (*KEY_WAS_SAFE, "certificate_hold"):
            return (Doubt.RESPONDER_REVOKED,)
    decisive = decisive_fact(facts, moment)
    if decisive is None:
        return (Doubt.RESPONDER_NOT_CHECKED,)
    return (Doubt.RESPONDER_REVOKED,) if decisive.revoked_by(moment) else ()


def decisive_fact(facts: Sequence[RevocationFact], moment: datetime) -> RevocationFact | None:
    """The fact that counts at ``moment``: a revocation for good, else the newest reliable one.

    A hold (RFC 5280 clause 5.3.1 certificateHold) is superseded by a newer fact; any other revocation never is.
    """
    for fact in facts:
        if fact.revoked_by(moment) and fact.reason != "certificate_hold":
            return fact
    return next((fact for fact in facts if fact.reliable), None)
