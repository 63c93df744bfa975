"""OCSP answers (RFC 6960): who may give them, about whom, and what their extensions say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from asn1crypto import algos, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.validation.laboratory import CA_END, NOW, SIGNED, Member, certificate, crl, key, ocsp_answer
from zdda.signatures.certificates import load_certificate
from zdda.trust.ocsp_answers import _issuer_hashes
from zdda.trust.revocation import (
    CertificateStatus,
    Doubt,
    RevocationData,
    RevocationFact,
    decisive_fact,
    revocation_facts,
)

ROOT = certificate("answer root", None, ca=True, end=CA_END)
OTHER = certificate("answer other root", None, ca=True)
LEAF = certificate("answer leaf", ROOT)
SIGNING = [ExtendedKeyUsageOID.OCSP_SIGNING]
RESPONDER = certificate("answer responder", ROOT, usage="digital", extended=SIGNING, no_check=True, end=CA_END)
CUT_OFF = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.6")
CERTIFICATE_HASH = x509.ObjectIdentifier("1.3.36.8.3.13")
ODD = x509.ObjectIdentifier("1.2.3.9")
NONCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")


def facts(
    *answers: bytes, crls: Sequence[bytes] = (), of: Member = LEAF, issuer: Member = ROOT
) -> tuple[RevocationFact, ...]:
    data = RevocationData(tuple(crls), answers)
    return revocation_facts(load_certificate(of.der), load_certificate(issuer.der), data, NOW)


def status(*answers: bytes, **more: object) -> CertificateStatus | None:
    fact = decisive_fact(facts(*answers, **more), NOW)  # type: ignore[arg-type]
    return None if fact is None else fact.status


def test_the_issuer_and_whom_it_authorised_are_believed() -> None:
    assert status(ocsp_answer(LEAF, ROOT, ROOT)) is CertificateStatus.GOOD
    assert status(ocsp_answer(LEAF, ROOT, RESPONDER)) is CertificateStatus.GOOD
    revoked = ocsp_answer(LEAF, ROOT, RESPONDER, status=ocsp.OCSPCertStatus.REVOKED, revoked_at=SIGNED)
    assert status(revoked) is CertificateStatus.REVOKED


def test_a_responder_of_a_sibling_ca_is_not_believed() -> None:
    sibling = certificate("answer sibling", ROOT, ca=True)
    of_sibling = certificate("sibling responder", sibling, usage="digital", extended=SIGNING, no_check=True, end=CA_END)
    assert facts(ocsp_answer(LEAF, ROOT, of_sibling)) == ()
    assert facts(ocsp_answer(LEAF, ROOT, sibling)) == ()


def test_a_responder_of_a_namesake_of_the_ca_is_not_believed() -> None:
    own = certificate("answer forger", None, ca=True, end=CA_END).certificate
    same_name = (
        x509.CertificateBuilder(extensions=list(own.extensions))
        .subject_name(ROOT.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(own.public_key())
        .serial_number(ROOT.serial)
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
        .sign(key("answer forger"), hashes.SHA256())
    )
    namesake = Member("answer forger", same_name)
    forged = certificate("forged responder", namesake, usage="digital", extended=SIGNING, no_check=True, end=CA_END)
    assert forged.certificate.issuer == ROOT.certificate.subject
    assert facts(ocsp_answer(LEAF, ROOT, forged)) == ()
    assert facts(ocsp_answer(LEAF, ROOT, namesake)) == ()


@pytest.mark.parametrize(
    "extended", [[], [ExtendedKeyUsageOID.TIME_STAMPING], [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]]
)
def test_a_certificate_without_the_usage_may_not_answer(extended: list[x509.ObjectIdentifier]) -> None:
    user = certificate(f"answer user {len(extended)}", ROOT, usage="digital", extended=extended, no_check=True)
    assert facts(ocsp_answer(LEAF, ROOT, user)) == ()


def test_a_responder_without_no_check_is_checked_itself() -> None:
    checked = certificate("checked responder", ROOT, usage="digital", extended=SIGNING, end=CA_END)
    answer = ocsp_answer(LEAF, ROOT, checked)
    assert [fact.doubts for fact in facts(answer)] == [(Doubt.RESPONDER_NOT_CHECKED,)]
    assert facts(answer, crls=[crl(ROOT)], of=LEAF)[0].status is CertificateStatus.GOOD
    gone = crl(ROOT, revoked=[(checked, SIGNED, x509.ReasonFlags.key_compromise)])
    doubts = [fact.doubts for fact in facts(answer, crls=[gone]) if fact.kind == "ocsp"]
    assert doubts == [(Doubt.RESPONDER_REVOKED,)]


def test_a_responder_out_of_its_validity_is_doubted() -> None:
    old = certificate("old responder", ROOT, usage="digital", extended=SIGNING, no_check=True, end=NOW - timedelta(1))
    assert [fact.doubts for fact in facts(ocsp_answer(LEAF, ROOT, old))] == [(Doubt.ISSUER_NOT_VALID_THEN,)]


def test_a_serial_number_of_another_issuer_is_another_certificate() -> None:
    twin = Member(LEAF.name, certificate("answer leaf", OTHER).certificate)
    assert twin.serial == LEAF.serial
    revoked = ocsp_answer(twin, OTHER, OTHER, status=ocsp.OCSPCertStatus.REVOKED, revoked_at=SIGNED)
    assert facts(revoked) == ()
    assert status(revoked, of=twin, issuer=OTHER) is CertificateStatus.REVOKED


def changed(
    single: Sequence[tuple[x509.ObjectIdentifier, bytes, bool]] = (),
    whole: Sequence[tuple[x509.ObjectIdentifier, bytes, bool]] = (),
    of: Member = LEAF,
    unknown: bool = False,
    algorithm: str | None = None,
) -> bytes:
    """An answer of the root's with these extensions, which ``cryptography`` does not write."""
    from asn1crypto import ocsp as asn1_ocsp

    parsed = asn1_ocsp.OCSPResponse.load(ocsp_answer(of, ROOT, ROOT))
    basic = parsed["response_bytes"]["response"].parsed
    data = asn1_ocsp.ResponseData.load(basic["tbs_response_data"].dump())

    def extension(item: tuple[x509.ObjectIdentifier, bytes, bool]) -> dict[str, object]:
        return {"extn_id": item[0].dotted_string, "critical": item[2], "extn_value": core.ParsableOctetString(item[1])}

    if single:
        data["responses"][0]["single_extensions"] = [extension(item) for item in single]
    if whole:
        data["response_extensions"] = [extension(item) for item in whole]
    if unknown:
        data["responses"][0]["cert_status"] = asn1_ocsp.CertStatus("unknown", core.Null())
    if algorithm:
        data["responses"][0]["cert_id"]["hash_algorithm"] = {"algorithm": algorithm}
    signed = data.dump(force=True)
    from cryptography.hazmat.primitives.asymmetric import ec

    value = key(ROOT.name).sign(signed, ec.ECDSA(hashes.SHA256()))
    fresh = asn1_ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": asn1_ocsp.ResponseData.load(signed),
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": core.OctetBitString(value),
        }
    )
    return bytes(
        asn1_ocsp.OCSPResponse(
            {
                "response_status": "successful",
                "response_bytes": {
                    "response_type": "basic_ocsp_response",
                    "response": core.ParsableOctetString(fresh.dump(force=True)),
                },
            }
        ).dump(force=True)
    )


def hash_of(member: Member, algorithm: str = "sha256") -> bytes:
    value = hashlib.new(algorithm, member.certificate.public_bytes(Encoding.DER)).digest()
    return bytes(algos.DigestInfo({"digest_algorithm": {"algorithm": algorithm}, "digest": value}).dump())


def test_a_certificate_hash_says_which_certificate_the_responder_knows() -> None:
    assert status(changed([(CERTIFICATE_HASH, hash_of(LEAF), False)])) is CertificateStatus.GOOD
    assert status(changed([(CERTIFICATE_HASH, hash_of(LEAF, "sha512"), True)])) is CertificateStatus.GOOD
    found = facts(changed([(CERTIFICATE_HASH, hash_of(ROOT), False)]))
    assert [fact.doubts for fact in found] == [(Doubt.OTHER_CERTIFICATE,)]
    assert facts(changed([(CERTIFICATE_HASH, b"rubbish", False)])) == ()


def test_after_expiry_only_an_archive_cut_off_makes_good_good() -> None:
    gone = certificate("expired leaf", ROOT, end=NOW - timedelta(days=10))

    def cut_off(days: int) -> bytes:
        when = (NOW - timedelta(days=days)).strftime("%Y%m%d%H%M%SZ").encode()
        return changed([(CUT_OFF, bytes((0x18, len(when))) + when, False)], of=gone)

    assert [fact.doubts for fact in facts(changed(of=gone), of=gone)] == [(Doubt.CERTIFICATE_HAD_EXPIRED,)]
    assert status(cut_off(20), of=gone) is CertificateStatus.GOOD
    assert [fact.doubts for fact in facts(cut_off(5), of=gone)] == [(Doubt.CERTIFICATE_HAD_EXPIRED,)]


def test_an_unknown_critical_extension_silences_the_answer() -> None:
    null = b"\x05\x00"
    assert facts(changed([(ODD, null, True)])) == ()
    assert facts(changed(whole=[(ODD, null, True)])) == ()
    assert status(changed([(ODD, null, False)], [(ODD, null, False)])) is CertificateStatus.GOOD
    assert status(changed(whole=[(NONCE, b"\x04\x02ab", True)])) is CertificateStatus.GOOD


def test_unknown_is_not_good() -> None:
    found = facts(changed(unknown=True))
    assert [(fact.status, fact.doubts) for fact in found] == [(CertificateStatus.UNKNOWN, (Doubt.STATUS_UNKNOWN,))]


def test_a_digest_without_a_length_of_its_own_names_nobody() -> None:
    assert _issuer_hashes(b"", load_certificate(ROOT.der), "shake128") is None
    assert facts(changed(algorithm="shake128")) == ()


def test_rubbish_says_nothing() -> None:
    good = ocsp_answer(LEAF, ROOT, ROOT)
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    for der in (b"", b"\x30", good[:-1], refused.public_bytes(Encoding.DER), b"\x30\x80" + good):
        assert facts(der) == ()


def test_no_change_of_any_byte_of_an_answer_raises() -> None:
    """The certificates that come along are as hostile as the rest: a key that is no key names nobody."""
    whole = ocsp_answer(LEAF, ROOT, RESPONDER)
    for place in range(len(whole)):
        for value in (0x00, 0x7F, whole[place] ^ 1):
            facts(whole[:place] + bytes((value,)) + whole[place + 1 :])


@pytest.mark.parametrize(("critical", "read"), [(True, False), (False, True)])
def test_a_critical_archive_cut_off_that_cannot_be_read_silences_the_answer(critical: bool, read: bool) -> None:
    """RFC 6960 clause 4.4: what is critical is processed, or the answer is not used."""
    assert bool(facts(changed(single=[(CUT_OFF, b"\x18\x1120200101000000.5Z", critical)]))) is read
