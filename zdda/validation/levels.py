"""Which level a signature's data reach: B, T, LT, LTA (EN 319 142-1 clause 6.3). Presence, not validity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from zdda.signatures.certificates import Certificate, load_certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.model import Profile, Signature, SignedDocument, Timestamp, TimestampType
from zdda.signatures.signed_structure import is_signed_by
from zdda.trust.revocation import RevocationData, revocation_facts
from zdda.validation.basic import authority_of
from zdda.validation.cades_levels import CADES, cades_format
from zdda.validation.evidence_at_hand import EvidenceAtHand

_LONGEST = 10
_MOST_PAIRS = 500
_ANY_TIME = datetime.max.replace(tzinfo=UTC)


def format_of(signature: Signature, document: SignedDocument, evidence: EvidenceAtHand) -> str:
    """The name of the format with its level, as EU DSS writes it (``PAdES-BASELINE-LT``)."""
    if signature.profile in (Profile.PDF_NOT_ETSI, Profile.CMS_NOT_ETSI):
        return signature.profile.value
    if signature.profile in CADES:
        pool = _pool((*signature.certificates, *document.certificates, *_embedded(signature.timestamps)))
        return cades_format(signature, lambda signer: _covered(signer, pool, evidence.embedded))
    later = [item for item in document.document_timestamps if item.covered_until > signature.covered_until > 0]
    own = [item for item in signature.timestamps if item.type is TimestampType.SIGNATURE]
    extended = signature.profile in (Profile.PADES_BES, Profile.PADES_EPES)
    if not own and not later:
        return signature.profile.value if extended else f"{signature.profile.value}-B"
    long_term = _has_long_term(signature, document, own, later, evidence)
    stores = [position for position in document.validation_store_positions if position > signature.covered_until]
    archival = any(item.covered_until > position for item in later for position in stores)
    if extended:
        return "PAdES-LTV" if long_term and archival else signature.profile.value
    if long_term:
        return f"{signature.profile.value}-{'LTA' if archival else 'LT'}"
    return f"{signature.profile.value}-T"


def _has_long_term(
    signature: Signature,
    document: SignedDocument,
    own: list[Timestamp],
    later: list[Timestamp],
    evidence: EvidenceAtHand,
) -> bool:
    """A store written after the signature, and revocation data for every chain but that of the last document
    timestamp."""
    revocation = evidence.embedded
    stored = any(position > signature.covered_until for position in document.validation_store_positions)
    if not stored or not (revocation.crls or revocation.ocsps):
        return False
    signers = [signature.signer, *(authority_of(item) for item in (*own, *later[:-1]))]
    pool = _pool((*signature.certificates, *document.certificates, *_embedded((*own, *later))))
    return all(signer is not None and _covered(signer, pool, revocation) for signer in signers)


def _embedded(timestamps: Iterable[Timestamp]) -> Iterable[bytes]:
    for timestamp in timestamps:
        if timestamp.token is not None:
            yield from timestamp.token.certificates


def _pool(certificates: Iterable[bytes]) -> list[Certificate]:
    found: dict[bytes, Certificate] = {}
    for der in certificates:
        try:
            found.setdefault(der, load_certificate(der))
        except FormatError:
            continue
    return list(found.values())


def _covered(certificate: Certificate, pool: list[Certificate], revocation: RevocationData) -> bool:
    """Some chain to a self-issued certificate has revocation data in the document for each other member. Every
    certificate is gone through once, the nearest first; a chain that more than ``_MOST_PAIRS`` looks do not find
    is not there."""
    reached = {certificate.sha256}
    nearest = [certificate]
    looks = 0
    for depth in range(_LONGEST + 1):
        if any(each.self_issued for each in nearest):
            return True
        if depth == _LONGEST:
            break
        above: list[Certificate] = []
        for each in nearest:
            for issuer in pool:
                if issuer.sha256 in reached or not same_name(issuer.subject, each.issuer):
                    continue
                looks += 1
                if looks > _MOST_PAIRS:
                    return False
                if is_signed_by(each.der, each.sha256, issuer.public_key, issuer.public_key_info) and _told(
                    each, issuer, revocation, pool
                ):
                    reached.add(issuer.sha256)
                    above.append(issuer)
        nearest = above
    return False


def _told(certificate: Certificate, issuer: Certificate, revocation: RevocationData, pool: list[Certificate]) -> bool:
    """Whether there is a CRL or an OCSP answer about the certificate by somebody entitled to it, good or bad, of any
    time: what others say is no revocation data."""
    return bool(revocation_facts(certificate, issuer, revocation, _ANY_TIME, _ANY_TIME, pool, pool))
