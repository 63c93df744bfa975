"""The validation policy: which constraint fails, warns, informs or is ignored (EN 319 102-1 clause 5.1.4).

The defaults are equal in effect, for what is covered, to the default policy of EU DSS 6.4, against whose
verdicts the archive is compared. One policy is one immutable value; its digest stands in every report.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property

from zdda.model.canonical_json import canonical_json
from zdda.signatures.model import Signature
from zdda.trust.revocation import Doubt
from zdda.validation.constraints import Level

TIMESTAMPING = "1.3.6.1.5.5.7.3.8"


@dataclass(frozen=True, slots=True)
class CertificatePolicy:
    """What is asked of one kind of certificate. ``key_usage``, ``extended_key_usage``: any of these."""

    revocation_present: Level = Level.FAIL
    revocation_acceptable: Level = Level.FAIL
    revocation_fresh: Level = Level.IGNORE
    revocation_issuer_valid: Level = Level.IGNORE
    key_usage: frozenset[str] = frozenset()
    key_usage_level: Level = Level.WARN
    extended_key_usage: frozenset[str] = frozenset()
    extended_key_usage_level: Level = Level.FAIL
    forbidden_extensions: frozenset[str] = frozenset()
    forbidden_extensions_level: Level = Level.FAIL
    critical_extensions: Level = Level.WARN
    authority_key_identifier: Level = Level.WARN
    subject_key_identifier: Level = Level.IGNORE


_NO_CHECK = "1.3.6.1.5.5.7.48.1.5"
_NO_REV_AVAIL = "2.5.29.56"
_CA = CertificatePolicy(
    key_usage=frozenset({"key_cert_sign"}),
    key_usage_level=Level.FAIL,
    forbidden_extensions=frozenset({_NO_CHECK, _NO_REV_AVAIL}),
    subject_key_identifier=Level.FAIL,
)


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What is asked of a signature, a counter-signature or a timestamp.

    ``expired_needs_valid_revocation_issuer``: an expired certificate counts as known not to be revoked only while
    the issuer of the revocation data is valid itself (else OUT_OF_BOUNDS_NO_POE).
    """

    signer: CertificatePolicy
    ca: CertificatePolicy
    format_warnings: Level = Level.WARN
    signing_certificate_attribute: Level = Level.WARN
    signing_certificate_digest: Level = Level.FAIL
    signing_certificate_issuer_serial: Level = Level.WARN
    signature_policy: Level = Level.INFORM
    signing_time_present: Level = Level.FAIL
    signing_time_in_certificate_validity: Level = Level.FAIL
    message_digest_present: Level = Level.FAIL
    manifest_entries_found: Level = Level.WARN
    modified_after_signing: Level = Level.WARN
    pages_as_signed: Level = Level.FAIL
    content_as_signed: Level = Level.WARN
    duplicated_signature: Level = Level.FAIL
    certificate_for_web_sites: Level = Level.INFORM
    expired_needs_valid_revocation_issuer: bool = True


def _signature() -> TokenPolicy:
    signer = CertificatePolicy(
        revocation_issuer_valid=Level.FAIL,
        key_usage=frozenset({"content_commitment"}),
        forbidden_extensions=frozenset({_NO_CHECK}),
    )
    return TokenPolicy(signer, _CA)


def _counter_signature() -> TokenPolicy:
    signer = CertificatePolicy(key_usage=frozenset({"content_commitment"}), forbidden_extensions=frozenset({_NO_CHECK}))
    return TokenPolicy(signer, _CA, expired_needs_valid_revocation_issuer=False)


def _timestamp() -> TokenPolicy:
    signer = CertificatePolicy(
        extended_key_usage=frozenset({TIMESTAMPING}), forbidden_extensions=frozenset({_NO_CHECK})
    )
    ca = CertificatePolicy(
        revocation_present=Level.WARN,
        revocation_acceptable=Level.WARN,
        key_usage=frozenset({"key_cert_sign"}),
        key_usage_level=Level.FAIL,
        forbidden_extensions=frozenset({_NO_CHECK, _NO_REV_AVAIL}),
        subject_key_identifier=Level.FAIL,
    )
    return TokenPolicy(signer, ca, expired_needs_valid_revocation_issuer=False)


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """What is asked of a CRL or OCSP answer before it is relied upon. WARN and less: relied upon all the same."""

    not_from_the_future: Level = Level.FAIL
    after_certificate_issuance: Level = Level.FAIL
    knows_expired_certificate: Level = Level.FAIL
    issuer_valid_at_production: Level = Level.FAIL
    responder_checked: Level = Level.FAIL

    def relies_on(self, doubt: Doubt) -> bool:
        """Whether the doubt is passed over. A status that is unknown and a revoked responder never are."""
        level = {
            Doubt.ISSUED_LATER: self.not_from_the_future,
            Doubt.ISSUED_BEFORE_CERTIFICATE: self.after_certificate_issuance,
            Doubt.CERTIFICATE_HAD_EXPIRED: self.knows_expired_certificate,
            Doubt.ISSUER_NOT_VALID_THEN: self.issuer_valid_at_production,
            Doubt.RESPONDER_NOT_CHECKED: self.responder_checked,
        }.get(doubt, Level.FAIL)
        return level is not Level.FAIL


@dataclass(frozen=True)
class ValidationPolicy:
    """Immutable; ``name`` is for people, ``digest`` identifies it."""

    name: str = "zdda-default-1"
    signature: TokenPolicy = field(default_factory=_signature)
    counter_signature: TokenPolicy = field(default_factory=_counter_signature)
    timestamp: TokenPolicy = field(default_factory=_timestamp)
    revocation: RevocationPolicy = field(default_factory=RevocationPolicy)
    algorithms: Level = Level.FAIL
    timestamp_in_future: Level = Level.FAIL
    timestamp_order: Level = Level.WARN

    def of(self, signature: Signature) -> TokenPolicy:
        return self.counter_signature if signature.counter else self.signature

    @cached_property
    def canonical(self) -> bytes:
        """Canonical JSON of every member: levels as their text, sets as sorted arrays."""
        return canonical_json(_plain(asdict(self)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the policy's canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    return str(value) if isinstance(value, Level) else value
