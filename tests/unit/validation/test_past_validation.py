"""Past signature validation, validation time sliding, extraction of proofs (EN 319 102-1 clause 5.6.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.validation.facts_laboratory import (
    CA,
    ROOT,
    SIGNATURE,
    Facts,
    certificate,
    day,
    identifier,
    name,
    signature,
    stamp,
    told,
)
from zdda.model.proof_of_existence import ProofOfExistence, ProofsOfExistence
from zdda.signatures.certificates import Certificate
from zdda.signatures.model import TimestampType
from zdda.trust.revocation import RevocationFact
from zdda.validation.constraints import Level
from zdda.validation.past_certificate import validate_past_certificate
from zdda.validation.policy import ValidationPolicy
from zdda.validation.processes import judge
from zdda.validation.proofs import EvidenceRecordFact

HOUR = timedelta(hours=1)
NOW = day(2030)
GOOD_CA = [told(ROOT, NOW - HOUR)]


def words(facts: Facts, signed: object, *later: object, records: tuple[EvidenceRecordFact, ...] = ()) -> str:
    judged = judge([signed], [*signed.timestamps, *later], facts, records)  # type: ignore[attr-defined, list-item]
    found = judged.signatures[0].conclusion
    return str(found.subindication or found.indication.value)


def authority(facts: Facts, name: str = "tsa") -> Certificate:
    return facts.trust(certificate(name, kind="tsa"), [told(CA, NOW - HOUR)], GOOD_CA)


def proven(*digests: bytes, at: datetime) -> ProofsOfExistence:
    return ProofsOfExistence(NOW).with_proofs(digests, ProofOfExistence(at, "test"))


# --- validation time sliding


def slide(
    facts: list[RevocationFact], ca_facts: list[RevocationFact], proofs: ProofsOfExistence, policy: ValidationPolicy
) -> datetime | None:
    evidence = Facts(NOW, policy)
    signer = evidence.trust(certificate("signer"), facts, ca_facts)
    return validate_past_certificate(evidence.path_of(signer), policy.signature, evidence, proofs).control_time


NO_PROOFS = ProofsOfExistence(NOW)
POLICY = ValidationPolicy()
FRESH = replace(
    POLICY,
    signature=replace(
        POLICY.signature,
        signer=replace(POLICY.signature.signer, revocation_fresh=Level.FAIL),
        ca=replace(POLICY.signature.ca, revocation_fresh=Level.FAIL),
    ),
)


def test_nothing_slides_where_all_is_good() -> None:
    assert slide([told(CA, NOW - HOUR)], GOOD_CA, NO_PROOFS, POLICY) == NOW


def test_the_control_time_is_the_revocation_of_the_signer() -> None:
    assert slide([told(CA, NOW - HOUR, revoked_at=day(2025))], GOOD_CA, NO_PROOFS, POLICY) == day(2025)


def test_below_a_revoked_ca_only_older_data_that_are_proven_count() -> None:
    """Step 2 a: issued before the control time, and known to have existed then."""
    gone, old, young = [told(ROOT, NOW - HOUR, revoked_at=day(2025))], told(CA, day(2024)), told(CA, day(2026))
    assert slide([old, young], gone, NO_PROOFS, POLICY) is None
    signer = certificate("signer")
    both = proven(old.digest, young.digest, signer.sha256, CA.sha256, at=day(2024, 6))
    assert slide([old, young], gone, both, POLICY) == day(2025)
    assert slide([young], gone, both, POLICY) is None
    assert slide([old], gone, proven(old.digest, at=day(2024, 6)), POLICY) is None  # the certificate is not proven
    assert slide([old], gone, proven(old.digest, signer.sha256, at=day(2026)), POLICY) is None


def test_stale_data_slide_to_their_issuance_where_the_policy_asks_for_fresh_ones() -> None:
    """Step 2 b with clause 5.2.5."""
    assert slide([told(CA, day(2025))], GOOD_CA, NO_PROOFS, POLICY) == NOW
    assert slide([told(CA, day(2025))], GOOD_CA, NO_PROOFS, FRESH) == day(2025)
    assert slide([told(CA, NOW - HOUR)], GOOD_CA, NO_PROOFS, FRESH) == NOW


def test_an_algorithm_slides_to_its_end_and_an_unknown_one_to_nowhere() -> None:
    """Step 2 c."""

    def control(algorithm: str) -> datetime | None:
        evidence = Facts(NOW)
        leaf = certificate("signer", start=day(2010), algorithm=algorithm)
        evidence.trust(leaf, [told(CA, NOW - HOUR)], GOOD_CA)
        return validate_past_certificate(evidence.path_of(leaf), POLICY.signature, evidence, NO_PROOFS).control_time

    assert control("sha256") == NOW
    assert control("sha1") == day(2012, 8)
    assert control("sha999") is None


def test_the_end_of_trust_in_the_anchor_slides_too() -> None:
    evidence = Facts(NOW)
    facts = [told(CA, day(2024)), told(CA, NOW - HOUR)]
    leaf = evidence.trust(certificate("signer"), facts, [told(ROOT, day(2024))], trusted_until=day(2025))
    path = evidence.path_of(leaf)
    both = proven(leaf.sha256, CA.sha256, facts[0].digest, told(ROOT, day(2024)).digest, at=day(2024, 6))
    assert validate_past_certificate(path, POLICY.signature, evidence, both).control_time == day(2025)


def test_a_delta_crl_needs_its_complete_crl_proven_too() -> None:
    gone = [told(ROOT, NOW - HOUR, revoked_at=day(2025))]
    complete = name("complete crl")
    delta = replace(told(CA, day(2024)), supporting=(complete,))
    known = (delta.digest, certificate("signer").sha256, CA.sha256)
    assert slide([delta], gone, proven(*known, at=day(2024, 6)), POLICY) is None
    assert slide([delta], gone, proven(*known, complete, at=day(2024, 6)), POLICY) == day(2025)


# --- signatures


def test_an_expired_responder_needs_its_answer_proven_while_it_was_valid() -> None:
    """Clause 5.5.4 step 4 c: the time of the signature does not tell when the answer was made."""
    responder = certificate("responder", end=day(2022), kind="responder")
    answer = told(responder, day(2021, 5), valid=timedelta(days=9999))
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [answer], GOOD_CA)
    tsa = authority(facts)
    signed = signature(signer, day(2021, 3), [stamp(tsa, day(2021, 4))])
    assert words(facts, signed) == "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    covered = (SIGNATURE, answer.digest)
    in_time = stamp(tsa, day(2021, 12), covered, TimestampType.ARCHIVE)
    assert words(facts, signed, in_time) == "TOTAL_PASSED"
    late = stamp(tsa, day(2022, 2), covered, TimestampType.ARCHIVE)
    assert words(facts, signed, late) == "REVOCATION_OUT_OF_BOUNDS_NO_POE"


def test_a_responders_certificate_must_be_signed_reliably_too() -> None:
    """Clause 5.2.6 over the revocation data: whoever can forge the responder can forge its answers."""
    responder = certificate("responder", start=day(2010), kind="responder", algorithm="sha1")
    answer = told(responder, NOW - HOUR)
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [answer], GOOD_CA)
    tsa = authority(facts)
    signed = signature(signer, day(2021, 3), [stamp(tsa, day(2021, 4))])
    assert words(facts, signed) == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    known = replace(answer, issuer_is_anchor=True)
    facts.trust(signer, [known], GOOD_CA)
    assert words(facts, signed) == "TOTAL_PASSED"


def test_an_expired_signer_with_an_expired_responder_needs_both_cured() -> None:
    responder = certificate("responder", end=day(2022), kind="responder")
    answer = told(responder, day(2021, 5))
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022, 6)), [answer], GOOD_CA)
    tsa = authority(facts)
    signed = signature(signer, day(2021, 3), [stamp(tsa, day(2021, 4))])
    assert words(facts, signed) == "OUT_OF_BOUNDS_NO_POE"
    archive = stamp(tsa, day(2021, 12), (SIGNATURE, answer.digest), TimestampType.ARCHIVE)
    assert words(facts, signed, archive) == "TOTAL_PASSED"


def test_a_signature_older_than_its_certificate_fails_in_the_past_too() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", start=day(2022), end=day(2024)), [told(CA, day(2023, 12, 30))], GOOD_CA)
    archive = stamp(authority(facts), day(2021), type=TimestampType.ARCHIVE)
    judged = judge([signature(signer, day(2022, 6))], [archive], facts)
    found = judged.signatures[0].conclusion
    assert (found.indication.value, str(found.subindication)) == ("TOTAL_FAILED", "NOT_YET_VALID")


@pytest.mark.parametrize("now", [day(2023), day(2030)])
@pytest.mark.parametrize("claimed", [day(2021), day(2022, 6)])
@pytest.mark.parametrize("type", [TimestampType.SIGNATURE, TimestampType.ARCHIVE])
def test_a_signature_older_than_its_certificate_fails_at_any_time(
    now: datetime, claimed: datetime, type: TimestampType
) -> None:
    facts = Facts(now)
    known = [told(CA, day(2022, 12, 30)), told(CA, now - HOUR)]
    signer = facts.trust(certificate("signer", start=day(2022), end=day(2024)), known, [told(ROOT, now - HOUR)])
    tsa = facts.trust(certificate("tsa", kind="tsa"), [told(CA, now - HOUR)], [told(ROOT, now - HOUR)])
    assert words(facts, signature(signer, claimed), stamp(tsa, day(2021), type=type)) == "NOT_YET_VALID"


def test_a_weak_digest_is_cured_by_a_proof_from_before_its_end() -> None:
    facts = Facts(NOW)
    signer = certificate("signer", start=day(2008), end=day(2040))
    facts.trust(signer, [told(CA, NOW - HOUR)], GOOD_CA)
    tsa = facts.trust(certificate("tsa", start=day(2008), kind="tsa"), [told(CA, NOW - HOUR)], GOOD_CA)
    signed = signature(signer, day(2010), digest="sha1")
    assert words(facts, signed) == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    for made, expected in ((day(2012), "TOTAL_PASSED"), (day(2013), "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")):
        archive = stamp(tsa, made, type=TimestampType.ARCHIVE)
        assert words(facts, signed, archive) == expected


def test_trust_that_has_ended_is_cured_by_a_proof_from_while_it_lasted() -> None:
    facts = Facts(NOW)
    old = [told(CA, day(2021, 5)), told(ROOT, day(2021, 5))]
    signer = facts.trust(certificate("signer"), old[:1], old[1:], trusted_until=day(2025))
    assert words(facts, signature(signer, day(2021))) == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    tsa = authority(facts)
    covered = (SIGNATURE, signer.sha256, CA.sha256, *(fact.digest for fact in old))
    in_time = stamp(tsa, day(2024), covered, TimestampType.ARCHIVE)
    assert words(facts, signature(signer, day(2021)), in_time) == "TOTAL_PASSED"
    late = stamp(tsa, day(2026), covered, TimestampType.ARCHIVE)
    assert words(facts, signature(signer, day(2021)), late) == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"


def test_what_no_time_can_cure_stands_in_the_past_too() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [], GOOD_CA)
    archive = stamp(authority(facts), day(2021), (SIGNATURE,), TimestampType.ARCHIVE)
    assert words(facts, signature(signer, day(2021)), archive) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


# --- content timestamps (clause 5.3.4 steps 4 and 6)


@pytest.mark.parametrize(("made", "expected"), [(day(2021), "OUT_OF_BOUNDS_NOT_REVOKED"), (day(2023), "EXPIRED")])
def test_a_content_timestamp_after_the_signers_end_makes_it_a_failure(made: datetime, expected: str) -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 12, 30))], GOOD_CA)
    content = stamp(authority(facts), made, (), TimestampType.CONTENT)
    assert words(facts, signature(signer, day(2021, 6), [content])) == expected


def test_a_content_timestamp_after_the_revocation_makes_it_a_failure() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR, revoked_at=day(2022))], GOOD_CA)
    tsa = authority(facts)
    late = stamp(tsa, day(2023), (), TimestampType.CONTENT)
    assert words(facts, signature(signer, day(2021, 6), [late])) == "REVOKED"
    broken = stamp(tsa, day(2023), (), TimestampType.CONTENT, intact=False)
    assert words(facts, signature(signer, day(2021, 6), [broken])) == "REVOKED_NO_POE"


@pytest.mark.parametrize(("level", "expected"), [(Level.WARN, "TOTAL_PASSED"), (Level.FAIL, "TIMESTAMP_ORDER_FAILURE")])
def test_a_content_timestamp_later_than_one_over_the_signature_is_told(level: Level, expected: str) -> None:
    facts = Facts(NOW, replace(POLICY, timestamp_order=level))
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], GOOD_CA)
    tsa = authority(facts)
    over = stamp(tsa, day(2021, 4))
    early, late = (stamp(tsa, at, (), TimestampType.CONTENT) for at in (day(2021, 3), day(2021, 5)))
    assert words(facts, signature(signer, day(2021, 3), [early, over])) == "TOTAL_PASSED"
    assert words(facts, signature(signer, day(2021, 3), [late, over])) == expected


# --- evidence records


def test_an_evidence_record_proves_its_objects_at_its_first_timestamp() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 12, 30))], GOOD_CA)
    signed = signature(signer, day(2021, 3))
    first = stamp(authority(facts, "first"), day(2021, 6), (), TimestampType.ARCHIVE)
    second = stamp(authority(facts, "second"), day(2025), (identifier(first),), TimestampType.ARCHIVE)
    record = EvidenceRecordFact("ab" * 32, (first, second), True, (SIGNATURE,))
    assert words(facts, signed) == "OUT_OF_BOUNDS_NOT_REVOKED"
    assert words(facts, signed, records=(record,)) == "TOTAL_PASSED"
    for worse in (
        replace(record, intact=False),
        replace(record, timestamps=(replace(first, imprint_intact=False), second)),
        replace(record, timestamps=(first, replace(second, imprint_intact=False))),
        replace(record, covers=(name("something else"),)),
        replace(record, timestamps=()),
    ):
        assert words(facts, signed, records=(worse,)) == "OUT_OF_BOUNDS_NOT_REVOKED"


def test_every_record_is_answered_for() -> None:
    facts = Facts(NOW)
    first = stamp(authority(facts), day(2021, 6), (), TimestampType.ARCHIVE)
    good, empty = (EvidenceRecordFact(digit * 64, stamps, True, ()) for digit, stamps in (("a", (first,)), ("b", ())))
    judged = judge([], [], facts, (good, empty))
    assert {item.record.identifier[0]: item.passed for item in judged.records} == {"a": True, "b": False}


def test_proofs_are_immutable_and_keep_the_earliest() -> None:
    late, early = ProofOfExistence(day(2022), "late"), ProofOfExistence(day(2021), "early")
    empty = ProofsOfExistence(NOW)
    one = empty.with_proof(SIGNATURE, late)
    assert empty.of(SIGNATURE).time == NOW
    assert one.with_proof(SIGNATURE, early).of(SIGNATURE) == early
    assert one.with_proof(SIGNATURE, early).with_proof(SIGNATURE, late).of(SIGNATURE) == early
    assert one.of(SIGNATURE) == late
    assert one.with_proof(name("x"), ProofOfExistence(NOW + HOUR, "later")) is one
