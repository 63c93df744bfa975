"""Signature acceptance (EN 319 102-1 clause 5.2.8): algorithms against the catalogue, signed attributes."""

from __future__ import annotations

from datetime import datetime

from zdda.crypto.algorithms import AlgorithmCatalogue, AlgorithmVerdict, Reliability
from zdda.model.clock import format_time
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import Signature, Timestamp
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.validation.constraints import Block, Checks, Level
from zdda.validation.indications import Conclusion, SubIndication, indeterminate
from zdda.validation.policy import TokenPolicy, ValidationPolicy

CLAUSE = "EN 319 102-1 5.2.8"
ACCEPTANCE = "signature-acceptance"


def accept_signature(
    signature: Signature,
    policy: ValidationPolicy,
    token: TokenPolicy,
    catalogue: AlgorithmCatalogue,
    moment: datetime,
) -> Block:
    """``moment``: the validation time, or in clause 5.5 the best signature time."""
    checks = Checks(ACCEPTANCE, CLAUSE)
    constraints = indeterminate(SubIndication.SIG_CONSTRAINTS_FAILURE)
    properties = signature.properties
    if properties.algorithm_protection != "absent":
        checks.check(
            "algorithm-protection",
            properties.algorithm_protection == "match",
            otherwise=constraints,
        )
    claimed = signature.claimed_signing_time
    if (
        checks.check("signing-time-present", claimed is not None, token.signing_time_present, constraints)
        and claimed is not None
        and signature.signer is not None
    ):
        signer = signature.signer
        checks.check(
            "signing-time-in-certificate-validity",
            signer.not_before <= claimed <= signer.not_after,
            token.signing_time_in_certificate_validity,
            constraints,
            checked=format_time(claimed),
            against=f"{format_time(signer.not_before)}/{format_time(signer.not_after)}",
        )
    checks.check(
        "message-digest-present",
        properties.has_message_digest,
        token.message_digest_present,
        constraints,
    )
    no_poe = indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE)
    key = signature.signer.key_size if signature.signer is not None else None
    check_algorithm(checks, policy, catalogue, signature.algorithm, key, moment, no_poe)
    for name in dict.fromkeys(matcher.algorithm for matcher in signature.matchers):
        check_digest(checks, policy, catalogue, name, moment, no_poe)
    return checks.block()


def accept_timestamp(
    timestamp: Timestamp,
    certificate: Certificate | None,
    policy: ValidationPolicy,
    catalogue: AlgorithmCatalogue,
    moment: datetime,
) -> Block:
    checks = Checks(ACCEPTANCE, CLAUSE)
    no_poe = indeterminate(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE)
    token = timestamp.token
    if token is not None and certificate is not None:
        # A token from outside its certificate's validity was made by nobody who could be held to it.
        checks.check(
            "signing-time-in-certificate-validity",
            certificate.not_before <= token.gen_time <= certificate.not_after,
            policy.timestamp.signing_time_in_certificate_validity,
            indeterminate(SubIndication.SIG_CONSTRAINTS_FAILURE),
            checked=format_time(token.gen_time),
            against=f"{format_time(certificate.not_before)}/{format_time(certificate.not_after)}",
        )
    if token is not None:
        key = certificate.key_size if certificate is not None else None
        check_algorithm(checks, policy, catalogue, token.signature_algorithm, key, moment, no_poe)
        for name in dict.fromkeys((token.digest_algorithm, token.hash_algorithm)):
            check_digest(checks, policy, catalogue, name, moment, no_poe)
    return checks.block()


def check_algorithm(
    checks: Checks,
    policy: ValidationPolicy,
    catalogue: AlgorithmCatalogue,
    algorithm: SignatureAlgorithm,
    size: int | None,
    moment: datetime,
    otherwise: Conclusion,
    certificate: bytes | None = None,
) -> None:
    """The digest, the mechanism and the key size (bits) of one signature value, at ``moment``."""
    check_digest(checks, policy, catalogue, algorithm.hash, moment, otherwise, certificate)
    verdict = catalogue.key_at(algorithm.mechanism, size, moment)
    checks.check(
        "key-reliable",
        verdict.reliability is Reliability.RELIABLE,
        _level(policy, verdict),
        otherwise,
        checked=f"{algorithm.mechanism}/{size}/{verdict.reliability.value}",
        against=_against(verdict, moment),
        certificate=certificate,
    )


def check_digest(
    checks: Checks,
    policy: ValidationPolicy,
    catalogue: AlgorithmCatalogue,
    name: str | None,
    moment: datetime,
    otherwise: Conclusion,
    certificate: bytes | None = None,
) -> None:
    verdict = catalogue.digest_at(name, moment)
    checks.check(
        "digest-algorithm-reliable",
        verdict.reliability is Reliability.RELIABLE,
        _level(policy, verdict),
        otherwise,
        checked=f"{name}/{verdict.reliability.value}",
        against=_against(verdict, moment),
        certificate=certificate,
    )


def _level(policy: ValidationPolicy, verdict: AlgorithmVerdict) -> Level:
    """An end that was set for a day after the catalogue's last review is told, it does not fail."""
    late = verdict.reliability is Reliability.EXPIRED_AFTER_REVIEW
    return Level.WARN if late and policy.algorithms is Level.FAIL else policy.algorithms


def _against(verdict: AlgorithmVerdict, moment: datetime) -> str:
    return f"{format_time(moment)} before {format_time(verdict.until) if verdict.until else 'no end'}"
