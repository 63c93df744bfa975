"""Validation of signatures with time (EN 319 102-1 clause 5.5).

Every failure of basic validation must be cured by the best signature time, each by its own rule of step 4;
one that is not decides. The path is not validated again at another time: that would hide what is known now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from zdda.model.clock import format_time
from zdda.model.proof_of_existence import ProofOfExistence, ProofsOfExistence
from zdda.signatures.model import Signature, Timestamp, TimestampType
from zdda.trust.paths import PathCertificate
from zdda.validation.acceptance import ACCEPTANCE, accept_signature, check_algorithm
from zdda.validation.basic import Basic
from zdda.validation.constraints import Block, Checks, Failure, Level
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, SubIndication, failed, indeterminate
from zdda.validation.proofs import since
from zdda.validation.x509_validation import REVOCATION_ISSUER, signed_by, validate_certificate

CLAUSE = "EN 319 102-1 5.5.4"
_CONTINUE = frozenset(
    {
        SubIndication.REVOKED_NO_POE,
        SubIndication.REVOKED_CA_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.OUT_OF_BOUNDS_NOT_REVOKED,
        SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        SubIndication.TRY_LATER,
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE,
    }
)


# Archive timestamps are of clause 5.6.
_OF_SIGNATURES = (TimestampType.SIGNATURE, TimestampType.DOCUMENT)


@dataclass(frozen=True, slots=True, eq=False)
class WithTime:
    """``proofs`` holds what the timestamps prove; ``best_signature_time`` is the signature's."""

    process: Block
    best_signature_time: datetime
    proofs: ProofsOfExistence


def prove_existence(
    signature: Signature,
    timestamps: Iterable[tuple[Timestamp, Conclusion]],
    proofs: ProofsOfExistence,
    checks: Checks,
) -> ProofsOfExistence:
    """Step 2: the earliest timestamp that passed; one that did not is left out, with a record."""
    name = bytes.fromhex(signature.identifier)
    for timestamp, conclusion in timestamps:
        if timestamp.type not in _OF_SIGNATURES or name not in timestamp.covers:
            continue
        passed = conclusion.indication is Indication.PASSED
        token = timestamp.token
        checks.check(
            "timestamp-used",
            passed,
            Level.WARN,
            checked=timestamp.identifier,
            against=format_time(token.gen_time) if token is not None else "",
        )
        if passed and token is not None:
            proofs = proofs.with_proof(name, ProofOfExistence(token.gen_time, timestamp.identifier))
    return proofs


def validate_with_time(
    signature: Signature,
    basic: Basic,
    timestamps: Iterable[tuple[Timestamp, Conclusion]],
    evidence: Evidence,
    content_timestamps: Iterable[tuple[Timestamp, Conclusion]] = (),
) -> WithTime:
    """``timestamps``: at least those that cover the signature. ``content_timestamps``: the signature's own."""
    checks = Checks("validation-with-time", CLAUSE)
    proofs = ProofsOfExistence(evidence.validation_time)
    conclusive = basic.conclusion.indication is Indication.PASSED
    # Step 1: any other result of basic validation stands, whatever the time.
    continuing = conclusive or _may_continue(basic.conclusion)
    checks.check(
        "basic-validation-acceptable",
        continuing,
        otherwise=basic.conclusion,
        checked=str(basic.conclusion.subindication or ""),
    )
    if continuing:
        proofs = prove_existence(signature, timestamps, proofs, checks)
    best = proofs.of(bytes.fromhex(signature.identifier))
    checks.note("best-signature-time", format_time(best.time), best.source)
    if continuing and not conclusive:
        _cure(checks, signature, basic, evidence, best.time, proofs)
    if continuing:
        acceptance = accept_signature(
            signature, evidence.policy, evidence.policy.of(signature), evidence.catalogue, best.time
        )
        checks.include(acceptance)
        _in_order(checks, content_timestamps, timestamps, evidence)
    return WithTime(checks.block(), best.time, proofs)


def _in_order(
    checks: Checks,
    content: Iterable[tuple[Timestamp, Conclusion]],
    covering: Iterable[tuple[Timestamp, Conclusion]],
    evidence: Evidence,
) -> None:
    """What was timestamped before signing is not younger than what was timestamped after it."""
    before, after = _times(content), _times(covering)
    if before and after:
        checks.check(
            "timestamps-in-order",
            max(before) <= min(after),
            evidence.policy.timestamp_order,
            indeterminate(SubIndication.TIMESTAMP_ORDER_FAILURE),
            checked=format_time(max(before)),
            against=format_time(min(after)),
        )


def _times(timestamps: Iterable[tuple[Timestamp, Conclusion]]) -> list[datetime]:
    return [
        timestamp.token.gen_time
        for timestamp, conclusion in timestamps
        if timestamp.token is not None and conclusion.indication is Indication.PASSED
    ]


def _may_continue(conclusion: Conclusion) -> bool:
    return conclusion.indication is Indication.INDETERMINATE and conclusion.subindication in _CONTINUE


def _cure(
    checks: Checks,
    signature: Signature,
    basic: Basic,
    evidence: Evidence,
    best: datetime,
    proofs: ProofsOfExistence,
) -> None:
    """Step 4, for each failure in turn. What no time can cure fails here too, after the others; acceptance is made
    anew at the best signature time."""
    chain = {member.certificate.sha256: member for member in basic.x509.chain}
    reliable = _algorithms_then(signature, basic, evidence, best)
    anew = next((block.failures for block in basic.blocks if block.name == ACCEPTANCE), ())
    for failure in sorted(basic.failures, key=lambda item: not _may_continue(item.conclusion)):
        member = chain.get(failure.certificate or b"")
        sub = failure.conclusion.subindication
        if failure.constraint == REVOCATION_ISSUER:
            _told_in_time(checks, failure, member, evidence, proofs)
        elif failure in anew:
            continue
        elif not _may_continue(failure.conclusion) or sub is SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE:
            # Data whose issuer was not valid yet stay so, whatever is proven: only REVOCATION_ISSUER above is cured.
            checks.check("basic-validation-acceptable", False, otherwise=failure.conclusion, checked=failure.constraint)
        elif sub in (SubIndication.REVOKED_NO_POE, SubIndication.REVOKED_CA_NO_POE, SubIndication.TRY_LATER):
            _before_revocation(checks, failure, member, evidence, best)
        elif sub in (SubIndication.OUT_OF_BOUNDS_NO_POE, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED):
            _within_validity(checks, failure, member, best)
        elif sub is SubIndication.NO_CERTIFICATE_CHAIN_FOUND_NO_POE:
            until = basic.x509.chain[-1].trusted_until if basic.x509.chain else None
            checks.check(
                "trust-anchor-in-force",
                until is not None and best < until,
                otherwise=failure.conclusion,
                checked=format_time(until) if until is not None else "",
                against=format_time(best),
            )
        else:
            checks.check(
                "block-conclusive",
                reliable,
                otherwise=failure.conclusion,
                checked=failure.constraint,
                against=format_time(best),
            )
    if signature.signer is not None:
        # Step 4 b: whatever else was wrong, a signature from before its certificate is none.
        checks.check(
            "best-signature-time-after-issuance",
            best >= signature.signer.not_before,
            otherwise=failed(SubIndication.NOT_YET_VALID),
            checked=format_time(best),
            against=format_time(signature.signer.not_before),
        )


def _before_revocation(
    checks: Checks,
    failure: Failure,
    member: PathCertificate | None,
    evidence: Evidence,
    best: datetime,
) -> None:
    """4 a: the signature existed before the revocation (of the signer or of a CA)."""
    fact = member.decisive(evidence.validation_time) if member is not None else None
    revoked_at = fact.revoked_since if fact is not None else None
    checks.check(
        "best-signature-time-before-revocation",
        revoked_at is not None and best < revoked_at,
        otherwise=failure.conclusion,
        checked=format_time(best),
        against=format_time(revoked_at) if revoked_at is not None else "",
    )


def _within_validity(checks: Checks, failure: Failure, member: PathCertificate | None, best: datetime) -> None:
    """4 b: the signature existed within the validity of the certificate that is out of bounds now."""
    certificate = member.certificate if member is not None else None
    if certificate is not None and best < certificate.not_before:
        return  # said of the signer's certificate below, and then it is a failure
    checks.check(
        "best-signature-time-before-expiry",
        certificate is not None and best <= certificate.not_after,
        otherwise=failure.conclusion,
        checked=format_time(best),
        against=format_time(certificate.not_after) if certificate is not None else "",
    )


def _told_in_time(
    checks: Checks,
    failure: Failure,
    member: PathCertificate | None,
    evidence: Evidence,
    proofs: ProofsOfExistence,
) -> None:
    """4 c: the revocation data are known to have existed while their issuer was valid. When the signature existed says
    nothing of it: an expired responder's key may make an old answer at any time."""
    fact = member.decisive(evidence.validation_time) if member is not None else None
    checks.check(
        REVOCATION_ISSUER,
        fact is not None and since(fact, proofs) <= fact.issuer.not_after,
        otherwise=failure.conclusion,
        checked=format_time(fact.issuer.not_after) if fact is not None else "",
        against=format_time(since(fact, proofs)) if fact is not None else "",
    )


def _algorithms_then(signature: Signature, basic: Basic, evidence: Evidence, best: datetime) -> bool:
    """4 d: every algorithm concerned was reliable when the signature is known to have existed.

    Certificates of the path existed when the signature over them did; revocation data may be younger, and
    for them the validation time counts.
    """
    policy = evidence.policy
    acceptance = accept_signature(signature, policy, policy.of(signature), evidence.catalogue, best)
    if _crypto(acceptance.failures):
        return False
    then = validate_certificate(basic.x509.path, policy, policy.of(signature), evidence.catalogue, best)
    return not _crypto(then.block.failures) and not _revocation_crypto(basic, evidence)


def _crypto(failures: Iterable[Failure]) -> bool:
    return any(
        failure.conclusion.subindication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE for failure in failures
    )


def _revocation_crypto(basic: Basic, evidence: Evidence) -> bool:
    checks = Checks("revocation-data", CLAUSE)
    path = basic.x509.path
    for index, member in enumerate(basic.x509.chain[:-1]):
        fact = member.decisive(evidence.validation_time)
        if fact is None or path is None:
            continue
        for use in signed_by(path, index, fact):
            if use.digest == fact.digest:
                check_algorithm(
                    checks,
                    evidence.policy,
                    evidence.catalogue,
                    use.algorithm,
                    use.size,
                    evidence.validation_time,
                    failed(SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
                )
    return checks.failed
