"""PDF signatures of old, long-term data, several signers, other algorithms."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.unit.validation.laboratory import (
    END,
    NOW,
    SIGNED,
    START,
    Member,
    certificate,
    cms_signature,
    crl,
    key,
    sign_pdf,
    token,
    unsigned_pdf,
    update,
    world,
)
from zdda.signatures.der import OCTET_STRING, encode
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document


def judge(pdf: bytes, at: datetime = NOW, crls: tuple[bytes, ...] | None = None) -> ValidationReport:
    lab = world()
    data = RevocationData(lab.crls() if crls is None else crls)
    report = validate_document(io.BytesIO(pdf), TrustAnchors((lab.root.der,)), at=at, revocation=data)
    assert report.not_validated is None
    return report


def only(report: ValidationReport) -> tuple[str, str, str | None]:
    (item,) = report.signatures
    return item["format"], item["indication"], item["subindication"]


def signed_with(sub_filter: str, **more: object) -> bytes:
    lab = world()
    return sign_pdf(
        unsigned_pdf(),
        lambda d: cms_signature(lab.signer, d, certificates=lab.chain, **more),  # type: ignore[arg-type]
        sub_filter=sub_filter,
    )


def test_pkcs7_detached() -> None:
    assert only(judge(signed_with("adbe.pkcs7.detached"))) == ("PKCS7-B", "TOTAL_PASSED", None)


def test_an_unknown_sub_filter_is_judged_and_told() -> None:
    report = judge(signed_with("Vendor.own"))
    assert only(report)[0] == "PDF-NOT-ETSI"
    assert "sub-filter-unknown" in {finding["code"] for finding in report.signatures[0]["findings"]}


def test_the_profile_falls_back_where_the_baseline_is_not_kept() -> None:
    def with_time(given: list[cms.CMSAttribute]) -> list[cms.CMSAttribute]:
        return [*given, cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": SIGNED})]})]

    assert only(judge(signed_with("ETSI.CAdES.detached", attributes=with_time)))[0] == "PAdES-BES"
    without_reference = signed_with("ETSI.CAdES.detached", attributes=lambda given: given[:2])
    assert only(judge(without_reference))[:2] == ("PDF-NOT-ETSI", "TOTAL_PASSED")


def test_content_inside_the_cms_is_what_is_signed() -> None:
    """RFC 5652 clause 5.4: with content of its own, the message-digest attribute is of that, not of the document."""
    other = judge(signed_with("ETSI.CAdES.detached", content=b"something else"))
    assert only(other)[1:] == ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")


def test_a_content_type_that_disagrees_does_not_verify() -> None:
    wrong = [cms.CMSAttribute({"type": "content_type", "values": ["1.2.3.4"]})]
    report = judge(signed_with("ETSI.CAdES.detached", attributes=lambda given: [*wrong, *given[1:]]))
    assert only(report)[1:] == ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")


def test_an_attribute_given_twice_is_a_format_failure() -> None:
    report = judge(signed_with("ETSI.CAdES.detached", attributes=lambda given: [*given, given[1]]))
    assert only(report)[1] == "TOTAL_FAILED"


def test_protected_algorithms_that_disagree_are_told() -> None:
    """RFC 6211."""

    def protection(algorithm: str) -> cms.CMSAttribute:
        value = cms.CMSAlgorithmProtection(
            {
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "signature_algorithm": cms.SignedDigestAlgorithm({"algorithm": algorithm}),
            }
        )
        return cms.CMSAttribute({"type": "cms_algorithm_protection", "values": [value]})

    good = signed_with("ETSI.CAdES.detached", attributes=lambda g: [*g, protection("sha256_ecdsa")])
    bad = signed_with("ETSI.CAdES.detached", attributes=lambda g: [*g, protection("sha512_ecdsa")])
    assert only(judge(good))[1] == "TOTAL_PASSED"
    assert only(judge(bad))[1:] == ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")


def test_a_claimed_time_outside_of_the_certificate_is_a_constraint_failure() -> None:
    lab = world()
    for moment in (START - timedelta(days=1), END + timedelta(days=1)):
        pdf = lab.basic(moment=moment)
        assert only(judge(pdf))[1:] == ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")


# --- RSA


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def rsa_signer(end: datetime = END) -> Member:
    issuer = world().issuing
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rsa signer")]))
        .issuer_name(issuer.certificate.subject)
        .public_key(rsa_key().public_key())
        .serial_number(4711)
        .not_valid_before(START)
        .not_valid_after(end)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer.name).public_key()), False)
    )
    return Member("rsa", builder.sign(key(issuer.name), hashes.SHA256()))


def rsa_cms(
    digest: bytes, value: bytes, algorithm: cms.SignedDigestAlgorithm, attributes: bool, content: bytes | None
) -> bytes:
    member = rsa_signer()
    info = {
        "version": "v1",
        "sid": {
            "issuer_and_serial_number": {
                "issuer": asn1_x509.Certificate.load(member.der).issuer,
                "serial_number": 4711,
            }
        },
        "digest_algorithm": {"algorithm": "sha1" if content is not None or not attributes else "sha256"},
        "signature_algorithm": algorithm,
        "signature": value,
    }
    if attributes:
        info["signed_attrs"] = attributes_of(digest)
    encapsulated: dict[str, object] = {"content_type": "data"}
    if content is not None:
        encapsulated["content"] = content
    return bytes(
        cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": {
                    "version": "v1",
                    "digest_algorithms": [info["digest_algorithm"]],
                    "encap_content_info": encapsulated,
                    "certificates": [asn1_x509.Certificate.load(der) for der in (member.der, world().issuing.der)],
                    "signer_infos": [info],
                },
            }
        ).dump()
    )


def attributes_of(digest: bytes) -> cms.CMSAttributes:
    return cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
        ]
    )


def test_rsa_with_pss_and_pkcs1() -> None:
    def pss(digest: bytes) -> bytes:
        value = rsa_key().sign(
            attributes_of(digest).dump(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
        )
        parameters = {
            "hash_algorithm": {"algorithm": "sha256"},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
            "salt_length": 32,
        }
        algorithm = cms.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
        return rsa_cms(digest, value, algorithm, True, None)

    def pkcs1(digest: bytes) -> bytes:
        value = rsa_key().sign(attributes_of(digest).dump(), padding.PKCS1v15(), hashes.SHA256())
        return rsa_cms(digest, value, cms.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}), True, None)

    for make in (pss, pkcs1):
        report = judge(sign_pdf(unsigned_pdf(), make, sub_filter="adbe.pkcs7.detached"))
        assert only(report) == ("PKCS7-B", "TOTAL_PASSED", None)


def test_adbe_pkcs7_sha1_is_over_the_digest_of_the_byte_range() -> None:
    """ISO 32000-1 clause 12.8.3.3.1; SHA-1 keeps it from passing, a changed document fails it."""

    def make(digest: bytes) -> bytes:
        value = rsa_key().sign(digest, padding.PKCS1v15(), hashes.SHA1())
        return rsa_cms(digest, value, cms.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}), False, digest)

    pdf = sign_pdf(unsigned_pdf(), make, sub_filter="adbe.pkcs7.sha1", digest="sha1")
    report = judge(pdf)
    assert (report.signatures[0]["intact"], report.signatures[0]["valid"]) == (True, True)
    assert only(report)[:2] == ("PKCS7-B", "INDETERMINATE")
    changed = judge(pdf.replace(b"(a page)", b"(A page)"))
    assert only(changed)[1:] == ("TOTAL_FAILED", "HASH_FAILURE")


def test_adbe_x509_rsa_sha1() -> None:
    """ISO 32000-1 clause 12.8.3.2: a PKCS#1 value, the certificate beside it in /Cert."""

    def make(digest: bytes) -> bytes:
        prehashed = utils.Prehashed(hashes.SHA1())
        return encode(OCTET_STRING, rsa_key().sign(digest, padding.PKCS1v15(), prehashed))

    signer = rsa_signer().certificate.public_bytes(Encoding.DER)
    name = "adbe.x509.rsa_sha1 /Cert <" + signer.hex() + ">"
    pdf = sign_pdf(unsigned_pdf(), make, sub_filter=name, digest="sha1")
    report = judge(pdf)
    assert (report.signatures[0]["intact"], report.signatures[0]["valid"]) == (True, True)
    assert only(report)[:2] == ("PDF-NOT-ETSI", "INDETERMINATE")
    assert only(judge(pdf.replace(b"(a page)", b"(A page)")))[1:] == ("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")


# --- several signers


def test_a_second_signer_is_one_too_many_whether_it_holds_or_not() -> None:
    """ISO 32000-2 clause 12.8.3.3.1, EN 319 142-1: there is one SignerInfo."""
    lab = world()

    def two(second_key: str) -> bytes:
        def make(digest: bytes) -> bytes:
            first = cms.ContentInfo.load(cms_signature(lab.signer, digest, certificates=lab.chain))
            other = certificate("second", lab.issuing)
            second = cms.ContentInfo.load(cms_signature(other, digest, signing_key=second_key))
            first["content"]["signer_infos"].append(second["content"]["signer_infos"][0])
            first["content"]["certificates"].append(second["content"]["certificates"][0])
            return bytes(first.dump(force=True))

        return sign_pdf(unsigned_pdf(), make)

    good = judge(two("second"))
    assert only(good) == ("PDF-NOT-ETSI", "TOTAL_FAILED", "FORMAT_FAILURE")
    assert "several-signers" in {finding["code"] for finding in good.signatures[0]["findings"]}
    # DER orders the set of signers: which of the two comes first, and so the reason, is not for us to choose.
    assert only(judge(two("another key")))[1] == "TOTAL_FAILED"


# --- long-term data


def stored(pdf: bytes, certificates: list[bytes], crls: list[bytes], ocsps: list[bytes], size: int = 30) -> bytes:
    """Adds a DSS dictionary in an incremental update, keeping the form of the last signature."""
    objects: dict[int, bytes] = {}
    names = []
    for name, values in (("Certs", certificates), ("CRLs", crls), ("OCSPs", ocsps)):
        numbers = []
        for value in values:
            number = size + len(objects)
            objects[number] = b"<< /Length %d >>\nstream\n%b\nendstream" % (len(value), value)
            numbers.append(b"%d 0 R" % number)
        names.append(b"/%b [%b]" % (name.encode(), b" ".join(numbers)))
    start = pdf.rindex(b"\n1 0 obj\n") + len(b"\n1 0 obj\n")
    catalog = pdf[start : pdf.index(b"\nendobj", start)]
    objects[1] = catalog[:-2] + b"/DSS << %b >> >>" % b" ".join(names)
    return update(pdf, objects, size + len(objects))


def test_long_term_data_make_the_levels_lt_and_lta_and_are_used() -> None:
    lab = world()
    crls = [crl(lab.root, SIGNED + timedelta(minutes=1)), crl(lab.issuing, SIGNED + timedelta(minutes=1))]
    long_term = stored(lab.with_timestamp(), [lab.issuing.der, lab.root.der], crls, [])
    report = judge(long_term, crls=())
    assert only(report) == ("PAdES-BASELINE-LT", "TOTAL_PASSED", None)
    archival = sign_pdf(
        long_term,
        lambda d: token(lab.authority, d, SIGNED + timedelta(minutes=5), certificates=lab.chain),
        number=60,
        fields=[10],
        sub_filter="ETSI.RFC3161",
        type="DocTimeStamp",
        store=long_term[long_term.rindex(b"/DSS <<") : long_term.index(b">>", long_term.rindex(b"/DSS <<")) + 2],
    )
    report = judge(archival, crls=())
    assert only(report) == ("PAdES-BASELINE-LTA", "TOTAL_PASSED", None)
    assert [item["indication"] for item in report.timestamps] == ["PASSED", "PASSED"]
    later = judge(archival, at=END + timedelta(days=30), crls=())
    assert only(later)[1:] == ("TOTAL_PASSED", None)
    assert {"certificate", "crl", "timestamp"} == {datum.role for datum in report.validation_data}


def test_a_store_from_before_the_signature_is_not_its_own() -> None:
    lab = world()
    crls = list(lab.crls())
    first = stored(lab.basic(), [lab.issuing.der], crls, [])
    second = lab.with_timestamp(pdf=first, number=60, fields=[10])
    formats = [item["format"] for item in judge(second).signatures]
    assert formats == ["PAdES-BASELINE-B", "PAdES-BASELINE-T"]


def test_a_signature_that_a_later_catalog_no_longer_names_is_told() -> None:
    pdf = update(world().basic(), {1: b"<< /Type /Catalog /Pages 2 0 R >>"}, 12)
    report = judge(pdf)
    assert report.worst() is None
    assert "signature-not-reachable" in {finding["code"] for finding in report.content["document"]["findings"]}


def test_rubbish_in_the_store_hides_nothing() -> None:
    lab = world()
    pdf = stored(lab.basic(), [b"rubbish", lab.root.der], [b"rubbish", *lab.crls()], [b"rubbish", b"\x30\x00"])
    assert only(judge(pdf, crls=()))[1] == "TOTAL_PASSED"


def test_other_formats_are_said_to_be_unsupported_or_unsigned() -> None:
    def code(data: bytes) -> str | None:
        return validate_document(io.BytesIO(data), TrustAnchors(), at=NOW).not_validated

    for data in (
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x00\x00\x00\x00",
        b"<?xml version='1.0'?><a><Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/></a>",
        b"eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl",
        b'{"payload": "x", "signatures": []}',
        b"PK\x03\x04" + b"\x00" * 26 + b"mimetypeapplication/vnd.etsi.asic-e+zip",
        b"From: a\r\nContent-Type: multipart/signed; boundary=x\r\n\r\n",
    ):
        assert code(data) == "format-not-supported"
    for data in (b"", b"text", b"<?xml version='1.0'?><a/>", b"\x89PNG\r\n\x1a\n"):
        assert code(data) is None


@pytest.mark.parametrize("moment", [datetime(2021, 6, 1, tzinfo=UTC), NOW])
def test_a_timestamp_from_the_future_fails(moment: datetime) -> None:
    report = judge(world().with_timestamp(NOW + timedelta(days=2)), at=moment)
    assert report.timestamps[0]["indication"] != "PASSED"
