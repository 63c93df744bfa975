"""Five cases in which a widely used engine answers wrongly, in both directions; each with its clause of
EN 319 102-1."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.validation.facts_laboratory import (
    CA,
    ROOT,
    Facts,
    certificate,
    day,
    identifier,
    name,
    signature,
    stamp,
    told,
)
from zdda.signatures.model import Signature, Timestamp, TimestampType
from zdda.validation.processes import Judged, judge

HOUR = timedelta(hours=1)


def run(facts: Facts, signed: Signature, *later: Timestamp) -> Judged:
    return judge([signed], [*signed.timestamps, *later], facts)


def words(judged: Judged) -> tuple[str, str | None]:
    found = judged.signatures[0].conclusion
    return found.indication.value, None if found.subindication is None else found.subindication.value


PASSED = ("TOTAL_PASSED", None)


def test_a_timestamp_after_the_signer_expired_proves_nothing() -> None:
    """Clause 5.5.4 step 4 b. The path is not validated again at the time of the timestamp."""
    now = day(2023)
    facts = Facts(now)
    ca_facts = [told(ROOT, now - HOUR)]
    signer = certificate("signer", end=day(2021, 6))
    facts.trust(signer, [told(CA, day(2021, 5, 30))], ca_facts)
    tsa = facts.trust(certificate("tsa", kind="tsa"), [told(CA, now - HOUR)], ca_facts)
    late = run(facts, signature(signer, day(2021, 3), [stamp(tsa, day(2022))]))
    assert words(late) == ("INDETERMINATE", "OUT_OF_BOUNDS_NOT_REVOKED")
    in_time = run(facts, signature(signer, day(2021, 3), [stamp(tsa, day(2021, 4))]))
    assert words(in_time) == PASSED
    assert in_time.signatures[0].archival.best_signature_time == day(2021, 4)


def test_a_timestamp_after_the_ca_was_revoked_proves_nothing() -> None:
    """Clause 5.5.4 step 4 a."""
    now, revoked = day(2023), day(2022)
    facts = Facts(now)
    signer = facts.trust(
        certificate("signer"), [told(CA, revoked - HOUR)], [told(ROOT, now - HOUR, revoked_at=revoked)]
    )
    tsa = certificate("tsa", kind="tsa")
    facts.trust(tsa, [told(CA, now - HOUR)], [told(ROOT, now - HOUR)])
    after = run(facts, signature(signer, day(2021), [stamp(tsa, revoked + HOUR)]))
    assert words(after) == ("INDETERMINATE", "REVOKED_CA_NO_POE")
    before = run(facts, signature(signer, day(2021), [stamp(tsa, revoked - HOUR)]))
    assert words(before) == PASSED


def test_a_signature_with_timestamp_that_is_valid_now_passes_archival_validation() -> None:
    """Clause 5.6.3.4: past validation is for what is not valid now; no proof of existence is missed."""
    now = day(2021)
    facts = Facts(now)
    ca_facts = [told(ROOT, now - HOUR)]
    signer = facts.trust(certificate("signer"), [told(CA, now - HOUR)], ca_facts)
    tsa = facts.trust(certificate("tsa", kind="tsa"), [told(CA, now - HOUR)], ca_facts)
    judged = run(facts, signature(signer, day(2020, 6), [stamp(tsa, day(2020, 7))]))
    assert words(judged) == PASSED
    assert judged.signatures[0].archival.past is None


def renewed(covers_all: bool = True) -> Judged:
    """Signer and first TSA have expired since; an archive timestamp was made in time."""
    now = day(2030)
    facts = Facts(now)
    old = [told(CA, day(2021, 5)), told(ROOT, day(2021, 5))]
    signer = facts.trust(certificate("signer", end=day(2022)), old[:1], old[1:])
    tsa = facts.trust(certificate("old tsa", end=day(2022), kind="tsa"), old[:1], old[1:])
    new = certificate("new tsa", kind="tsa")
    facts.trust(new, [told(CA, now - HOUR)], [told(ROOT, now - HOUR)])
    first = stamp(tsa, day(2021, 4))
    signed = signature(signer, day(2021, 3), [first])
    covered = [bytes.fromhex(signed.identifier), *(fact.digest for fact in old), signer.sha256, CA.sha256]
    if covers_all:
        covered += [identifier(first), tsa.sha256]
    return run(facts, signed, stamp(new, day(2021, 6), covered, TimestampType.ARCHIVE))


def test_an_expired_authority_that_was_renewed_in_time_still_proves_the_time() -> None:
    """Clauses 5.6.2.4 and 5.6.3.4 step 4: its token passes past validation, and so does the signature."""
    judged = renewed()
    assert words(judged) == PASSED
    assert judged.signatures[0].archival.best_signature_time == day(2021, 4)
    basics = [item.basic.conclusion.subindication for item in judged.timestamps.values()]
    assert "OUT_OF_BOUNDS_NOT_REVOKED" in basics
    assert all(item.conclusion.passed for item in judged.timestamps.values())


def test_what_the_archive_timestamp_does_not_cover_it_does_not_save() -> None:
    judged = renewed(covers_all=False)
    assert [item.conclusion.passed for item in judged.timestamps.values()] == [True, False]  # the latest first
    assert judged.signatures[0].archival.best_signature_time == day(2021, 6)
    assert words(judged) == PASSED  # the archive timestamp itself is early enough


def test_a_signature_without_any_timestamp_passes_where_it_is_valid_now() -> None:
    """Clauses 5.5.4 and 5.6.3.4: a missing proof of existence is the validation time and changes nothing."""
    now = day(2021)
    facts = Facts(now)
    signer = facts.trust(certificate("signer"), [told(CA, now - HOUR)], [told(ROOT, now - HOUR)])
    judged = run(facts, signature(signer, day(2020, 6)))
    assert words(judged) == PASSED
    assert judged.signatures[0].archival.best_signature_time == now
    assert judged.proofs.proofs == {}


def test_a_failing_timestamp_is_left_out_with_a_finding() -> None:
    """Clause 5.5.4 step 2: it neither proves nor replaces anything."""
    now = day(2021)
    facts = Facts(now)
    ca_facts = [told(ROOT, now - HOUR)]
    signer = facts.trust(certificate("signer"), [told(CA, now - HOUR)], ca_facts)
    tsa = facts.trust(certificate("tsa", kind="tsa"), [told(CA, now - HOUR)], ca_facts)
    broken = stamp(tsa, day(2020, 7), intact=False)
    judged = run(facts, signature(signer, day(2020, 6), [broken]))
    assert words(judged) == PASSED
    assert judged.signatures[0].archival.best_signature_time == now
    records = judged.signatures[0].with_time.process.constraints
    assert [item.status.value for item in records if item.id == "timestamp-used"] == ["warning"]
    assert name("signature") not in judged.proofs.proofs
