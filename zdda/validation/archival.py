"""Validation with archival data (EN 319 102-1 clause 5.6.3), for timestamps and for signatures.

Timestamps are judged from the latest back, each with the proofs that the later ones gave. A signature's result with
time is replaced only where past signature validation improves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zdda.model.clock import format_time
from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.signatures.model import Signature, Timestamp
from zdda.validation.acceptance import accept_signature, accept_timestamp
from zdda.validation.basic import Basic, authority
from zdda.validation.constraints import Block, Checks, Level
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, SubIndication, failed
from zdda.validation.past_signature import Target, may_be_cured, validate_past_signature
from zdda.validation.proofs import name_of
from zdda.validation.with_time import WithTime

CLAUSE = "EN 319 102-1 5.6.3.4"


@dataclass(frozen=True, slots=True, eq=False)
class Archival:
    """``past``: past signature validation, where it was made. ``best_signature_time``: the earliest proof."""

    process: Block
    best_signature_time: datetime
    past: Block | None = None

    @property
    def conclusion(self) -> Conclusion:
        return self.process.conclusion


def validate_archival_timestamp(
    timestamp: Timestamp, basic: Basic, evidence: Evidence, proofs: ProofsOfExistence
) -> Archival:
    """Steps 4 and 5: PASSED at present or in the past; else what clause 5.4 said stands."""
    policy = evidence.policy
    best = proofs.of(name_of(timestamp))
    certificate = authority(timestamp, evidence)
    then = accept_timestamp(timestamp, certificate, policy, evidence.catalogue, best.time)
    target = Target(name_of(timestamp), certificate, basic, basic.conclusion, policy.timestamp)
    return _improve(target, then, evidence.validation_time, evidence, proofs)


def validate_archival(
    signature: Signature, basic: Basic, with_time: WithTime, evidence: Evidence, proofs: ProofsOfExistence
) -> Archival:
    """Steps 6 to 9: past signature validation, then acceptance at the best signature time found anew."""
    policy = evidence.policy
    name = bytes.fromhex(signature.identifier)
    best = proofs.of(name)
    then = accept_signature(signature, policy, policy.of(signature), evidence.catalogue, best.time)
    target = Target(name, signature.signer, basic, with_time.process.conclusion, policy.of(signature))
    return _improve(target, then, with_time.best_signature_time, evidence, proofs)


def _improve(target: Target, then: Block, so_far: datetime, evidence: Evidence, proofs: ProofsOfExistence) -> Archival:
    """``so_far``: the best signature time of validation with time, which stands where nothing can be cured."""
    checks = Checks("validation-with-archival-data", CLAUSE)
    proof = proofs.of(target.digest)
    best = proof.time
    checks.note("best-signature-time", format_time(best), proof.source)
    current = target.current
    past = None
    if _older_than_its_certificate(target, best):
        checks.check(
            "best-signature-time-after-issuance",
            False,
            otherwise=failed(SubIndication.NOT_YET_VALID),
            checked=format_time(best),
            against=format_time(target.signer.not_before) if target.signer is not None else "",
        )
        return Archival(checks.block(), best)
    if current.indication is Indication.PASSED:
        checks.note("archival-validation-not-needed", current.indication.value)
    elif not may_be_cured(target.current):
        checks.note("archival-validation-cannot-cure", str(current.subindication or ""))
        return Archival(checks.block(current), so_far)
    else:
        past = validate_past_signature(target, then, evidence, proofs)
        cured = past.conclusion.indication is Indication.PASSED
        checks.check("block-conclusive", cured, Level.WARN, checked=past.name)
        if not cured:
            return Archival(checks.block(past.conclusion), best, past)
    checks.check(
        "block-conclusive",
        then.conclusion.indication is Indication.PASSED,
        otherwise=then.conclusion,
        checked=then.name,
    )
    return Archival(checks.block(), best, past)


def _older_than_its_certificate(target: Target, best: datetime) -> bool:
    """Clause 5.6.2.4 asks this of what has expired only; then a verdict would turn from open to failed by the mere
    passing of time. What can be cured comes to the same after its cure, in the standard's order."""
    open_or_passed = target.current.indication is Indication.PASSED or (
        target.current.subindication is SubIndication.SIG_CONSTRAINTS_FAILURE
    )
    return open_or_passed and target.signer is not None and best < target.signer.not_before
