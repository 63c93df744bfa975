"""Validation of basic signatures (EN 319 102-1 clause 5.3) and of timestamp tokens (clause 5.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zdda.model.clock import format_time
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.errors import FormatError
from zdda.signatures.model import Signature, Timestamp
from zdda.validation.acceptance import accept_signature, accept_timestamp
from zdda.validation.building_blocks import (
    check_format,
    check_purpose,
    check_timestamp_format,
    identify_authority,
    identify_certificate,
    initialise_context,
    verify_signature,
    verify_timestamp,
)
from zdda.validation.constraints import Block, Checks, Failure
from zdda.validation.evidence_at_hand import Evidence
from zdda.validation.indications import Conclusion, Indication, SubIndication, failed, indeterminate
from zdda.validation.x509_validation import X509Outcome, validate_certificate


@dataclass(frozen=True, slots=True, eq=False)
class Basic:
    """What clause 5.3 or 5.4 came to. ``failures``: all that stands against PASSED, the deciding one first."""

    process: Block
    blocks: tuple[Block, ...]
    x509: X509Outcome
    failures: tuple[Failure, ...]

    @property
    def conclusion(self) -> Conclusion:
        return self.process.conclusion


def validate_basic_signature(
    signature: Signature, evidence: Evidence, content_timestamps: Iterable[tuple[Timestamp, Conclusion]] = ()
) -> Basic:
    """Clause 5.3.4: format, certificate, context, path, cryptography, acceptance, in this order.

    ``content_timestamps``: those of the signature, with what clause 5.4 says of each."""
    token = evidence.policy.of(signature)
    moment = evidence.validation_time
    form = check_format(signature, token)
    identified = identify_certificate(signature, token)
    context = initialise_context(signature, token)
    found = signature.signer is not None
    path = evidence.path_of(signature.signer) if signature.signer is not None else None
    x509 = validate_certificate(path, evidence.policy, token, evidence.catalogue, moment)
    declared = evidence.declaration_of(signature.signer) if signature.signer is not None else None
    purpose = check_purpose(declared, token)
    cryptography = verify_signature(signature, token)
    acceptance = accept_signature(signature, evidence.policy, token, evidence.catalogue, moment)
    earliest = _not_before_content(signature, content_timestamps, x509, acceptance, evidence)
    # Steps 1 to 3 end the process; a failure of step 5 (cryptography) outweighs an open path of step 4.
    order = [form, identified]
    if found:
        order += [context, cryptography, earliest, x509.block, purpose, acceptance]
    extra = tuple(block for block in (earliest, purpose) if block.constraints)
    blocks = (form, identified, context, x509.block, cryptography, *extra, acceptance)
    return _conclude("basic-signature-validation", "EN 319 102-1 5.3.4", blocks, order, x509)


def _not_before_content(
    signature: Signature,
    content_timestamps: Iterable[tuple[Timestamp, Conclusion]],
    x509: X509Outcome,
    acceptance: Block,
    evidence: Evidence,
) -> Block:
    """Steps 4 and 6: the signature is younger than its content timestamps. Where one that passed is later than the
    revocation or the end of the signing certificate, or of an algorithm, no proof of existence can help."""
    checks = Checks("content-timestamps", "EN 319 102-1 5.3.4")
    leaf = x509.chain[0] if len(x509.chain) > 1 else None
    for timestamp, conclusion in content_timestamps:
        if timestamp.token is None or conclusion.indication is not Indication.PASSED:
            continue
        time = timestamp.token.gen_time
        if leaf is not None:
            fact = leaf.decisive(evidence.validation_time)
            revoked_at = fact.revoked_since if fact is not None and fact.revoked_by(evidence.validation_time) else None
            checks.check(
                "content-timestamp-before-revocation",
                revoked_at is None or time < revoked_at,
                otherwise=failed(SubIndication.REVOKED),
                checked=format_time(time),
                against=format_time(revoked_at) if revoked_at is not None else "",
            )
            checks.check(
                "content-timestamp-before-expiry",
                time <= leaf.certificate.not_after,
                otherwise=failed(SubIndication.EXPIRED),
                checked=format_time(time),
                against=format_time(leaf.certificate.not_after),
            )
        if acceptance.conclusion.subindication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE:
            policy = evidence.policy
            then = accept_signature(signature, policy, policy.of(signature), evidence.catalogue, time)
            checks.check(
                "content-timestamp-before-algorithm-end",
                then.conclusion.subindication is not SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
                otherwise=indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
                checked=format_time(time),
            )
    return checks.block()


def validate_timestamp(timestamp: Timestamp, evidence: Evidence) -> Basic:
    """Clause 5.4.4: like a basic signature, over the token and its imprint."""
    token = evidence.policy.timestamp
    moment = evidence.validation_time
    certificate = authority(timestamp, evidence)
    form = check_timestamp_format(timestamp)
    identified = identify_authority(timestamp, certificate, token)
    path = evidence.path_of(certificate) if certificate is not None else None
    x509 = validate_certificate(path, evidence.policy, token, evidence.catalogue, moment)
    cryptography = verify_timestamp(timestamp)
    acceptance = accept_timestamp(timestamp, certificate, evidence.policy, evidence.catalogue, moment)
    future = Checks("time", "EN 319 102-1 5.4.4")
    if timestamp.token is not None:
        future.check(
            "timestamp-not-in-future",
            timestamp.token.gen_time <= moment,
            evidence.policy.timestamp_in_future,
            failed(SubIndication.NOT_YET_VALID),
            checked=format_time(timestamp.token.gen_time),
            against=format_time(moment),
        )
    time = future.block()
    order = [form, identified, cryptography, x509.block, acceptance, time]
    blocks = (form, identified, x509.block, cryptography, acceptance, time)
    return _conclude("timestamp-validation", "EN 319 102-1 5.4.4", blocks, order, x509)


def authority(timestamp: Timestamp, evidence: Evidence) -> Certificate | None:
    """The certificate of the authority that signed the token, None where there is none to be read."""
    named = timestamp.token.signer_certificate if timestamp.token is not None else None
    return evidence.certificate(named) if named is not None else None


def authority_of(timestamp: Timestamp) -> Certificate | None:
    """The same from the token's bytes alone, where there are bytes."""
    if timestamp.token is None or timestamp.token.signer_certificate is None:
        return None
    try:
        return load_certificate(timestamp.token.signer_certificate)
    except FormatError:
        return None


def _conclude(name: str, clause: str, blocks: tuple[Block, ...], order: list[Block], x509: X509Outcome) -> Basic:
    checks = Checks(name, clause)
    failures: list[Failure] = []
    for block in order:
        conclusive = block.conclusion.indication is Indication.PASSED
        checks.check(
            "block-conclusive",
            conclusive,
            otherwise=block.conclusion,
            checked=block.name,
            against=str(block.conclusion.subindication or ""),
        )
        failures.extend(block.failures)
    return Basic(checks.block(), blocks, x509, tuple(failures))
