"""The legal quality of a signature, seal or timestamp (ETSI TS 119 615, eIDAS, Czech act 297/2016)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from zdda.validation.indications import Indication
from zdda.validation.qualification import (
    QTST,
    CertificateDeclaration,
    CertificateUse,
    TrustService,
    certificate_at,
)


class TrustLevel(StrEnum):
    """What a policy or a person asks for, ascending. RECOGNISED ("uznávaný", act 297/2016 sections 6 and 9): advanced
    and based on a qualified certificate, or qualified."""

    NONE = "none"
    ADVANCED = "advanced"
    RECOGNISED = "recognised"
    QUALIFIED = "qualified"


class SignatureQualification(StrEnum):
    """The words that EU DSS uses. NA: no trusted list knows the issuer."""

    QESIG = "QESIG"
    QESEAL = "QESEAL"
    UNKNOWN_QC_QSCD = "UNKNOWN_QC_QSCD"
    ADESIG_QC = "ADESIG_QC"
    ADESEAL_QC = "ADESEAL_QC"
    UNKNOWN_QC = "UNKNOWN_QC"
    ADESIG = "ADESIG"
    ADESEAL = "ADESEAL"
    UNKNOWN = "UNKNOWN"
    INDETERMINATE_QESIG = "INDETERMINATE_QESIG"
    INDETERMINATE_QESEAL = "INDETERMINATE_QESEAL"
    INDETERMINATE_UNKNOWN_QC_QSCD = "INDETERMINATE_UNKNOWN_QC_QSCD"
    INDETERMINATE_ADESIG_QC = "INDETERMINATE_ADESIG_QC"
    INDETERMINATE_ADESEAL_QC = "INDETERMINATE_ADESEAL_QC"
    INDETERMINATE_UNKNOWN_QC = "INDETERMINATE_UNKNOWN_QC"
    INDETERMINATE_ADESIG = "INDETERMINATE_ADESIG"
    INDETERMINATE_ADESEAL = "INDETERMINATE_ADESEAL"
    INDETERMINATE_UNKNOWN = "INDETERMINATE_UNKNOWN"
    NOT_ADES_QC_QSCD = "NOT_ADES_QC_QSCD"
    NOT_ADES_QC = "NOT_ADES_QC"
    NOT_ADES = "NOT_ADES"
    NA = "NA"

    @property
    def level(self) -> TrustLevel:
        """Only what passed has a level; of an unknown use, no more than advanced."""
        return _LEVELS.get(self, TrustLevel.NONE)


_S = SignatureQualification
_LEVELS = {
    _S.QESIG: TrustLevel.QUALIFIED,
    _S.QESEAL: TrustLevel.QUALIFIED,
    _S.ADESIG_QC: TrustLevel.RECOGNISED,
    _S.ADESEAL_QC: TrustLevel.RECOGNISED,
    _S.UNKNOWN_QC_QSCD: TrustLevel.ADVANCED,
    _S.UNKNOWN_QC: TrustLevel.ADVANCED,
    _S.ADESIG: TrustLevel.ADVANCED,
    _S.ADESEAL: TrustLevel.ADVANCED,
    _S.UNKNOWN: TrustLevel.ADVANCED,
}
_ORDER = (TrustLevel.NONE, TrustLevel.ADVANCED, TrustLevel.RECOGNISED, TrustLevel.QUALIFIED)


def reaches(level: TrustLevel, demanded: TrustLevel) -> bool:
    """Whether ``level`` is ``demanded`` or better."""
    return _ORDER.index(level) >= _ORDER.index(demanded)


class TimestampQualification(StrEnum):
    """QTSA: a qualified timestamp (eIDAS article 42)."""

    QTSA = "QTSA"
    TSA = "TSA"
    NA = "NA"

    @property
    def level(self) -> TrustLevel:
        return TrustLevel.QUALIFIED if self is TimestampQualification.QTSA else TrustLevel.NONE


_WORDS = {
    CertificateUse.SIGNATURE: ("QESIG", "ADESIG_QC", "ADESIG"),
    CertificateUse.SEAL: ("QESEAL", "ADESEAL_QC", "ADESEAL"),
    CertificateUse.UNKNOWN: ("UNKNOWN_QC_QSCD", "UNKNOWN_QC", "UNKNOWN"),
}


def qualify_signature(
    indication: Indication,
    declared: CertificateDeclaration,
    services: Sequence[TrustService],
    best_signature_time: datetime,
) -> SignatureQualification:
    """The certificate was qualified when issued *and* when the signature is proven to have existed; the
    device counts at the latter time. ``indication``: the signature's. ``services``: those of the issuer."""
    if not services:
        return SignatureQualification.NA
    issuance = certificate_at(declared, services, declared.issued_at)
    signing = certificate_at(declared, services, best_signature_time)
    qualified = issuance.qualified and signing.qualified
    device = qualified and signing.secure_device
    use = signing.use if signing.use is issuance.use else CertificateUse.UNKNOWN
    rank = 0 if device else 1 if qualified else 2
    if indication is Indication.TOTAL_FAILED or use is CertificateUse.WEBSITE:
        # What signs is no advanced signature: it failed, or its certificate is for web sites.
        failed = (_S.NOT_ADES_QC_QSCD, _S.NOT_ADES_QC, _S.NOT_ADES)
        return _S.NOT_ADES if use is CertificateUse.WEBSITE else failed[rank]
    prefix = "" if indication is Indication.TOTAL_PASSED else "INDETERMINATE_"
    return SignatureQualification(prefix + _WORDS[use][rank])


def qualify_timestamp(services: Sequence[TrustService], *times: datetime) -> TimestampQualification:
    """By a qualified service that was granted at each of ``times``: when the token was made, and when it
    is proven to have existed."""
    if not services:
        return TimestampQualification.NA
    qualified = [service for service in services if service.type == QTST]
    granted = all(any(service.granted(time) for service in qualified) for time in times)
    return TimestampQualification.QTSA if granted and times else TimestampQualification.TSA
