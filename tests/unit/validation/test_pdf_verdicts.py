"""Verdicts on PDFs made here: what passes, what fails, and with which words of EN 319 102-1."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import (
    CA_END,
    END,
    NOW,
    SIGNED,
    START,
    World,
    certificate,
    cms_signature,
    crl,
    make_world,
    ocsp_answer,
    sign_pdf,
    token,
    unsigned_pdf,
    update,
    world,
)
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document


def judge(
    pdf: bytes,
    at: datetime = NOW,
    anchors: tuple[bytes, ...] | None = None,
    crls: tuple[bytes, ...] | None = None,
    ocsps: tuple[bytes, ...] = (),
    of: World | None = None,
) -> ValidationReport:
    lab = of or world()
    return validate_document(
        io.BytesIO(pdf),
        TrustAnchors((lab.root.der,) if anchors is None else anchors),
        at=at,
        revocation=RevocationData(lab.crls(min(at, NOW)) if crls is None else crls, ocsps),
    )


def verdicts(report: ValidationReport) -> list[tuple[str, str | None]]:
    assert report.not_validated is None, report.content["notValidated"]
    return [(item["indication"], item["subindication"]) for item in report.signatures]


def codes(report: ValidationReport) -> set[str]:
    return {finding["code"] for item in report.signatures for finding in item["findings"]}


PASSED = [("TOTAL_PASSED", None)]
FORMAT = [("TOTAL_FAILED", "FORMAT_FAILURE")]


def indeterminate(sub: str) -> list[tuple[str, str | None]]:
    return [("INDETERMINATE", sub)]


def test_a_basic_signature_passes_with_revocation_data() -> None:
    report = judge(world().basic())
    assert verdicts(report) == PASSED
    assert report.worst() is Indication.TOTAL_PASSED
    assert report.signatures[0]["format"] == "PAdES-BASELINE-B"
    assert report.signatures[0]["coversWholeDocument"]


def test_a_timestamp_gives_the_best_signature_time() -> None:
    report = judge(world().with_timestamp(SIGNED + timedelta(hours=1)))
    assert verdicts(report) == PASSED
    assert report.signatures[0]["format"] == "PAdES-BASELINE-T"
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-01T13:00:00.000Z"
    assert report.timestamps[0]["indication"] == "PASSED"


def test_no_signature_is_a_property_of_the_document() -> None:
    report = judge(unsigned_pdf())
    assert report.worst() is None
    assert report.content["noSignature"] is True
    assert report.validation_data == ()


def test_one_byte_changed_inside_the_signed_range_is_a_hash_failure() -> None:
    pdf = world().basic()
    for place in (20, pdf.index(b"(a page)") + 2, len(pdf) - 3):
        changed = pdf[:place] + bytes([pdf[place] ^ 1]) + pdf[place + 1 :]
        assert judge(changed).worst() is not Indication.TOTAL_PASSED
    place = pdf.index(b"(a page)") + 2
    assert verdicts(judge(pdf[:place] + b"X" + pdf[place + 1 :])) == [("TOTAL_FAILED", "HASH_FAILURE")]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_change_of_any_byte_ever_passes_and_none_is_an_internal_error(data: st.DataObject) -> None:
    pdf = world().basic()
    contents = pdf.index(b"/Contents <") + len(b"/Contents <")
    value_end = contents + 2 * len(bytes.fromhex(pdf[contents : pdf.index(b"00" * 64, contents)].decode()[:-1] + "0"))
    place = data.draw(st.integers(0, len(pdf) - 1).filter(lambda n: not value_end - 200 < n < value_end + 33000))
    changed = pdf[:place] + bytes([pdf[place] ^ data.draw(st.integers(1, 255))]) + pdf[place + 1 :]
    report = judge(changed)
    assert report.not_validated is None
    if contents <= place < value_end:
        return  # inside the CMS: unsigned parts (hexadecimal case, unused certificates) may change
    assert report.worst() is not Indication.TOTAL_PASSED


def test_an_untrusted_signer_has_no_certificate_chain() -> None:
    assert verdicts(judge(world().basic(), anchors=())) == indeterminate("NO_CERTIFICATE_CHAIN_FOUND")
    other = make_world("other")
    assert verdicts(judge(world().basic(), anchors=(other.root.der,))) == indeterminate("NO_CERTIFICATE_CHAIN_FOUND")


def test_a_package_cannot_bring_its_own_anchor() -> None:
    forger = make_world("lab")  # same names, other keys would be other worlds: here even the same keys
    self_made = certificate("forger root", None, ca=True, end=CA_END)
    signer = certificate("lab signer", self_made)
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(signer, d, certificates=[self_made]))
    assert verdicts(judge(pdf, anchors=(forger.root.der,))) == indeterminate("NO_CERTIFICATE_CHAIN_FOUND")


def test_the_signer_itself_may_be_an_anchor() -> None:
    assert verdicts(judge(world().basic(), anchors=(world().signer.der,), crls=())) == PASSED


# --- revocation


def test_without_revocation_data_nothing_passes() -> None:
    assert verdicts(judge(world().basic(), crls=())) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")
    only_root = (crl(world().root),)
    assert verdicts(judge(world().basic(), crls=only_root)) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")
    only_issuing = (crl(world().issuing),)
    assert verdicts(judge(world().basic(), crls=only_issuing)) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")


def revoked(when: datetime, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise) -> tuple[bytes, ...]:
    return world().crls(revoked=[(world().signer, when, reason)])


def test_a_revoked_signer_without_proof_of_time_is_indeterminate() -> None:
    assert verdicts(judge(world().basic(), crls=revoked(SIGNED))) == indeterminate("REVOKED_NO_POE")


def test_a_revoked_signer_who_signed_before_passes_with_a_timestamp() -> None:
    pdf = world().with_timestamp(SIGNED)
    assert verdicts(judge(pdf, crls=revoked(SIGNED + timedelta(hours=2)))) == PASSED
    assert verdicts(judge(pdf, crls=revoked(SIGNED - timedelta(hours=2)))) == indeterminate("REVOKED_NO_POE")
    assert verdicts(judge(pdf, crls=revoked(SIGNED))) == indeterminate("REVOKED_NO_POE")


def test_a_suspended_signer_is_to_be_tried_later() -> None:
    crls = revoked(SIGNED, x509.ReasonFlags.certificate_hold)
    assert verdicts(judge(world().basic(), crls=crls)) == indeterminate("TRY_LATER")


def test_a_newer_answer_does_not_undo_a_revocation() -> None:
    newer = crl(world().issuing, NOW + timedelta(minutes=1))
    crls = (*revoked(SIGNED), newer)
    assert verdicts(judge(world().basic(), crls=crls)) == indeterminate("REVOKED_NO_POE")


def test_a_revoked_ca_after_which_the_timestamp_was_made_is_not_cured() -> None:
    """EN 319 102-1 clause 5.5.4 step 4 a: seen to be answered PASSED elsewhere."""
    lab = world()
    own_authority = certificate("lone tsa", lab.root, usage="digital", extended=[ExtendedKeyUsageOID.TIME_STAMPING])

    def signed(at: datetime) -> bytes:
        return sign_pdf(
            unsigned_pdf(),
            lambda d: cms_signature(
                lab.signer,
                d,
                certificates=lab.chain,
                timestamp=lambda v: token(own_authority, hashlib.sha256(v).digest(), at, certificates=[lab.root]),
            ),
        )

    gone = [(lab.issuing, SIGNED, x509.ReasonFlags.ca_compromise)]
    crls = (crl(lab.root, revoked=gone), crl(lab.issuing, SIGNED - timedelta(hours=2)))
    assert verdicts(judge(signed(SIGNED + timedelta(hours=1)), crls=crls)) == indeterminate("REVOKED_CA_NO_POE")
    assert verdicts(judge(signed(SIGNED - timedelta(hours=1)), crls=crls)) == PASSED
    told_after = (crl(lab.root, revoked=gone), crl(lab.issuing, NOW))
    assert verdicts(judge(signed(SIGNED - timedelta(hours=1)), crls=told_after))[0][0] == "INDETERMINATE"


def test_a_signer_who_had_expired_when_the_timestamp_was_made_is_not_cured() -> None:
    """EN 319 102-1 clause 5.5.4 step 4 b: seen to be answered PASSED elsewhere."""
    later = END + timedelta(days=400)
    fresh = (crl(world().root, later), crl(world().issuing, END - timedelta(days=1)), crl(world().issuing, later))
    late = judge(world().with_timestamp(END + timedelta(days=30)), at=later, crls=fresh)
    assert verdicts(late)[0][0] == "INDETERMINATE"
    assert verdicts(late)[0][1] in ("OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED")
    in_time = judge(world().with_timestamp(SIGNED), at=later, crls=fresh)
    assert verdicts(in_time) == PASSED


def test_an_expired_signer_without_timestamp_is_out_of_bounds() -> None:
    later = END + timedelta(days=1)
    crls = (crl(world().root, later), crl(world().issuing, END - timedelta(days=1)))
    assert verdicts(judge(world().basic(), at=later, crls=crls)) == indeterminate("OUT_OF_BOUNDS_NOT_REVOKED")


def test_a_crl_that_may_have_dropped_the_expired_certificate_proves_nothing() -> None:
    later = END + timedelta(days=100)
    report = judge(world().with_timestamp(SIGNED), at=later, crls=world().crls(later))
    assert verdicts(report) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")


def test_a_signature_from_before_its_certificate_fails() -> None:
    older = certificate(
        "older tsa",
        world().issuing,
        start=START - timedelta(days=99),
        usage="digital",
        extended=[ExtendedKeyUsageOID.TIME_STAMPING],
        end=CA_END,
    )
    report = judge(
        replace(world(), authority=older).with_timestamp(START - timedelta(days=1)),
        at=END + timedelta(days=1),
        crls=(crl(world().root, END + timedelta(days=1)), crl(world().issuing, END - timedelta(days=1))),
    )
    assert report.worst() is not Indication.TOTAL_PASSED
    assert verdicts(report)[0] == ("TOTAL_FAILED", "NOT_YET_VALID")


def test_a_token_from_before_its_own_certificate_proves_nothing() -> None:
    report = judge(world().with_timestamp(START - timedelta(days=1)))
    assert [(item["indication"], item["subindication"]) for item in report.timestamps] == [
        ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")
    ]
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-02T12:00:00.000Z"


@pytest.mark.parametrize(
    ("extra", "by"),
    [
        ([(x509.DeltaCRLIndicator(1), True)], None),
        ([(x509.IssuingDistributionPoint(None, None, False, True, None, False, False), True)], None),
        (
            [
                (
                    x509.IssuingDistributionPoint(
                        [x509.UniformResourceIdentifier("http://elsewhere.invalid/1.crl")],
                        None,
                        False,
                        False,
                        None,
                        False,
                        False,
                    ),
                    True,
                )
            ],
            None,
        ),
        ([(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)], None),
        ([], "another key"),
    ],
    ids=["delta", "ca-only", "other-point", "unknown-critical", "wrong-key"],
)
def test_a_crl_that_is_not_about_the_certificate_says_nothing(extra: Any, by: str | None) -> None:
    crls = (crl(world().root), crl(world().issuing, extra=extra, by=by))
    assert verdicts(judge(world().basic(), crls=crls)) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")


def test_ocsp_answers_by_the_ca_and_by_its_responder() -> None:
    lab = world()
    root = (crl(lab.root),)
    for responder in (lab.issuing, lab.responder):
        answer = ocsp_answer(lab.signer, lab.issuing, responder)
        assert verdicts(judge(lab.basic(), crls=root, ocsps=(answer,))) == PASSED


def test_ocsp_answers_that_do_not_count() -> None:
    lab = world()
    root = (crl(lab.root),)
    outsider = certificate("outsider", lab.root, extended=[ExtendedKeyUsageOID.OCSP_SIGNING], no_check=True)
    plain = certificate("plain", lab.issuing, no_check=True)
    unchecked = certificate("unchecked", lab.issuing, extended=[ExtendedKeyUsageOID.OCSP_SIGNING])
    for responder in (outsider, plain, unchecked):
        answer = ocsp_answer(lab.signer, lab.issuing, responder)
        report = judge(lab.basic(), crls=root, ocsps=(answer,))
        assert verdicts(report) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE"), responder.name
    other = ocsp_answer(lab.authority, lab.issuing, lab.issuing)
    assert verdicts(judge(lab.basic(), crls=root, ocsps=(other,))) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")
    unknown = ocsp_answer(lab.signer, lab.issuing, lab.issuing, status=ocsp.OCSPCertStatus.UNKNOWN)
    assert verdicts(judge(lab.basic(), crls=root, ocsps=(unknown,)))[0][0] == "INDETERMINATE"
    future = ocsp_answer(lab.signer, lab.issuing, lab.issuing, NOW + timedelta(days=3))
    assert verdicts(judge(lab.basic(), crls=root, ocsps=(future,)))[0][0] == "INDETERMINATE"
    bad = ocsp_answer(lab.signer, lab.issuing, lab.issuing, status=ocsp.OCSPCertStatus.REVOKED, revoked_at=SIGNED)
    assert verdicts(judge(lab.basic(), crls=root, ocsps=(bad,))) == indeterminate("REVOKED_NO_POE")


# --- certificates


def test_a_ca_that_is_none_breaks_the_path() -> None:
    lab = world()
    end_entity = certificate("not a ca", lab.issuing)
    signer = certificate("its child", end_entity)
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(signer, d, certificates=[end_entity, *lab.chain]))
    crls = (*lab.crls(), crl(end_entity))
    assert verdicts(judge(pdf, crls=crls))[0][0] == "INDETERMINATE"


def test_a_path_longer_than_its_ca_allows_is_no_path() -> None:
    lab = world()
    short = certificate("short", lab.root, ca=True, path_length=0)
    deeper = certificate("deeper", short, ca=True)
    signer = certificate("deep signer", deeper)
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(signer, d, certificates=[deeper, short, lab.root]))
    crls = (crl(lab.root), crl(short), crl(deeper))
    assert verdicts(judge(pdf, crls=crls)) == indeterminate("CERTIFICATE_CHAIN_GENERAL_FAILURE")


def test_an_unknown_critical_extension_is_not_passed_over() -> None:
    lab = world()
    odd = certificate(
        "odd", lab.issuing, extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)]
    )
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(odd, d, certificates=lab.chain))
    assert verdicts(judge(pdf))[0][0] == "INDETERMINATE"


def test_a_timestamp_of_a_certificate_without_the_purpose_proves_nothing() -> None:
    lab = world()

    def make(digest: bytes) -> bytes:
        return cms_signature(
            lab.signer,
            digest,
            certificates=lab.chain,
            timestamp=lambda v: token(lab.signer, hashlib.sha256(v).digest(), certificates=lab.chain),
        )

    report = judge(sign_pdf(unsigned_pdf(), make))
    assert report.timestamps[0]["subindication"] == "CHAIN_CONSTRAINTS_FAILURE"
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-02T12:00:00.000Z"


# --- signature properties


def test_a_certificate_swapped_for_another_of_the_same_key_is_not_the_signers() -> None:
    lab = world()
    twin = certificate("lab signer", lab.issuing, end=END + timedelta(days=1))
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(twin, d, certificates=lab.chain, reference=lab.signer.der))
    assert verdicts(judge(pdf)) == indeterminate("NO_SIGNING_CERTIFICATE_FOUND")


def test_a_value_made_with_another_key_fails() -> None:
    lab = world()
    pdf = sign_pdf(
        unsigned_pdf(),
        lambda d: cms_signature(lab.signer, d, certificates=lab.chain, signing_key="another key"),
    )
    assert verdicts(judge(pdf)) == [("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")]


@pytest.mark.parametrize(
    ("order", "expected"), [("sent", ("TOTAL_PASSED", None)), ("signed", ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE"))]
)
def test_signed_attributes_are_verified_in_der_and_in_no_other_order(order: str, expected: Any) -> None:
    """RFC 5652 clause 5.4: the signature is over the DER encoding, however the attributes were sent."""
    lab = world()
    pdf = sign_pdf(unsigned_pdf(), lambda d: cms_signature(lab.signer, d, certificates=lab.chain, order=order))
    assert verdicts(judge(pdf)) == [expected]


def test_a_digest_of_sha1_is_not_reliable_any_more() -> None:
    lab = world()
    pdf = sign_pdf(
        unsigned_pdf(),
        lambda d: cms_signature(lab.signer, d, certificates=lab.chain, algorithm="sha1"),
        digest="sha1",
    )
    assert verdicts(judge(pdf)) == indeterminate("CRYPTO_CONSTRAINTS_FAILURE_NO_POE")


def test_two_signatures_are_judged_each_by_itself() -> None:
    lab = world()
    first = lab.basic()
    both = lab.basic(first, number=20, fields=[10])
    report = judge(both)
    assert verdicts(report) == PASSED * 2
    assert [item["modifiedAfterSigning"] for item in report.signatures] == [True, False]
    assert [item["changesAfterSigning"] for item in report.signatures] == ["annotations-or-form-filling", "nothing"]


def test_an_incremental_update_after_signing_is_noticed() -> None:
    lab = world()
    signed = lab.basic()
    page = b"<< /Length 24 >>\nstream\nBT (another!) Tj ET     \nendstream"
    swapped = update(signed, {4: page}, 12)
    report = judge(swapped)
    item = report.signatures[0]
    assert item["modifiedAfterSigning"]
    assert item["changesAfterSigning"] == "content"
    assert not item["coversWholeDocument"]
    assert "modified-after-signing" in codes(report)


def test_a_document_timestamp_proves_the_time_of_what_it_covers() -> None:
    lab = world()
    signed = lab.basic()
    stamped = sign_pdf(
        signed,
        lambda d: token(lab.authority, d, certificates=lab.chain),
        number=20,
        fields=[10],
        sub_filter="ETSI.RFC3161",
        type="DocTimeStamp",
    )
    report = judge(stamped)
    assert verdicts(report) == PASSED
    assert report.signatures[0]["format"] == "PAdES-BASELINE-T"
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-01T12:00:00.000Z"
    assert [item["type"] for item in report.timestamps] == ["DOCUMENT_TIMESTAMP"]


def test_a_token_copied_from_another_signature_proves_nothing() -> None:
    lab = world()
    stolen = token(lab.authority, hashlib.sha256(b"another value").digest(), certificates=lab.chain)
    pdf = sign_pdf(
        unsigned_pdf(), lambda d: cms_signature(lab.signer, d, certificates=lab.chain, timestamp=lambda _: stolen)
    )
    report = judge(pdf)
    assert report.timestamps[0]["subindication"] == "HASH_FAILURE"
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-02T12:00:00.000Z"


def test_one_good_token_in_two_signatures_counts_once() -> None:
    lab = world()
    kept: list[bytes] = []

    def first(value: bytes) -> bytes:
        kept.append(token(lab.authority, hashlib.sha256(value).digest(), certificates=lab.chain))
        return kept[0]

    one = sign_pdf(unsigned_pdf(), lambda d: cms_signature(lab.signer, d, certificates=lab.chain, timestamp=first))
    two = sign_pdf(
        one,
        lambda d: cms_signature(lab.signer, d, certificates=lab.chain, timestamp=lambda _: kept[0]),
        number=20,
        fields=[10],
    )
    report = judge(two)
    assert sorted(item["indication"] for item in report.timestamps) == ["FAILED", "PASSED"]
    assert [item["bestSignatureTime"] for item in report.signatures] == [
        "2021-06-01T12:00:00.000Z",
        "2021-06-02T12:00:00.000Z",
    ]
