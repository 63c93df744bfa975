"""Which profile the attributes of a CMS signature keep: EN 319 122-1 clause 6.3, EN 319 122-2 clause 5, or none."""

from __future__ import annotations

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Profile, SignedProperties


def profile_of(
    signed: cms.SignedData,
    signer: cms.Signer,
    certificate: Certificate | None,
    references: tuple[cms.CertificateReference, ...],
    properties: SignedProperties,
    counter: bool,
) -> Profile:
    """The profile whose requirements on the attributes are all met; a counter-signature has no content-type."""
    names = [name for name, _ in signer.signed]
    typed = counter or names.count(cms.CONTENT_TYPE) == 1
    if not (
        typed
        and properties.has_message_digest
        and properties.signing_certificate_attributes == 1
        and bool(references)
        and names.count(cms.SIGNING_TIME) <= 1
    ):
        return Profile.CMS_NOT_ETSI
    if _baseline(signed, signer, certificate, references):
        return Profile.CADES_BASELINE
    return Profile.CADES_EPES if properties.policy is not None else Profile.CADES_BES


def _baseline(
    signed: cms.SignedData,
    signer: cms.Signer,
    certificate: Certificate | None,
    references: tuple[cms.CertificateReference, ...],
) -> bool:
    """EN 319 122-1 table 1: the signer's certificate is in the message, signing-time is there with one value, no
    attribute has several values where one is meant; signing-certificate for SHA-1, its second version for others."""
    times = [len(values) for name, values in signer.signed if name == cms.SIGNING_TIME]
    second_version = any(name == cms.SIGNING_CERTIFICATE_V2 for name, _ in signer.signed)
    return (
        certificate is not None
        and certificate.der in signed.certificates
        and times == [1]
        and not (second_version and references[0].digest_algorithm == "sha1")
    )
