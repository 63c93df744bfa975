"""Past signature validation (EN 319 102-1 clause 5.6.2.4), for signatures and for timestamp tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zdda.model.clock import format_time
from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.signatures.certificates import Certificate
from zdda.validation.acceptance import ACCEPTANCE, check_algorithm
from zdda.validation.basic import Basic
from zdda.validation.constraints import Block, Checks, Failure
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, SubIndication, failed, indeterminate
from zdda.validation.past_certificate import PastCertificate, is_within, validate_past_certificate
from zdda.validation.policy import TokenPolicy
from zdda.validation.proofs import since
from zdda.validation.x509_validation import REVOCATION_ISSUER, signed_by

CLAUSE = "EN 319 102-1 5.6.2.4"
_CURABLE = frozenset(
    {
        SubIndication.REVOKED_NO_POE,
        SubIndication.REVOKED_CA_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
        SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE,
    }
)
_BOUNDS = frozenset({SubIndication.OUT_OF_BOUNDS_NO_POE, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED})


def may_be_cured(conclusion: Conclusion) -> bool:
    """Whether an earlier proof of existence may change it."""
    return conclusion.indication is Indication.INDETERMINATE and conclusion.subindication in _CURABLE


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is judged again: a signature or a token. ``digest`` names it among the proofs; ``current``: what
    validation at the present time said."""

    digest: bytes
    signer: Certificate | None
    basic: Basic
    current: Conclusion
    token: TokenPolicy


def validate_past_signature(
    target: Target, acceptance_then: Block, evidence: Evidence, proofs: ProofsOfExistence
) -> Block:
    """PASSED where each failure is cured, FAILED where the signature is older than its certificate, else what
    validation at the present time said. ``acceptance_then``: clause 5.2.8 at the target's earliest proof."""
    checks = Checks("past-signature-validation", CLAUSE)
    current = target.current
    past = validate_past_certificate(target.basic.x509.path, target.token, evidence, proofs)
    checks.include(past.block, otherwise=current)
    if past.control_time is None:
        return checks.block()
    best = proofs.of(target.digest)
    if not checks.check(
        "existence-proven-before-control-time",
        is_within(best.time, past.control_time, past.slid),
        otherwise=current,
        checked=format_time(best.time),
        against=format_time(past.control_time),
    ):
        return checks.block()
    anew = next((block.failures for block in target.basic.blocks if block.name == ACCEPTANCE), ())
    if target.signer is not None:
        checks.check(
            "best-signature-time-after-issuance",
            best.time >= target.signer.not_before,
            otherwise=failed(SubIndication.NOT_YET_VALID),
            checked=format_time(best.time),
            against=format_time(target.signer.not_before),
        )
    for failure in sorted(target.basic.failures, key=lambda item: not may_be_cured(item.conclusion)):
        sub = failure.conclusion.subindication
        if failure.constraint == REVOCATION_ISSUER:
            _told_in_time(checks, target, past, proofs)
        elif failure in anew:
            continue  # made anew at the best signature time
        elif not may_be_cured(failure.conclusion) or sub is SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE:
            # Data whose issuer was not valid yet stay so, whatever is proven: only REVOCATION_ISSUER above is cured.
            checks.check("basic-validation-acceptable", False, otherwise=current, checked=failure.constraint)
        elif sub in _BOUNDS:
            _within_validity(checks, failure, target, best.time)
        elif sub is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE:
            _reliable_then(checks, target, acceptance_then, past, evidence, proofs)
    return checks.block()


def _told_in_time(checks: Checks, target: Target, past: PastCertificate, proofs: ProofsOfExistence) -> None:
    """The revocation data that were chosen are known to have existed while their issuers were valid."""
    anchor = target.basic.x509.chain[-1].certificate.sha256
    for fact in past.facts:
        if fact is None or fact.issuer_is_anchor or fact.issuer.sha256 == anchor:
            continue
        proven = since(fact, proofs)
        late = indeterminate(SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE)
        checks.check(
            REVOCATION_ISSUER,
            proven <= fact.issuer.not_after,
            otherwise=late if proven < proofs.validation_time else target.current,
            checked=format_time(fact.issuer.not_after),
            against=format_time(proven),
        )


def _within_validity(checks: Checks, failure: Failure, target: Target, best: datetime) -> None:
    member = next((item for item in target.basic.x509.chain if item.certificate.sha256 == failure.certificate), None)
    checks.check(
        "best-signature-time-before-expiry",
        member is not None and member.valid_at(best),
        otherwise=failure.conclusion,
        checked=format_time(best),
        against=format_time(member.certificate.not_after) if member is not None else "",
    )


def _reliable_then(
    checks: Checks,
    target: Target,
    acceptance_then: Block,
    past: PastCertificate,
    evidence: Evidence,
    proofs: ProofsOfExistence,
) -> None:
    """For everything that is signed: it is known to have existed while the algorithms over it were reliable."""
    checks.include(acceptance_then, otherwise=target.current)
    path = target.basic.x509.path
    if path is None:
        return
    for index, fact in enumerate(past.facts):
        for use in signed_by(path, index, fact):
            check_algorithm(
                checks,
                evidence.policy,
                evidence.catalogue,
                use.algorithm,
                use.size,
                proofs.of(use.digest).time,
                target.current,
                path.members[index].certificate.sha256,
            )
