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
from zdda.validation.acceptance import accept_signature, check_algorithm
from zdda.validation.basic import Basic
from zdda.validation.constraints import Block, Checks, Failure, Level
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, SubIndication, failed
from zdda.validation.x509_validation import validate_certificate

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
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class WithTime:
    """``proofs`` holds what the timestamps prove; ``best_signature_time`` is the signature's."""

    process: Block
    best_signature_time: datetime
    proofs: ProofsOfExistence


def prove_existence(
    signature_digest: bytes,
    signature: Signature,
    timestamps: Iterable[tuple[Timestamp, Conclusion]],
    proofs: ProofsOfExistence,
    checks: Checks,
) -> ProofsOfExistence:
    """Step 2: the earliest timestamp that passed; one that did not is left out, with a record."""
    for timestamp, conclusion in timestamps:
        if timestamp.type is TimestampType.CONTENT or not _covers(timestamp, signature):
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
            proof = ProofOfExistence(token.gen_time, timestamp.identifier)
            proofs = proofs.with_proof(signature_digest, proof)
    return proofs


def _covers(timestamp: Timestamp, signature: Signature) -> bool:
    """A signature timestamp stands in its signature; a document timestamp covers what lies before it."""
    if timestamp.type is TimestampType.SIGNATURE:
        return timestamp in signature.timestamps
    return 0 < signature.covered_until < timestamp.covered_until


def validate_with_time(
    signature: Signature,
    signature_digest: bytes,
    basic: Basic,
    timestamps: Iterable[tuple[Timestamp, Conclusion]],
    evidence: Evidence,
) -> WithTime:
    checks = Checks("validation-with-time", CLAUSE)
    proofs = ProofsOfExistence(evidence.validation_time)
    conclusive = basic.conclusion.indication is Indication.PASSED
    # Step 1: any other result of basic validation stands, whatever the time.
    continuing = conclusive or (bool(basic.failures) and all(_may_continue(item) for item in basic.failures))
    outside = next((item for item in basic.failures if not _may_continue(item)), None)
    checks.check(
        "basic-validation-acceptable",
        continuing,
        otherwise=basic.conclusion if outside is None else outside.conclusion,
        checked=str(basic.conclusion.subindication or ""),
    )
    if continuing:
        proofs = prove_existence(signature_digest, signature, timestamps, proofs, checks)
    best = proofs.of(signature_digest)
    checks.note("best-signature-time", format_time(best.time), best.source)
    if continuing and not conclusive:
        _cure(checks, signature, basic, evidence, best.time)
    if not checks.failed:
        acceptance = accept_signature(
            signature, evidence.policy, evidence.policy.signature, evidence.catalogue, best.time
        )
        checks.check(
            "block-conclusive",
            acceptance.conclusion.indication is Indication.PASSED,
            otherwise=acceptance.conclusion,
            checked=acceptance.name,
        )
    return WithTime(checks.block(), best.time, proofs)


def _may_continue(failure: Failure) -> bool:
    return failure.conclusion.indication is Indication.INDETERMINATE and failure.conclusion.subindication in _CONTINUE


def _cure(checks: Checks, signature: Signature, basic: Basic, evidence: Evidence, best: datetime) -> None:
    """Step 4, for each failure in turn."""
    chain = {member.certificate.sha256: member for member in basic.x509.chain}
    if signature.signer is not None:
        # Step 4 b i: whatever else was wrong, a signature from before its certificate is none.
        checks.check(
            "best-signature-time-after-issuance",
            best >= signature.signer.not_before,
            otherwise=failed(SubIndication.NOT_YET_VALID),
            checked=format_time(best),
            against=format_time(signature.signer.not_before),
        )
    reliable = _algorithms_then(signature, basic, evidence, best)
    for failure in basic.failures:
        member = chain.get(failure.certificate or b"")
        sub = failure.conclusion.subindication
        if sub in (SubIndication.REVOKED_NO_POE, SubIndication.REVOKED_CA_NO_POE, SubIndication.TRY_LATER):
            _before_revocation(checks, failure, member, evidence, best)
        elif sub in (SubIndication.OUT_OF_BOUNDS_NO_POE, SubIndication.OUT_OF_BOUNDS_NOT_REVOKED):
            _within_validity(checks, failure, member, best)
        elif sub is SubIndication.REVOCATION_OUT_OF_BOUNDS_NO_POE:
            _issuer_then(checks, failure, basic, best, evidence)
        else:
            checks.check(
                "block-conclusive",
                reliable,
                otherwise=failure.conclusion,
                checked=failure.constraint,
                against=format_time(best),
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
    revoked_at = fact.revoked_at if fact is not None else None
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
    checks.check(
        "best-signature-time-before-expiry",
        certificate is not None and certificate.not_before <= best <= certificate.not_after,
        otherwise=failure.conclusion,
        checked=format_time(best),
        against=format_time(certificate.not_after) if certificate is not None else "",
    )


def _issuer_then(checks: Checks, failure: Failure, basic: Basic, best: datetime, evidence: Evidence) -> None:
    """4 c: the issuer of the revocation data was valid at the best signature time."""
    issuers = [
        fact.issuer
        for member in basic.x509.chain
        for fact in (member.decisive(evidence.validation_time),)
        if fact is not None
    ]
    issuer = next((item for item in issuers if item.sha256 == failure.certificate), None)
    checks.check(
        "revocation-issuer-in-validity-period",
        issuer is not None and issuer.not_before <= best <= issuer.not_after,
        otherwise=failure.conclusion,
        checked=format_time(issuer.not_after) if issuer is not None else "",
        against=format_time(best),
    )


def _algorithms_then(signature: Signature, basic: Basic, evidence: Evidence, best: datetime) -> bool:
    """4 d: every algorithm concerned was reliable when the signature is known to have existed.

    Certificates of the path existed when the signature over them did; revocation data may be younger, and
    for them the validation time counts.
    """
    policy = evidence.policy
    acceptance = accept_signature(signature, policy, policy.signature, evidence.catalogue, best)
    if _crypto(acceptance.failures):
        return False
    then = validate_certificate(basic.x509.path, policy, policy.signature, evidence.catalogue, best)
    return not _crypto(then.block.failures) and not _revocation_crypto(basic, evidence)


def _crypto(failures: Iterable[Failure]) -> bool:
    return any(
        failure.conclusion.subindication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE for failure in failures
    )


def _revocation_crypto(basic: Basic, evidence: Evidence) -> bool:
    checks = Checks("revocation-data", CLAUSE)
    for member in basic.x509.chain:
        fact = member.decisive(evidence.validation_time)
        if fact is not None:
            check_algorithm(
                checks,
                evidence.policy,
                evidence.catalogue,
                fact.algorithm,
                fact.issuer.key_size,
                evidence.validation_time,
                failed(SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
            )
    return checks.failed
