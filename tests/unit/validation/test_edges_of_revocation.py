"""Revocations at the edges: odd serial numbers, dates ahead of the data, the very moment of the validation, and
signatures from before their certificates."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime, timedelta

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.validation.facts_laboratory import CA, ROOT, Facts, certificate, day, told
from tests.unit.validation.laboratory import (
    CA_END,
    NOW,
    Member,
    cms_signature,
    crl,
    ocsp_answer,
    sign_bytes,
    sign_pdf,
    token,
    unsigned_pdf,
    world,
)
from tests.unit.validation.laboratory import certificate as laboratory_certificate
from zdda.model.proof_of_existence import ProofsOfExistence
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.past_certificate import is_within, validate_past_certificate
from zdda.validation.policy import ValidationPolicy
from zdda.validation.validate import validate_document

LAB = world()
COMPROMISE = x509.ReasonFlags.key_compromise
HOUR = timedelta(hours=1)


def verdict(document: bytes, *crls: bytes, ocsps: tuple[bytes, ...] = (), at: datetime = NOW) -> tuple[str, str | None]:
    report = validate_document(
        io.BytesIO(document), TrustAnchors((LAB.root.der,)), at=at, revocation=RevocationData(crls, ocsps)
    )
    return report.signatures[0]["indication"], report.signatures[0]["subindication"]


def listing(moment: datetime, revoked: Member = LAB.signer, issued: datetime = NOW) -> bytes:
    return crl(LAB.issuing, issued, revoked=[(revoked, moment, COMPROMISE)])


REVOKED = ("INDETERMINATE", "REVOKED_NO_POE")


@pytest.mark.parametrize("serial", [-1, -5, -127, -128, -129, -32768, -(2**63), 0, 127, 128, 2**64])
def test_a_revoked_certificate_is_found_whatever_its_serial_number(serial: int) -> None:
    """Also those of -2^(8k-1), which need an octet less than others of as many bits."""

    def signed(tbs: asn1_x509.TbsCertificate | asn1_crl.TbsCertList) -> tuple[bytes, bytes]:
        encoded = tbs.dump(force=True)
        return encoded, sign_bytes(LAB.issuing.name, encoded)

    made = asn1_x509.Certificate.load(LAB.signer.der)
    made["tbs_certificate"]["serial_number"] = serial
    made["signature_value"] = signed(made["tbs_certificate"])[1]
    odd = asn1_x509.Certificate.load(made.dump(force=True))
    listed = asn1_crl.CertificateList.load(listing(day(2021)))
    listed["tbs_cert_list"]["revoked_certificates"][0]["user_certificate"] = serial
    listed["signature"] = signed(listed["tbs_cert_list"])[1]

    class Odd:
        der, name = odd.dump(), LAB.signer.name

    Odd.serial = serial  # type: ignore[attr-defined]
    pdf = sign_pdf(unsigned_pdf(), lambda digest: cms_signature(Odd, digest, certificates=LAB.chain))  # type: ignore[arg-type]
    assert verdict(pdf, crl(LAB.root), listed.dump(force=True)) == REVOKED


@pytest.mark.parametrize("ahead", [-HOUR, timedelta(0), HOUR, timedelta(days=365)])
def test_a_revocation_date_ahead_of_the_list_postpones_nothing(ahead: timedelta) -> None:
    """RFC 5280 clause 6.3.3: whoever is listed is revoked."""
    assert verdict(LAB.basic(), crl(LAB.root), listing(NOW - HOUR + ahead, issued=NOW - HOUR)) == REVOKED
    # What is known to have been signed before the list said so is as good as before any revocation.
    assert verdict(LAB.with_timestamp(), crl(LAB.root), listing(NOW + ahead))[0] == "TOTAL_PASSED"


def test_a_revocation_date_ahead_of_an_ocsp_answer_postpones_nothing() -> None:
    answer = ocsp_answer(LAB.signer, LAB.issuing, LAB.issuing, NOW - HOUR, ocsp.OCSPCertStatus.REVOKED, NOW + HOUR)
    assert verdict(LAB.basic(), *LAB.crls(NOW - 2 * HOUR), ocsps=(answer,)) == REVOKED


def test_a_revocation_that_gives_no_date_is_one() -> None:
    assert told(CA, day(2025), revoked_at=day(2026)).revoked_since == day(2025)
    assert told(CA, day(2025), revoked_at=day(2024)).revoked_since == day(2024)
    assert told(CA, day(2025)).revoked_since is None


def test_who_is_revoked_in_the_moment_of_the_validation_is_not_saved_by_sliding() -> None:
    """Clause 5.6.2.2.4: the proof is *before* the control time."""
    assert verdict(LAB.basic(), crl(LAB.root), listing(NOW)) == REVOKED
    gone = crl(LAB.root, revoked=[(LAB.issuing, NOW, COMPROMISE)])
    assert verdict(LAB.basic(), gone, crl(LAB.issuing)) == ("INDETERMINATE", "REVOKED_CA_NO_POE")


@pytest.mark.parametrize("kind", ["nothing", "revocation", "trust"])
def test_that_something_ended_is_told_besides_when(kind: str) -> None:
    now = day(2030)
    facts = Facts(now)
    leaf = certificate("signer")
    ended = now if kind == "revocation" else None
    facts.trust(leaf, [told(CA, now, ended)], [told(ROOT, now - HOUR)], now if kind == "trust" else None)
    proofs = ProofsOfExistence(now)
    past = validate_past_certificate(facts.path_of(leaf), ValidationPolicy().signature, facts, proofs)
    if kind == "trust":  # nothing is known to have existed before
        assert past.control_time is None
    else:
        assert (past.control_time, past.slid) == (now, kind == "revocation")
        assert is_within(now, now, past.slid) is (kind == "nothing")


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(days=4 * 365)])
def test_a_signature_older_than_its_certificate_is_none_be_that_valid_or_expired(at: datetime) -> None:
    """Clause 5.5.4 step 4 b: whoever shows a certificate that is still good gets no better verdict for it."""
    usage = [ExtendedKeyUsageOID.TIME_STAMPING]
    old = laboratory_certificate(
        "lab old tsa", LAB.issuing, usage="digital", extended=usage, start=day(2018), end=CA_END
    )
    signer = laboratory_certificate("lab late signer", LAB.issuing, start=day(2021))

    def signed(stamped: datetime) -> bytes:
        def stamp(value: bytes) -> bytes:
            return token(old, hashlib.sha256(value).digest(), stamped, certificates=LAB.chain)

        return sign_pdf(
            unsigned_pdf(), lambda digest: cms_signature(signer, digest, certificates=LAB.chain, timestamp=stamp)
        )

    assert verdict(signed(day(2020, 6)), *LAB.crls(), at=at) == ("TOTAL_FAILED", "NOT_YET_VALID")
    assert verdict(signed(day(2021, 2)), *LAB.crls(), at=NOW) == ("TOTAL_PASSED", None)
