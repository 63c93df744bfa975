"""X.509 certificate validation (EN 319 102-1 clause 5.2.6) with revocation freshness (5.2.5), over path facts.

Every failure is kept, not the first only: validation with time may go on only where each of them is cured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.clock import format_time
from zdda.signatures.certificates import KNOWN_CRITICAL, Certificate
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust.paths import PathCertificate, PathResult, PathStatus
from zdda.trust.revocation import CertificateStatus, Doubt, RevocationFact
from zdda.validation.acceptance import check_algorithm
from zdda.validation.constraints import Block, Checks, Level
from zdda.validation.indications import SubIndication, indeterminate
from zdda.validation.policy import CertificatePolicy, TokenPolicy, ValidationPolicy

CLAUSE = "EN 319 102-1 5.2.6"
REVOCATION_ISSUER = "revocation-issuer-in-validity-period"


@dataclass(frozen=True, slots=True, eq=False)
class X509Outcome:
    """The block and the path it judged; what clause 5.5 needs to go on."""

    block: Block
    path: PathResult | None

    @property
    def chain(self) -> tuple[PathCertificate, ...]:
        return self.path.members if self.path is not None and self.path.path is not None else ()


def validate_certificate(
    path: PathResult | None,
    policy: ValidationPolicy,
    token: TokenPolicy,
    catalogue: AlgorithmCatalogue,
    moment: datetime,
) -> X509Outcome:
    """Judges the path at ``moment``; ``path`` is None where there is no signing certificate."""
    checks = Checks("x509-certificate-validation", CLAUSE)
    no_chain = indeterminate(SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
    found = path is not None and path.path is not None
    if not checks.check("path-found", found, otherwise=no_chain) or path is None:
        return X509Outcome(checks.block(), path)
    members = path.members
    until = members[-1].trusted_until
    if until is not None:
        checks.check(
            "trust-anchor-in-force",
            moment < until,
            otherwise=indeterminate(SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE),
            checked=format_time(until),
            against=format_time(moment),
        )
    if len(members) == 1:
        checks.note("certificate-is-trust-anchor", _name(members[0].certificate))
        return X509Outcome(checks.block(), path)
    if path.status is PathStatus.CONSTRAINTS or path.constraint_failure is not None:
        general = indeterminate(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE)
        checks.check("path-constraints", False, otherwise=general, checked=path.constraint_failure)
    else:
        checks.check("path-constraints", True)
    # RFC 5280 clause 6 with its revocation and algorithms first, of the whole path; then each certificate by itself.
    rules = [token.signer if index == 0 else token.ca for index in range(len(members) - 1)]
    facts = [_revocation(checks, path, index, members[index], rules[index], moment) for index in range(len(rules))]
    no_poe = indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE)
    for index, fact in enumerate(facts):
        name = members[index].certificate.sha256
        for use in signed_by(path, index, fact):
            check_algorithm(checks, policy, catalogue, use.algorithm, use.size, moment, no_poe, name)
    for member, fact, rule in zip(members, facts, rules, strict=False):
        _judge(checks, path, member, fact, rule, token, moment)
    return X509Outcome(checks.block(), path)


def valid_at(certificate: Certificate, moment: datetime) -> bool:
    return certificate.not_before <= moment <= certificate.not_after


@dataclass(frozen=True, slots=True)
class Use:
    """An algorithm and a key (its size in bits) that a step of a path hangs on; ``digest`` names what they signed."""

    algorithm: SignatureAlgorithm
    size: int | None
    digest: bytes


def signed_by(path: PathResult, index: int, fact: RevocationFact | None) -> list[Use]:
    """What was signed that member ``index`` hangs on: its revocation data, the certificate of a delegated responder
    (which comes with the data, and is the work of a CA of the path), the certificate itself."""
    above = [member.certificate for member in path.members[index + 1 :]]
    certificate, issuer = path.members[index].certificate, above[0]
    uses = []
    if fact is not None:
        uses.append(Use(fact.algorithm, fact.issuer.key_size, fact.digest))
        known = fact.issuer_is_anchor or any(item.certificate.sha256 == fact.issuer.sha256 for item in path.members)
        if not known:
            authority = next((item for item in above if item.subject == fact.issuer.issuer), issuer)
            uses.append(Use(fact.issuer.signature, authority.key_size, fact.digest))
    return [*uses, Use(certificate.signature, issuer.key_size, certificate.sha256)]


def _issuer_counts(path: PathResult, fact: RevocationFact, moment: datetime) -> bool:
    """The validity of an anchor does not count (RFC 5280 clause 6.1)."""
    anchor = fact.issuer_is_anchor or fact.issuer.sha256 == path.members[-1].certificate.sha256
    return anchor or valid_at(fact.issuer, moment)


def _of_later_issuer(path: PathResult, fact: RevocationFact, moment: datetime) -> bool:
    """Only the time is against the data: they and the certificate of who issued them are younger than ``moment``."""
    return fact.doubts == (Doubt.ISSUED_LATER,) and not _issuer_counts(path, fact, moment)


def _name(certificate: Certificate) -> str:
    return certificate.sha256.hex()


def _judge(
    checks: Checks,
    path: PathResult,
    member: PathCertificate,
    fact: RevocationFact | None,
    rules: CertificatePolicy,
    token: TokenPolicy,
    moment: datetime,
) -> None:
    certificate = member.certificate
    _extensions(checks, certificate, rules)
    if fact is not None:
        _freshness(checks, fact, rules, moment)
    _validity(checks, path, member, fact, token, moment)
    if fact is not None and not member.valid_at(moment):
        # This is part of why an expired certificate is out of bounds; each is to be cured by itself.
        _revocation_issuer(checks, path, certificate, fact, rules, SubIndication.OUT_OF_BOUNDS_NO_POE, moment)


def _extensions(checks: Checks, certificate: Certificate, rules: CertificatePolicy) -> None:
    constraints = indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE)
    name = certificate.sha256
    if rules.key_usage:
        usage = certificate.key_usage
        checks.check(
            "key-usage",
            usage is not None and bool(usage & rules.key_usage),
            rules.key_usage_level,
            constraints,
            checked=",".join(sorted(usage or ())),
            against=",".join(sorted(rules.key_usage)),
            certificate=name,
        )
    if rules.extended_key_usage:
        extended = certificate.extended_key_usage
        checks.check(
            "extended-key-usage",
            extended is not None and bool(extended & rules.extended_key_usage),
            rules.extended_key_usage_level,
            constraints,
            checked=",".join(sorted(extended or ())),
            against=",".join(sorted(rules.extended_key_usage)),
            certificate=name,
        )
    forbidden = certificate.extensions & rules.forbidden_extensions
    checks.check(
        "forbidden-extensions",
        not forbidden,
        rules.forbidden_extensions_level,
        constraints,
        checked=",".join(sorted(forbidden)),
        certificate=name,
    )
    unknown = certificate.critical_extensions - KNOWN_CRITICAL
    checks.check(
        "critical-extensions",
        not unknown,
        rules.critical_extensions,
        constraints,
        checked=",".join(sorted(unknown)),
        certificate=name,
    )
    checks.check(
        "key-identifiers-present",
        certificate.authority_key_identifier is not None,
        rules.authority_key_identifier,
        constraints,
        checked="authority key identifier",
        certificate=name,
    )
    if rules.subject_key_identifier is not Level.IGNORE:
        checks.check(
            "key-identifiers-present",
            certificate.key_identifier is not None,
            rules.subject_key_identifier,
            constraints,
            checked="subject key identifier",
            certificate=name,
        )


def _revocation(
    checks: Checks,
    path: PathResult,
    index: int,
    member: PathCertificate,
    rules: CertificatePolicy,
    moment: datetime,
) -> RevocationFact | None:
    """Records the checks on revocation; the fact that decides, or None where nothing is known."""
    certificate = member.certificate
    name = certificate.sha256
    fact = member.decisive(moment)
    if member.revocation_exempt and fact is None:
        checks.note("revocation-data-not-needed", _name(certificate))
        return None
    general = indeterminate(SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE)
    if not member.revocation:
        checks.check(
            "revocation-data-present",
            False,
            rules.revocation_present,
            general,
            checked=_name(certificate),
            certificate=name,
        )
        return None
    checks.check("revocation-data-present", True, checked=_name(certificate))
    if fact is not None and fact.status is CertificateStatus.GOOD:
        weakness = _unsupported(path, index, fact, moment)
        if weakness is not None:
            checks.check(
                "revocation-data-acceptable",
                False,
                rules.revocation_acceptable,
                indeterminate(weakness),
                checked=fact.digest.hex(),
                certificate=name,
            )
            return None
    if fact is None:
        doubts = sorted({doubt.value for item in member.revocation for doubt in item.doubts})
        early = any(_of_later_issuer(path, item, moment) for item in member.revocation)
        checks.check(
            "revocation-data-acceptable",
            False,
            rules.revocation_acceptable,
            indeterminate(SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE) if early else general,
            checked=",".join(doubts),
            certificate=name,
        )
        return None
    checks.check("revocation-data-acceptable", True, checked=fact.digest.hex())
    revoked = fact.revoked_by(moment)
    hold = revoked and fact.reason == "certificate_hold"
    permanent = SubIndication.REVOKED_NO_POE if index == 0 else SubIndication.REVOKED_CA_NO_POE
    checks.check(
        "not-revoked",
        not revoked or hold,
        otherwise=indeterminate(permanent),
        checked=format_time(fact.revoked_since) if fact.revoked_since else "",
        against=format_time(moment),
        certificate=name,
    )
    checks.check("not-on-hold", not hold, otherwise=indeterminate(SubIndication.TRY_LATER), certificate=name)
    if member.valid_at(moment):
        late = SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE
        _revocation_issuer(checks, path, certificate, fact, rules, late, moment)
    return fact


def _revocation_issuer(
    checks: Checks,
    path: PathResult,
    certificate: Certificate,
    fact: RevocationFact,
    rules: CertificatePolicy,
    otherwise: SubIndication,
    moment: datetime,
) -> None:
    checks.check(
        REVOCATION_ISSUER,
        _issuer_counts(path, fact, moment),
        rules.revocation_issuer_valid,
        indeterminate(otherwise),
        checked=format_time(fact.issuer.not_after),
        against=format_time(moment),
        certificate=certificate.sha256,
    )


def _unsupported(path: PathResult, index: int, fact: RevocationFact, moment: datetime) -> SubIndication | None:
    """Why the word of who issued the data about member ``index`` does not count; None where it does: the anchor's; that
    of a responder that was checked or needs no check (a doubt says otherwise); that of a CA of the path with a good
    status of its own, or revoked only after it issued the data (its revocation is a failure of its own). Nobody speaks
    for itself, or for who stands above it: that would turn in a circle."""
    for position, member in enumerate(path.members[:-1]):
        if member.certificate.sha256 != fact.issuer.sha256:
            continue
        if position <= index:
            return SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE
        own = member.decisive(moment)
        if own is None:
            return None if member.revocation_exempt else SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE
        if own.revoked_by(moment) and own.revoked_by(fact.this_update):
            return SubIndication.REVOKED_CA_NO_POE if position else SubIndication.REVOKED_NO_POE
        return _unsupported(path, position, own, moment)
    return None


def _freshness(checks: Checks, fact: RevocationFact, rules: CertificatePolicy, moment: datetime) -> None:
    """Clause 5.2.5: issued after the validation time less its own update interval. Whatever the policy makes of it,
    data past their own next update are never passed over in silence: the verdict stays, the report warns."""
    fresh = fact.next_update is not None and moment <= fact.next_update
    level = rules.revocation_fresh
    if fact.next_update is not None and level is not Level.FAIL:
        level = Level.WARN
    checks.check(
        "revocation-fresh",
        fresh,
        level,
        indeterminate(SubIndication.TRY_LATER),
        checked=format_time(fact.next_update) if fact.next_update else "no next update",
        against=format_time(moment),
    )


def _validity(
    checks: Checks,
    path: PathResult,
    member: PathCertificate,
    fact: RevocationFact | None,
    token: TokenPolicy,
    moment: datetime,
) -> None:
    certificate = member.certificate
    if moment < certificate.not_before:
        # Clause 5.2.6.4: a validation time before issuance is out of bounds like one after expiry.
        otherwise = indeterminate(SubIndication.OUT_OF_BOUNDS_NO_POE)
    else:
        otherwise = indeterminate(
            SubIndication.OUT_OF_BOUNDS_NOT_REVOKED
            if _known_not_revoked(path, member, fact, token, moment)
            else SubIndication.OUT_OF_BOUNDS_NO_POE
        )
    checks.check(
        "certificate-in-validity-period",
        member.valid_at(moment),
        otherwise=otherwise,
        checked=f"{format_time(certificate.not_before)}/{format_time(certificate.not_after)}",
        against=format_time(moment),
        certificate=certificate.sha256,
    )


def _known_not_revoked(
    path: PathResult,
    member: PathCertificate,
    fact: RevocationFact | None,
    token: TokenPolicy,
    moment: datetime,
) -> bool:
    """The certificate was not revoked while it was valid, as last told by an issuer whose word still counts."""
    if member.revocation_exempt and fact is None:
        return True
    if fact is None or fact.revoked_by(member.certificate.not_after) or Doubt.STATUS_UNKNOWN in fact.doubts:
        return False
    if not token.expired_needs_valid_revocation_issuer:
        return True
    return _issuer_counts(path, fact, moment)
