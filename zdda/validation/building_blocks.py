"""The smaller building blocks of EN 319 102-1: clauses 5.2.2, 5.2.3, 5.2.4 and 5.2.7."""

from __future__ import annotations

from collections.abc import Collection

from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Changes, ReferenceState, Severity, Signature, Timestamp
from zdda.validation.constraints import Block, Checks, Level
from zdda.validation.indications import SubIndication, failed, indeterminate
from zdda.validation.policy import TokenPolicy
from zdda.validation.qualification import CertificateDeclaration, CertificateUse

_DUPLICATED = "signature-duplicated"


def check_format(signature: Signature, token: TokenPolicy) -> Block:
    """5.2.2 format checking."""
    checks = Checks("format-checking", "EN 319 102-1 5.2.2")
    failure = failed(SubIndication.FORMAT_FAILURE)
    fatal = [finding for finding in signature.findings if finding.severity is Severity.FATAL]
    checks.check("signature-readable", not fatal, otherwise=failure, checked=_codes(fatal))
    warnings = [
        finding
        for finding in signature.findings
        if finding.severity is Severity.WARNING and finding.code not in ("modified-after-signing", _DUPLICATED)
    ]
    checks.check("format-warning", not warnings, token.format_warnings, failure, checked=_codes(warnings))
    later = [finding for finding in signature.findings if finding.code == "modified-after-signing"]
    checks.check(
        "not-modified-after-signing",
        not later,
        token.modified_after_signing,
        failure,
        checked=later[0].detail if later else "",
    )
    if signature.changes is not None:
        same = signature.changes in (Changes.NOTHING, Changes.FORMS)
        signed, now = signature.pages or ("", "")
        met = same or (signature.pages is not None and signed == now)
        checks.check("pages-as-signed", met, token.pages_as_signed, failure, checked=now, against=signed)
        checks.check(
            "content-as-signed",
            signature.changes not in (Changes.CONTENT, Changes.NOT_DETERMINED),
            token.content_as_signed,
            failure,
            checked=signature.changes.value,
        )
    if any(finding.code == _DUPLICATED for finding in signature.findings):
        checks.check("signature-not-duplicated", False, token.duplicated_signature, failure)
    return checks.block()


def _codes(findings: Collection[object]) -> str:
    return ",".join(sorted({str(getattr(finding, "code", "")) for finding in findings}))


def identify_certificate(signature: Signature, token: TokenPolicy) -> Block:
    """5.2.3 identification of the signing certificate."""
    checks = Checks("identification-of-signing-certificate", "EN 319 102-1 5.2.3")
    _identify(
        checks,
        signature.signer,
        signature.reference,
        token,
    )
    return checks.block()


def identify_authority(timestamp: Timestamp, certificate: Certificate | None, token: TokenPolicy) -> Block:
    """5.2.3 for a timestamp token, whose ESSCertID is mandatory (RFC 3161 clause 2.4.2, RFC 5816)."""
    checks = Checks("identification-of-signing-certificate", "EN 319 102-1 5.2.3")
    state = {
        "match": ReferenceState.MATCH,
        "missing": ReferenceState.MISSING,
        "mismatch": ReferenceState.DIGEST_MISMATCH,
    }[timestamp.token.certificate_reference if timestamp.token else "missing"]
    _identify(checks, certificate, state, token)
    return checks.block()


def _identify(checks: Checks, certificate: Certificate | None, state: ReferenceState, token: TokenPolicy) -> None:
    missing = indeterminate(SubIndication.NO_SIGNING_CERTIFICATE_FOUND)
    name = certificate.sha256.hex() if certificate is not None else ""
    if not checks.check("signing-certificate-found", certificate is not None, otherwise=missing, checked=name):
        return
    present = state is not ReferenceState.MISSING
    level = token.signing_certificate_attribute
    checks.check("signing-certificate-attribute-present", present, level, missing)
    if not present:
        return
    agrees = state is not ReferenceState.DIGEST_MISMATCH
    checks.check("signing-certificate-digest-matches", agrees, token.signing_certificate_digest, missing, checked=name)
    checks.check(
        "signing-certificate-issuer-serial-matches",
        state is not ReferenceState.ISSUER_SERIAL_MISMATCH,
        token.signing_certificate_issuer_serial,
        missing,
    )


def initialise_context(signature: Signature, token: TokenPolicy) -> Block:
    """5.2.4 validation context initialisation: the archive's policy applies; a signer's policy is named only."""
    checks = Checks("validation-context-initialisation", "EN 319 102-1 5.2.4")
    checks.check(
        "signature-policy-acceptable",
        signature.properties.policy is None,
        token.signature_policy,
        indeterminate(SubIndication.SIGNATURE_POLICY_NOT_AVAILABLE),
        checked=signature.properties.policy or "",
    )
    return checks.block()


def check_purpose(declared: CertificateDeclaration | None, token: TokenPolicy) -> Block:
    """Whether the certificate is for signatures or seals, as far as it declares what it is for (EN 319 412-5 4.2.3).
    Its key usage is judged with its path (5.2.6)."""
    checks = Checks("certificate-purpose", "EN 319 102-1 5.2.6")
    if declared is not None and declared.types:
        checks.check(
            "certificate-for-signing",
            declared.use is not CertificateUse.WEBSITE,
            token.certificate_for_web_sites,
            indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE),
            checked=",".join(sorted(declared.types)),
        )
    return checks.block()


MANIFEST_ENTRY = "MANIFEST_ENTRY"


def verify_signature(signature: Signature, token: TokenPolicy) -> Block:
    """5.2.7 cryptographic verification: first the references, then the value."""
    checks = Checks("cryptographic-verification", "EN 319 102-1 5.2.7")
    matchers = signature.matchers
    direct = [matcher for matcher in matchers if matcher.type != MANIFEST_ENTRY]
    not_found = indeterminate(SubIndication.SIGNED_DATA_NOT_FOUND)
    checks.check("signed-data-found", bool(direct) and all(matcher.found for matcher in direct), otherwise=not_found)
    if len(direct) < len(matchers):
        # The signature is over the manifest; what it lists is checked by digest where it is at hand.
        missing = sum(not matcher.found for matcher in matchers) - sum(not matcher.found for matcher in direct)
        checks.check("manifest-entries-found", not missing, token.manifest_entries_found, not_found, missing or "")
    checks.check(
        "signed-data-intact",
        all(matcher.intact for matcher in matchers if matcher.found and matcher.type != "SIGNED_VALUE"),
        otherwise=failed(SubIndication.HASH_FAILURE),
        checked=",".join(f"{matcher.type}:{matcher.algorithm}" for matcher in matchers),
    )
    checks.check(
        "signature-intact",
        signature.value_intact,
        otherwise=failed(SubIndication.SIG_CRYPTO_FAILURE),
        checked=f"{signature.algorithm.mechanism}/{signature.algorithm.hash}",
    )
    return checks.block()


def verify_timestamp(timestamp: Timestamp) -> Block:
    """5.2.7 for a token: the imprint is that of the timestamped data, the value verifies."""
    checks = Checks("cryptographic-verification", "EN 319 102-1 5.2.7")
    found = timestamp.imprint_found
    checks.check("timestamp-imprint-found", found, otherwise=indeterminate(SubIndication.SIGNED_DATA_NOT_FOUND))
    if found:
        checks.check(
            "timestamp-imprint-intact",
            timestamp.imprint_intact,
            otherwise=failed(SubIndication.HASH_FAILURE),
            checked=timestamp.token.hash_algorithm if timestamp.token else "",
        )
    checks.check(
        "signature-intact",
        timestamp.token is not None and timestamp.token.value_intact,
        otherwise=failed(SubIndication.SIG_CRYPTO_FAILURE),
    )
    return checks.block()


def check_timestamp_format(timestamp: Timestamp) -> Block:
    """5.2.2 for a token in its place."""
    checks = Checks("format-checking", "EN 319 102-1 5.2.2")
    fatal = [finding for finding in timestamp.findings if finding.severity is Severity.FATAL]
    checks.check(
        "timestamp-readable",
        timestamp.token is not None and not fatal,
        Level.FAIL,
        failed(SubIndication.FORMAT_FAILURE),
        checked=_codes(fatal),
    )
    return checks.block()
