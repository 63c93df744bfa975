"""Details of the core that a verdict may hang on, each by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.validation.facts_laboratory import (
    CA,
    ROOT,
    SIGNATURE,
    Facts,
    certificate,
    day,
    signature,
    stamp,
    told,
)
from tests.unit.validation.test_past_validation import GOOD_CA, HOUR, NOW, POLICY, authority, proven, slide, words
from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.signatures.certificates import NO_REV_AVAIL
from zdda.signatures.model import DigestMatcher, TimestampType
from zdda.trust.paths import PathCertificate
from zdda.trust.revocation import Doubt
from zdda.validation.constraints import Level, Status, message
from zdda.validation.past_certificate import validate_past_certificate
from zdda.validation.processes import judge
from zdda.validation.proofs import EvidenceRecordFact
from zdda.validation.qualification import CertificateDeclaration

NO_PROOFS = ProofsOfExistence(NOW)


def test_data_that_are_in_doubt_prove_nothing_of_the_past() -> None:
    doubtful = replace(told(CA, NOW - HOUR), doubts=(Doubt.RESPONDER_NOT_CHECKED,))
    assert slide([doubtful], GOOD_CA, NO_PROOFS, POLICY) is None
    assert slide([replace(doubtful, doubts=())], GOOD_CA, NO_PROOFS, POLICY) == NOW


def test_data_proven_while_their_issuer_was_valid_go_before_newer_ones_that_are_not() -> None:
    expired = certificate("responder", end=day(2022), kind="responder")
    newer, older = told(expired, day(2021, 6)), told(CA, day(2021, 5))
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [newer, older], GOOD_CA)
    signed = signature(signer, day(2021, 3), [stamp(authority(facts), day(2021, 4))])
    assert words(facts, signed) == "TOTAL_PASSED"
    facts.trust(signer, [newer], GOOD_CA)
    assert words(facts, signed) == "OUT_OF_BOUNDS_NO_POE"


def test_a_path_that_breaks_rfc_5280_or_was_never_valid_as_a_whole_has_no_past() -> None:
    evidence = Facts(NOW)
    signer = evidence.trust(certificate("signer"), [told(CA, NOW - HOUR)], GOOD_CA)
    path = evidence.path_of(signer)
    late = certificate("ca", start=day(2029), kind="ca")
    early = certificate("signer", end=day(2028))
    members = (
        PathCertificate(early, False, path.members[0].revocation, False),
        PathCertificate(late, False, path.members[1].revocation, False),
        path.members[2],
    )
    for broken in (replace(path, constraint_failure="name constraints"), replace(path, members=members)):
        found = validate_past_certificate(broken, POLICY.signature, evidence, NO_PROOFS)
        assert found.control_time is None
        assert str(found.block.conclusion.subindication) == "CHAIN_CONSTRAINTS_FAILURE"
    assert validate_past_certificate(path, POLICY.signature, evidence, NO_PROOFS).control_time == NOW
    assert validate_past_certificate(None, POLICY.signature, evidence, NO_PROOFS).control_time is None


def test_a_ca_of_the_wrong_kind_is_not_saved_by_time() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 12, 30))], GOOD_CA)
    path = facts.path_of(signer)
    wrong = replace(CA, extensions=frozenset({NO_REV_AVAIL}))
    member = PathCertificate(wrong, False, path.members[1].revocation, False)
    facts.paths[signer.sha256] = replace(path, members=(path.members[0], member, path.members[2]))
    archive = stamp(authority(facts), day(2021), type=TimestampType.ARCHIVE)
    assert words(facts, signature(signer, day(2020)), archive) == "OUT_OF_BOUNDS_NOT_REVOKED"
    in_time = stamp(authority(facts), day(2021))
    assert words(facts, signature(signer, day(2020), [in_time])) == "CHAIN_CONSTRAINTS_FAILURE"


def test_validation_with_time_takes_signature_and_document_timestamps_that_passed() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], GOOD_CA)
    tsa = authority(facts)
    for type, best in ((TimestampType.SIGNATURE, day(2021)), (TimestampType.DOCUMENT, day(2021))):
        judged = judge([signature(signer, day(2020))], [stamp(tsa, day(2021), type=type)], facts)
        assert judged.signatures[0].with_time.best_signature_time == best
    for other in (
        stamp(tsa, day(2021), type=TimestampType.ARCHIVE),
        stamp(tsa, day(2021), intact=False),
        stamp(tsa, day(2021), covers=()),
    ):
        judged = judge([signature(signer, day(2020))], [other], facts)
        assert judged.signatures[0].with_time.best_signature_time == NOW


def test_a_failing_timestamp_of_an_evidence_record_proves_nothing_by_itself() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 12, 30))], GOOD_CA)
    first = stamp(authority(facts, "first"), day(2021, 6), (SIGNATURE,), TimestampType.ARCHIVE)
    signed = signature(signer, day(2021, 3))
    good = EvidenceRecordFact("ab" * 32, (first,), True, ())
    assert words(facts, signed, records=(good,)) == "TOTAL_PASSED"
    failing = replace(good, timestamps=(replace(first, imprint_intact=False),))
    assert words(facts, signed, records=(failing,)) == "OUT_OF_BOUNDS_NOT_REVOKED"
    assert words(facts, signed, records=(replace(good, intact=False),)) == "OUT_OF_BOUNDS_NOT_REVOKED"


@pytest.mark.parametrize(
    ("made", "expected"), [(day(2012), "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"), (day(2013), "CRYPTO_CONSTRAINTS_FAILURE")]
)
def test_a_content_timestamp_after_the_end_of_an_algorithm_leaves_no_hope(made: object, expected: str) -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", start=day(2008)), [told(CA, NOW - HOUR)], GOOD_CA)
    content = stamp(authority(facts), made, (), TimestampType.CONTENT)  # type: ignore[arg-type]
    assert words(facts, signature(signer, day(2011), [content], digest="sha1")) == expected


def test_a_certificate_that_needs_no_revocation_data_may_still_be_revoked() -> None:
    facts = Facts(NOW)
    short = replace(certificate("signer"), extensions=frozenset({NO_REV_AVAIL}))

    def verdict(*told_of_it: object) -> str:
        facts.trust(short, told_of_it, GOOD_CA)  # type: ignore[arg-type]
        path = facts.path_of(short)
        exempt = replace(path.members[0], revocation_exempt=True)
        facts.paths[short.sha256] = replace(path, members=(exempt, *path.members[1:]))
        return words(facts, signature(short, day(2021)))

    assert verdict() == "TOTAL_PASSED"
    assert verdict(replace(told(CA, NOW - HOUR), doubts=(Doubt.CERTIFICATE_HAD_EXPIRED,))) == "TOTAL_PASSED"
    assert verdict(told(CA, NOW - HOUR)) == "TOTAL_PASSED"
    assert verdict(told(CA, NOW - HOUR, revoked_at=day(2022))) == "REVOKED_NO_POE"


def test_a_manifest_alone_is_not_what_was_signed() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], GOOD_CA)
    signed = signature(signer, day(2021))
    entry = DigestMatcher("MANIFEST_ENTRY", "a", "sha256", found=True, intact=True)

    def verdict(*matchers: DigestMatcher) -> str:
        return words(facts, replace(signed, matchers=matchers))

    assert verdict(*signed.matchers, entry) == "TOTAL_PASSED"
    assert verdict(*signed.matchers, replace(entry, found=False, intact=False)) == "TOTAL_PASSED"  # told, no more
    assert verdict(*signed.matchers, replace(entry, intact=False)) == "HASH_FAILURE"
    assert verdict(entry) == "SIGNED_DATA_NOT_FOUND"
    assert verdict() == "SIGNED_DATA_NOT_FOUND"


def test_a_ca_revoked_before_it_issued_the_data_leaves_the_leaf_in_doubt() -> None:
    facts = Facts(NOW)
    gone = [told(ROOT, NOW - HOUR, revoked_at=day(2025))]
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], gone)
    tsa = certificate("tsa", kind="tsa")
    facts.trust(tsa, [told(CA, NOW - HOUR)], GOOD_CA)
    signed = signature(signer, day(2021), [stamp(tsa, day(2021, 2))])
    assert words(facts, signed) == "REVOKED_CA_NO_POE"
    facts.trust(signer, [told(CA, day(2025) - timedelta(days=1))], gone)
    assert words(facts, signed) == "TOTAL_PASSED"


def test_a_ca_does_not_speak_for_itself() -> None:
    """A CA that may answer for its own issuer would turn in a circle: its word for itself is none, and ends there."""
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], [told(CA, NOW - HOUR, about="itself")])
    assert words(facts, signature(signer, day(2021))) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    facts.trust(signer, [told(signer, NOW - HOUR)], GOOD_CA)
    assert words(facts, signature(signer, day(2021))) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    found = validate_past_certificate(facts.path_of(signer), POLICY.signature, facts, NO_PROOFS)
    assert found.control_time is None


def test_proofs_of_other_objects_do_not_count() -> None:
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 12, 30))], GOOD_CA)
    other = stamp(authority(facts), day(2021), (b"\x00" * 32,), TimestampType.ARCHIVE)
    assert words(facts, signature(signer, day(2020)), other) == "OUT_OF_BOUNDS_NOT_REVOKED"
    assert proven(SIGNATURE, at=day(2021)).of(b"\x00" * 32).time == NOW


def test_a_certificate_for_web_sites_is_told_and_fails_where_the_policy_says_so() -> None:
    web, seal = "0.4.0.1862.1.6.3", "0.4.0.1862.1.6.2"
    for level, types, expected in (
        (Level.INFORM, {web}, "TOTAL_PASSED"),
        (Level.FAIL, {web}, "CHAIN_CONSTRAINTS_FAILURE"),
        (Level.FAIL, {seal}, "TOTAL_PASSED"),
        (Level.FAIL, {web, seal}, "TOTAL_PASSED"),
        (Level.FAIL, set(), "TOTAL_PASSED"),
    ):
        strict = replace(POLICY, signature=replace(POLICY.signature, certificate_for_web_sites=level))
        facts = Facts(NOW, strict)
        signer = facts.trust(certificate("signer"), [told(CA, NOW - HOUR)], GOOD_CA)
        facts.declared[signer.sha256] = CertificateDeclaration(day(2020), True, types=frozenset(types))
        assert words(facts, signature(signer, day(2021))) == expected
        told_of = judge([signature(signer, day(2021))], [], facts).signatures[0].basic.blocks
        assert any(block.name == "certificate-purpose" for block in told_of) is bool(types)


def test_data_of_an_issuer_that_was_not_valid_yet_are_out_of_bounds_and_no_proof_cures_that() -> None:
    """REVOCATION_OUT_OF_BOUNDS_NO_POE is of issuers expired or not yet valid (EN 319 102-1 clause 5.1.3)."""
    young = certificate("responder", start=NOW + HOUR, kind="responder")
    answer = replace(told(young, NOW + 2 * HOUR), doubts=(Doubt.ISSUED_LATER,))
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer"), [answer], GOOD_CA)
    tsa = authority(facts)
    signed = signature(signer, day(2021, 3), [stamp(tsa, day(2021, 4))])
    assert words(facts, signed) == "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    covered = stamp(tsa, day(2021, 12), (SIGNATURE, answer.digest), TimestampType.ARCHIVE)
    assert words(facts, signed, covered) == "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    for other in (Doubt.RESPONDER_NOT_CHECKED, Doubt.STATUS_UNKNOWN):
        facts.trust(signer, [replace(answer, doubts=(Doubt.ISSUED_LATER, other))], GOOD_CA)
        assert words(facts, signed) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    facts.trust(signer, [replace(answer, issuer=CA)], GOOD_CA)
    assert words(facts, signed) == "CERTIFICATE_CHAIN_GENERAL_FAILURE"


def test_the_algorithms_of_the_whole_chain_come_before_the_validity_of_any_certificate() -> None:
    """Clause 5.2.6.4: cryptographic constraints on the chain first, then the validation time against its validity."""
    facts = Facts(NOW)
    signer = facts.trust(certificate("signer", end=day(2022)), [told(CA, day(2021, 5))], GOOD_CA)
    signed = signature(signer, day(2021, 3))
    assert words(facts, signed) == "OUT_OF_BOUNDS_NOT_REVOKED"
    path = facts.paths[signer.sha256]
    weak = replace(path.members[1], certificate=certificate("ca", kind="ca", algorithm="sha1"))
    facts.paths[signer.sha256] = replace(path, members=(path.members[0], weak, path.members[2]))
    assert words(facts, signed) == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


def test_a_check_that_is_passed_over_does_not_say_that_it_is_met() -> None:
    for id in ("revocation-fresh", "revocation-issuer-in-validity-period"):
        met, ignored = message(id, Status.OK), message(id, Status.IGNORED)
        assert met["en"] != ignored["en"] == message(id, Status.NOT_OK)["en"]
        assert met["cs"] != ignored["cs"]
