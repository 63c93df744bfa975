"""The words of EN 319 102-1 clause 5.1.3 (tables 4 to 6) for what validation found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Indication(StrEnum):
    """TOTAL_… is of a signature, PASSED and FAILED of a building block or a timestamp."""

    TOTAL_PASSED = "TOTAL_PASSED"
    TOTAL_FAILED = "TOTAL_FAILED"
    INDETERMINATE = "INDETERMINATE"
    PASSED = "PASSED"
    FAILED = "FAILED"


class SubIndication(StrEnum):
    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    SIGNATURE_POLICY_NOT_AVAILABLE = "SIGNATURE_POLICY_NOT_AVAILABLE"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND_NO_POE = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NOT_REVOKED = "OUT_OF_BOUNDS_NOT_REVOKED"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    NO_POE = "NO_POE"
    TRY_LATER = "TRY_LATER"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a building block or a process came to. No truth value: INDETERMINATE is an answer."""

    indication: Indication
    subindication: SubIndication | None = None

    def __bool__(self) -> bool:
        raise TypeError("a conclusion is not a truth value: read its indication")

    @property
    def passed(self) -> bool:
        return self.indication in (Indication.PASSED, Indication.TOTAL_PASSED)


PASSED = Conclusion(Indication.PASSED)


@cache
def failed(subindication: SubIndication) -> Conclusion:
    return Conclusion(Indication.FAILED, subindication)


@cache
def indeterminate(subindication: SubIndication) -> Conclusion:
    return Conclusion(Indication.INDETERMINATE, subindication)


def total(conclusion: Conclusion) -> Conclusion:
    """The block's words turned into the signature's (clause 5.1.3 table 4)."""
    words = {Indication.PASSED: Indication.TOTAL_PASSED, Indication.FAILED: Indication.TOTAL_FAILED}
    return Conclusion(words.get(conclusion.indication, conclusion.indication), conclusion.subindication)
