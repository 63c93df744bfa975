"""The shipped policy against the policy under which EU DSS gave the verdicts that the archive is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from zdda.validation.constraints import Level
from zdda.validation.policy import TIMESTAMPING, CertificatePolicy, TokenPolicy, ValidationPolicy

pytestmark = pytest.mark.corpus
NAMESPACE = "{http://dss.esig.europa.eu/validation/policy}"
TOKENS = {
    "signature": "SignatureConstraints",
    "counter_signature": "CounterSignatureConstraints",
    "timestamp": "Timestamp",
}
CERTIFICATE_LEVELS = {
    "revocation_present": "RevocationDataAvailable",
    "revocation_acceptable": "AcceptableRevocationDataFound",
    "revocation_fresh": "RevocationFreshness",
    "revocation_issuer_valid": "RevocationIssuerNotExpired",
    "key_usage_level": "KeyUsage",
    "extended_key_usage_level": "ExtendedKeyUsage",
    "critical_extensions": "SupportedCriticalExtensions",
    "authority_key_identifier": "AuthorityKeyIdentifierPresent",
    "subject_key_identifier": "SubjectKeyIdentifierPresent",
    "forbidden_extensions_level": "ForbiddenExtensions",
}
TOKEN_LEVELS = {
    "signing_certificate_attribute": "SignedAttributes/SigningCertificatePresent",
    "signing_certificate_digest": "SignedAttributes/CertDigestMatch",
    "signing_certificate_issuer_serial": "SignedAttributes/IssuerSerialMatch",
    "signing_time_present": "SignedAttributes/SigningTime",
    "signing_time_in_certificate_validity": "SignedAttributes/SigningTimeInCertRange",
    "message_digest_present": "SignedAttributes/MessageDigestOrSignedPropertiesPresent",
    "manifest_entries_found": "BasicSignatureConstraints/ManifestEntryObjectExistence",
}
PDF_LEVELS = {
    "pages_as_signed": "BasicSignatureConstraints/PdfPageDifference",
    "content_as_signed": "BasicSignatureConstraints/UndefinedChanges",
}
USAGES = {"nonRepudiation": "content_commitment", "keyCertSign": "key_cert_sign"}
REVOCATION_LEVELS = {
    "after_certificate_issuance": "RevocationAfterCertificateIssuance",
    "knows_expired_certificate": "RevocationHasInformationAboutCertificate",
    "issuer_valid_at_production": "RevocationIssuerValidAtProductionTime",
}


@pytest.fixture(scope="module")
def oracle(shared: Path) -> Any:
    return etree.parse(shared / "corpus" / "policy" / "constraint.xml").getroot()


def find(element: Any, path: str) -> Any:
    return element.find("/".join(NAMESPACE + part for part in path.split("/")))


def level(element: Any, path: str) -> str:
    found = find(element, path)
    return "ignore" if found is None else str(found.get("Level")).lower()


def listed(element: Any, path: str) -> set[str]:
    found = find(element, path)
    return set() if found is None else {str(item.text) for item in found.iter(NAMESPACE + "Id")}


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(("kind", "name"), [("signer", "SigningCertificate"), ("ca", "CACertificate")])
def test_certificate_levels_are_those_of_the_oracle(oracle: Any, token: str, kind: str, name: str) -> None:
    ours: CertificatePolicy = getattr(getattr(ValidationPolicy(), token), kind)
    theirs = find(oracle, f"{TOKENS[token]}/BasicSignatureConstraints/{name}")
    for member, path in CERTIFICATE_LEVELS.items():
        demanded = {"key_usage_level": ours.key_usage, "extended_key_usage_level": ours.extended_key_usage}
        if member in demanded and not demanded[member]:
            assert find(theirs, path) is None, path  # nothing is demanded, so the level says nothing
            continue
        assert getattr(ours, member).value == level(theirs, path), path
    assert {USAGES[item] for item in listed(theirs, "KeyUsage")} == ours.key_usage
    extended = {TIMESTAMPING if item == "timeStamping" else item for item in listed(theirs, "ExtendedKeyUsage")}
    assert extended == ours.extended_key_usage
    assert listed(theirs, "ForbiddenExtensions") == ours.forbidden_extensions


@pytest.mark.parametrize("token", ["signature", "counter_signature"])
def test_levels_of_signatures_are_those_of_the_oracle(oracle: Any, token: str) -> None:
    ours: TokenPolicy = getattr(ValidationPolicy(), token)
    theirs = find(oracle, TOKENS[token])
    for member, path in (TOKEN_LEVELS | (PDF_LEVELS if token == "signature" else {})).items():
        assert getattr(ours, member).value == level(theirs, path), path


def test_a_timestamp_is_asked_no_less_than_by_the_oracle(oracle: Any) -> None:
    """Its certificate's digest must agree, and its time lie in its certificate's validity, which the oracle omits."""
    ours = ValidationPolicy().timestamp
    theirs = find(oracle, "Timestamp")
    assert ours.signing_certificate_attribute.value == level(theirs, "SignedAttributes/SigningCertificatePresent")
    assert ours.signing_certificate_issuer_serial.value == level(theirs, "SignedAttributes/IssuerSerialMatch")
    assert ours.signing_certificate_digest is Level.FAIL
    assert ours.signing_time_in_certificate_validity is Level.FAIL


def test_levels_of_revocation_data_and_algorithms_are_those_of_the_oracle(oracle: Any) -> None:
    policy = ValidationPolicy()
    for member, path in REVOCATION_LEVELS.items():
        assert getattr(policy.revocation, member).value == level(oracle, f"Revocation/{path}"), path
    assert policy.algorithms.value == level(oracle, "Cryptographic")
    assert policy.timestamp_order.value == level(oracle, "Timestamp/Coherence")
