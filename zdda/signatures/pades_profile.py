"""Which profile a PDF signature's form keeps: EN 319 142-1 clause 6.3, EN 319 142-2, or the older forms."""

from __future__ import annotations

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Profile, SignedProperties
from zdda.signatures.pdf_reader import SignatureDictionary


def profile_of(
    dictionary: SignatureDictionary,
    data: cms.SignedData,
    signer: cms.Signer,
    certificate: Certificate | None,
    references: tuple[cms.CertificateReference, ...],
    properties: SignedProperties,
) -> Profile:
    """The profile whose requirements on the dictionary and the CMS are all met."""
    embedded = certificate is not None and certificate.der in data.certificates
    if dictionary.sub_filter == "ETSI.CAdES.detached":
        if not _extended(properties, dictionary, data):
            return Profile.PDF_NOT_ETSI
        if embedded and _baseline(dictionary, properties, signer, references):
            return Profile.PADES_BASELINE
        # EN 319 142-2 clause 5.3 (a): no /Reason beside a policy.
        with_policy = properties.policy is not None and not dictionary.has_reason
        return Profile.PADES_EPES if with_policy else Profile.PADES_BES
    if not embedded:
        return Profile.PDF_NOT_ETSI
    if dictionary.sub_filter == "adbe.pkcs7.sha1" or (
        dictionary.sub_filter == "adbe.pkcs7.detached" and properties.has_message_digest
    ):
        return Profile.PKCS7
    return Profile.PDF_NOT_ETSI


def _extended(properties: SignedProperties, dictionary: SignatureDictionary, data: cms.SignedData) -> bool:
    """What EN 319 142-2 clauses 4 and 5 ask of every PAdES signature."""
    return (
        len(data.signers) == 1
        and data.content is None
        and properties.content_type == cms.DATA
        and properties.has_message_digest
        and properties.signing_certificate_attributes == 1
        and dictionary.contents is not None
        and dictionary.byte_range is not None
        and dictionary.filter is not None
        and not (dictionary.has_reason and properties.commitments)
    )


def _baseline(
    dictionary: SignatureDictionary,
    properties: SignedProperties,
    signer: cms.Signer,
    references: tuple[cms.CertificateReference, ...],
) -> bool:
    """EN 319 142-1 table 1: no signing-time attribute but /M; (d), (m): no /Reason beside commitments or a
    policy; EN 319 122-1 (h), (i): signing-certificate for SHA-1, signing-certificate-v2 for others."""
    second_version = any(name == cms.SIGNING_CERTIFICATE_V2 for name, _ in signer.signed)
    return (
        not properties.signing_time_attribute
        and dictionary.signing_time is not None
        and not (dictionary.has_reason and properties.policy is not None)
        and not (second_version and bool(references) and references[0].digest_algorithm == "sha1")
    )
