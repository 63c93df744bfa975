"""A PDF whose signer and first authority have expired since, from its bytes: PAdES B-LTA, renewed in time or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.validation.laboratory import (
    CA_END,
    END,
    SIGNED,
    START,
    Member,
    certificate,
    crl,
    sign_pdf,
    token,
    world,
)
from tests.unit.validation.test_other_forms import stored
from tests.unit.validation.test_pdf_verdicts import judge
from zdda.validation.report import ValidationReport

MINUTE = timedelta(minutes=1)
LATER = END + timedelta(days=400)
TSA_END = SIGNED + timedelta(days=100)


def tsa(name: str, end: datetime) -> Member:
    usage = [ExtendedKeyUsageOID.TIME_STAMPING]
    return certificate(name, world().issuing, usage="digital", extended=usage, start=START, end=end)


def long_term(*, told: datetime = SIGNED + MINUTE) -> bytes:
    """B-LT: the signature timestamp is of an authority that expires after a hundred days."""
    lab = replace(world(), authority=tsa("brief tsa", TSA_END))
    crls = [crl(lab.root, told), crl(lab.issuing, told)]
    return stored(lab.with_timestamp(), [lab.issuing.der, lab.root.der], crls, [])


def renewed(pdf: bytes, at: datetime) -> bytes:
    lab = world()
    start = pdf.rindex(b"/DSS <<")
    return sign_pdf(
        pdf,
        lambda digest: token(tsa("long tsa", CA_END), digest, at, certificates=lab.chain),
        number=60,
        fields=[10],
        sub_filter="ETSI.RFC3161",
        type="DocTimeStamp",
        store=pdf[start : pdf.index(b">>", start) + 2],
    )


def found(report: ValidationReport) -> tuple[str, str | None, str]:
    (one,) = report.signatures
    return one["indication"], one["subindication"], one["bestSignatureTime"]


def fresh() -> tuple[bytes, ...]:
    """What the CAs say at the later time: nothing of certificates that have expired."""
    return (crl(world().root, LATER), crl(world().issuing, LATER))


def test_renewed_in_time_it_passes_long_after() -> None:
    pdf = renewed(long_term(), SIGNED + timedelta(days=50))
    report = judge(pdf, at=LATER, crls=fresh())
    assert found(report) == ("TOTAL_PASSED", None, "2021-06-01T12:00:00.000Z")
    assert [item["indication"] for item in report.timestamps] == ["PASSED", "PASSED"]
    names = [[block["name"] for block in item["processes"]] for item in report.timestamps]
    assert ["past-signature-validation" in each for each in names] == [True, False]


def test_without_renewal_the_expired_authority_proves_nothing() -> None:
    report = judge(long_term(), at=LATER, crls=fresh())
    assert found(report)[0] == "INDETERMINATE"
    assert [item["indication"] for item in report.timestamps] == ["INDETERMINATE"]


def test_renewed_too_late_it_does_not_pass() -> None:
    too_late = renewed(long_term(), END + timedelta(days=1))
    assert found(judge(too_late, at=LATER, crls=fresh()))[0] == "INDETERMINATE"


def test_a_revocation_told_later_counts_from_its_own_day() -> None:
    pdf = renewed(long_term(), SIGNED + timedelta(days=50))
    lab = world()

    for days, expected in ((60, "TOTAL_PASSED"), (-1, "INDETERMINATE")):
        gone = [(lab.signer, SIGNED + timedelta(days=days), x509.ReasonFlags.key_compromise)]
        news = (crl(lab.root, LATER), crl(lab.issuing, LATER, revoked=gone))
        assert found(judge(pdf, at=LATER, crls=news))[0] == expected


def test_a_byte_changed_under_the_renewal_passes_nothing() -> None:
    pdf = renewed(long_term(), SIGNED + timedelta(days=50))
    damaged = pdf.replace(b"(a page)", b"(A page)")
    report = judge(damaged, at=LATER, crls=fresh())
    assert found(report)[:2] == ("TOTAL_FAILED", "HASH_FAILURE")
