"""Which level the attributes of a CMS signature reach (EN 319 122-1 clause 6.3, EN 319 122-2 clause 5).

Presence, not validity: a level says what a signature carries.
"""

from __future__ import annotations

from collections.abc import Callable

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Profile, Signature, TimestampType
from zdda.validation.basic import authority_of

CADES = frozenset({Profile.CADES_BASELINE, Profile.CADES_BES, Profile.CADES_EPES})


def cades_format(signature: Signature, covered: Callable[[Certificate], bool]) -> str:
    """The format's name as EU DSS writes it. ``covered``: whether the message holds revocation data for the chain
    of a certificate."""
    baseline = signature.profile is Profile.CADES_BASELINE
    attributes = frozenset(signature.unsigned_attributes)
    types = {item.type for item in signature.timestamps}
    if TimestampType.SIGNATURE not in types:
        return "CAdES-BASELINE-B" if baseline else signature.profile.value
    long_term = _long_term(signature, covered)
    if {cms.CERTIFICATE_REFERENCES, cms.REVOCATION_REFERENCES} <= attributes:
        return f"CAdES-{_with_references(attributes, types, long_term)}"
    records = {cms.INTERNAL_EVIDENCE_RECORD, cms.EXTERNAL_EVIDENCE_RECORD} & attributes
    if long_term and len(records) == 1:
        # EN 319 122-3: a signature holds internal evidence records or external ones, not both.
        return "CAdES-ERS"
    if not baseline:
        return "CAdES-A" if long_term and TimestampType.ARCHIVE in types else "CAdES-T"
    if not long_term:
        return "CAdES-BASELINE-T"
    return f"CAdES-BASELINE-{'LTA' if cms.ARCHIVE_TIMESTAMP_V3 in attributes else 'LT'}"


def _with_references(attributes: frozenset[str], types: set[TimestampType], long_term: bool) -> str:
    """C, X, XL or A (EN 319 122-2 table 1): references; timestamps over them; with these the values themselves; the
    values under archive timestamps."""
    timestamped = bool(types & {TimestampType.VALIDATION_DATA, TimestampType.VALIDATION_DATA_REFERENCES})
    values = {cms.CERTIFICATE_VALUES, cms.REVOCATION_VALUES} <= attributes and long_term
    if values and TimestampType.ARCHIVE in types:
        return "A"
    return ("XL" if values else "X") if timestamped else "C"


def _long_term(signature: Signature, covered: Callable[[Certificate], bool]) -> bool:
    """Revocation data for every chain but that of the last archive timestamp."""
    archive = [item for item in signature.timestamps if item.type is TimestampType.ARCHIVE]
    others = [item for item in signature.timestamps if item.type is TimestampType.SIGNATURE]
    signers = [signature.signer, *(authority_of(item) for item in (*others, *archive[:-1]))]
    return all(signer is not None and covered(signer) for signer in signers)
