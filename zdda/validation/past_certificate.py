"""Past certificate validation (EN 319 102-1 clause 5.6.2.1) and validation time sliding (clause 5.6.2.2).

From the present back to the last time at which the whole path could be relied upon. The path is the one that was
judged at the validation time; it is not validated again at the time slid to, which would hide what is known now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zdda.crypto.algorithms import Reliability
from zdda.model.clock import format_time
from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust.paths import PathCertificate, PathResult
from zdda.trust.revocation import RevocationFact
from zdda.validation.constraints import Block, Checks, Level
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import SubIndication, indeterminate
from zdda.validation.policy import CertificatePolicy, TokenPolicy
from zdda.validation.proofs import since
from zdda.validation.x509_validation import signed_by

CLAUSE = "EN 319 102-1 5.6.2.1"
SLIDING = "EN 319 102-1 5.6.2.2"


@dataclass(frozen=True, slots=True, eq=False)
class PastCertificate:
    """``control_time``: until when the path could be relied upon; None unless the block passed. ``slid``: something
    ended then. ``facts``: the revocation data that say so, from the leaf up, None where none are needed."""

    block: Block
    control_time: datetime | None
    facts: tuple[RevocationFact | None, ...] = ()
    slid: bool = False


def validate_past_certificate(
    path: PathResult | None, token: TokenPolicy, evidence: Evidence, proofs: ProofsOfExistence
) -> PastCertificate:
    checks = Checks("past-certificate-validation", CLAUSE)
    no_chain = indeterminate(SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
    found = path is not None and path.path is not None
    if not checks.check("path-found", found, otherwise=no_chain) or path is None:
        return PastCertificate(checks.block(), None)
    # Step 2: RFC 5280 clause 6.1 at a date of the intersection of all validity intervals.
    below = path.members[:-1]
    checks.check(
        "validity-periods-intersect",
        not below
        or max(item.certificate.not_before for item in below) <= min(item.certificate.not_after for item in below),
        otherwise=indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE),
    )
    checks.check(
        "path-constraints",
        path.constraint_failure is None,
        otherwise=indeterminate(SubIndication.CHAIN_CONSTRAINTS_FAILURE),
        checked=path.constraint_failure or "",
    )
    if checks.failed:
        return PastCertificate(checks.block(), None)
    slid = _slide(path, token, evidence, proofs)
    checks.include(slid.block)
    return PastCertificate(checks.block(), None if checks.failed else slid.control_time, slid.facts, slid.slid)


def is_within(moment: datetime, control: datetime, slid: bool) -> bool:
    """Whether ``moment`` is before the control time. What ended at the control time, a revocation or an algorithm, is
    not relied upon in that very instant, be it that of the validation; where nothing ended, the time of the validation
    belongs to it."""
    return moment < control or (moment == control and not slid)


def _slide(path: PathResult, token: TokenPolicy, evidence: Evidence, proofs: ProofsOfExistence) -> PastCertificate:
    """Clause 5.6.2.2.4, from the certificate that the anchor issued down to the leaf."""
    checks = Checks("validation-time-sliding", SLIDING)
    control, slid = evidence.validation_time, False
    sunset = path.members[-1].trusted_until
    if sunset is not None and sunset <= control:
        control, slid = sunset, True
    chosen: list[RevocationFact | None] = []
    for index in range(len(path.members) - 2, -1, -1):
        member = path.members[index]
        rules = token.signer if index == 0 else token.ca
        fact = _satisfying(member, path.members[-1], control, slid, proofs)
        if fact is None and not _not_needed(checks, member, rules, control):
            return PastCertificate(checks.block(), None)
        if fact is not None:
            until = _told_until(fact, control, rules)
            if until is not None and until <= control:
                control, slid = until, True
        # A revocation that is known counts, whatever else is to be said of the data that tell it.
        for told in member.revocation:
            revoked = told.revoked_since
            if revoked is not None and revoked <= control and told.reason != "certificate_hold":
                control, slid = revoked, True
        for use in signed_by(path, index, fact):
            algorithm, size = use.algorithm, use.size
            never, until = _reliable_until(evidence, algorithm, size, control)
            checks.check(
                "key-reliable",
                not never,
                otherwise=indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE),
                checked=f"{algorithm.mechanism}/{size}/{algorithm.hash}",
                certificate=member.certificate.sha256,
            )
            if never:
                return PastCertificate(checks.block(), None)
            if until is not None and until <= control:
                control, slid = until, True
        chosen.append(fact)
    checks.note("control-time", format_time(control))
    return PastCertificate(checks.block(), control, tuple(reversed(chosen)), slid)


def _satisfying(
    member: PathCertificate, anchor: PathCertificate, control: datetime, slid: bool, proofs: ProofsOfExistence
) -> RevocationFact | None:
    """Step 2 a: the most recent data that may be used for the certificate, issued before the control time; both
    they and the certificate are known to have existed then. Data known to have existed while their issuer was valid
    go before those that are not: an expired issuer's key proves nothing."""
    if not is_within(proofs.of(member.certificate.sha256).time, control, slid):
        return None
    fit = [
        fact
        for fact in member.revocation
        if fact.reliable
        and fact.issuer.sha256 != member.certificate.sha256
        and (fact.this_update < control or not slid)
        and is_within(since(fact, proofs), control, slid)
    ]
    proven = [
        fact
        for fact in fit
        if fact.issuer_is_anchor
        or fact.issuer.sha256 == anchor.certificate.sha256
        or since(fact, proofs) <= fact.issuer.not_after
    ]
    return max(proven or fit, key=lambda fact: (fact.this_update, fact.produced_at), default=None)


def _not_needed(checks: Checks, member: PathCertificate, rules: CertificatePolicy, control: datetime) -> bool:
    """Whether it may go on without: none is issued for the certificate, or the policy does not demand any."""
    name = member.certificate.sha256
    if member.revocation_exempt and not member.revocation:
        checks.note("revocation-data-not-needed", name.hex())
        return True
    demanded = Level.FAIL in (rules.revocation_present, rules.revocation_acceptable)
    return checks.check(
        "revocation-data-proven",
        False,
        Level.FAIL if demanded else Level.WARN,
        indeterminate(SubIndication.NO_POE),
        checked=name.hex(),
        against=format_time(control),
        certificate=name,
    )


def _told_until(fact: RevocationFact, control: datetime, rules: CertificatePolicy) -> datetime | None:
    """Step 2 b: until when the data speak: to the revocation, else, where they are not fresh at the control time
    (clause 5.2.5), to their issuance; None for the control time itself. A policy that asks for no freshness has none
    slid for."""
    if fact.revoked_since is not None:
        return fact.revoked_since
    fresh = rules.revocation_fresh is not Level.FAIL or (fact.next_update is not None and control < fact.next_update)
    return None if fresh else fact.this_update


def _reliable_until(
    evidence: Evidence, algorithm: SignatureAlgorithm, size: int | None, control: datetime
) -> tuple[bool, datetime | None]:
    """Step 2 c: whether the algorithm was never relied upon; else the last time until which it was, None for the
    control time itself."""
    if evidence.policy.algorithms is not Level.FAIL:
        return False, None
    ends = []
    for verdict in (
        evidence.catalogue.digest_at(algorithm.hash, control),
        evidence.catalogue.key_at(algorithm.mechanism, size, control),
    ):
        if verdict.reliability in (Reliability.UNKNOWN, Reliability.KEY_TOO_SMALL):
            return True, None
        if verdict.reliability is Reliability.EXPIRED and verdict.until is not None:
            ends.append(verdict.until)
    return False, min(ends, default=None)
