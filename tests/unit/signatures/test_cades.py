"""CMS and CAdES signatures: each form is read, and what does not hold never passes."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import pytest
from asn1crypto import algos
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from tests.unit.signatures.cms_maker import (
    ECDSA_SHA256,
    SHA256,
    algorithm,
    attribute,
    in_segments,
    indefinite,
    octets,
    oid,
    signed_attributes,
    signed_data,
    signer_info,
    time,
)
from tests.unit.validation.laboratory import NOW, Member, certificate, key, world
from zdda.signatures import cms
from zdda.signatures.der import encode
from zdda.signatures.signature_value import RSA, SignatureAlgorithm, verify_digest
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document

CONTENT = b"what is signed"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def judge(data: bytes, *detached: bytes, certificates: tuple[bytes, ...] = ()) -> ValidationReport:
    lab = world()
    return validate_document(
        io.BytesIO(data),
        TrustAnchors((lab.root.der, *certificates)),
        at=NOW,
        detached=[io.BytesIO(item) for item in detached],
        revocation=RevocationData(lab.crls()),
    )


def verdicts(report: ValidationReport) -> list[tuple[str, str | None]]:
    assert (report.refused, report.not_validated) == (None, None)
    return [(item["indication"], item["subindication"]) for item in report.signatures]


def plain(content: bytes = CONTENT, **more: Any) -> bytes:
    lab = world()
    return signer_info(lab.signer, signed_attributes(lab.signer, sha256(content)), **more)


def message(*signers: bytes, content: bytes | None = CONTENT, **more: Any) -> bytes:
    lab = world()
    return signed_data(signers or (plain(),), content, (lab.signer.der, lab.issuing.der), **more)


PASSED: list[tuple[str, str | None]] = [("TOTAL_PASSED", None)]
FAILED: list[tuple[str, str | None]] = [("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")]


def test_an_attached_signature_passes_and_says_what_it_is() -> None:
    report = judge(message())
    assert verdicts(report) == PASSED
    found = report.signatures[0]
    assert (found["format"], found["counter"], found["intact"], found["valid"]) == (
        "CAdES-BASELINE-B",
        False,
        True,
        True,
    )
    assert found["claimedSigningTime"] == "2021-06-01T12:00:00.000Z"


@pytest.mark.parametrize(
    "written",
    [
        message(write=indefinite, write_content=in_segments),
        message(write=indefinite),
        b"-----BEGIN PKCS7-----\n" + base64.encodebytes(message()) + b"-----END PKCS7-----\n",
        b"\n-----BEGIN CMS-----\r\n" + base64.b64encode(message()) + b"\r\n-----END CMS-----",
        message(plain(shuffled=True)),
    ],
    ids=["ber-segments", "ber", "pem", "pem-cms", "reordered"],
)
def test_other_encodings_of_the_same_signature_pass(written: bytes) -> None:
    assert verdicts(judge(written)) == PASSED


def test_detached_content_is_found_among_candidates() -> None:
    detached = message(content=None)
    assert verdicts(judge(detached, CONTENT)) == PASSED
    assert judge(detached, CONTENT).content["document"]["detachedContent"] == sha256(CONTENT).hex()
    assert "detachedContent" not in judge(detached).content["document"]
    assert "detachedContent" not in judge(message(), CONTENT).content["document"]
    assert verdicts(judge(detached, b"other", CONTENT, b"third")) == PASSED
    assert verdicts(judge(detached)) == [("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")]
    assert verdicts(judge(detached, b"other", b"third")) == [("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")]
    # The only candidate is what the caller says was signed.
    assert verdicts(judge(detached, b"other")) == [("TOTAL_FAILED", "HASH_FAILURE")]


def test_candidates_do_not_replace_content_that_the_message_holds() -> None:
    assert verdicts(judge(message(content=b"swapped"), CONTENT)) == [("TOTAL_FAILED", "HASH_FAILURE")]


def told(report: ValidationReport) -> list[str]:
    return [finding["code"] for finding in report.content["document"]["findings"]]


def test_content_named_by_the_caller_that_is_not_the_messages_own_is_told() -> None:
    assert told(judge(message(), CONTENT)) == []
    other = judge(message(), b"I owe you 1000000")
    assert (verdicts(other), told(other)) == (PASSED, ["detached-content-ignored"])
    guessed = validate_document(
        io.BytesIO(message()), TrustAnchors(()), at=NOW, detached=[io.BytesIO(b"another of the deposit")], guessed=True
    )
    assert told(guessed) == []


@pytest.mark.parametrize("write", [encode, indefinite])
def test_bytes_behind_a_message_are_told(write: Any) -> None:
    data = message(write=write)
    assert told(judge(data)) == []
    assert told(judge(data + b"%PDF-1.7 something else")) == ["bytes-after-message"]


def test_a_second_message_behind_armour_is_told() -> None:
    def armour(data: bytes) -> bytes:
        return b"-----BEGIN PKCS7-----\n" + base64.encodebytes(data) + b"-----END PKCS7-----\n"

    good, bad = message(), message(plain(b"something else"))
    assert told(judge(armour(good) + b"\r\n")) == []
    both = judge(armour(good) + armour(bad))
    assert (verdicts(both), told(both)) == (PASSED, ["bytes-after-message"])


def test_of_two_signers_each_has_its_own_verdict() -> None:
    report = judge(message(plain(), plain(b"something else")))
    assert verdicts(report) == [*PASSED, ("TOTAL_FAILED", "HASH_FAILURE")]
    assert report.worst() is Indication.TOTAL_FAILED
    assert len({item["identifier"] for item in report.signatures}) == 2


def test_the_same_signer_info_twice_is_two_signatures_and_neither_passes() -> None:
    once = plain()
    report = judge(message(once, once, plain(b"something else")))
    assert verdicts(report) == [("TOTAL_FAILED", "FORMAT_FAILURE")] * 2 + [("TOTAL_FAILED", "HASH_FAILURE")]
    assert report.signatures[2]["findings"] == []
    assert [f["code"] for f in report.signatures[0]["findings"]] == ["signature-duplicated"]
    assert len({item["identifier"] for item in report.signatures}) == 3


def test_stripped_signed_attributes_never_pass() -> None:
    """The value over signed attributes, shown as a value over content that is those attributes' encoding."""
    lab = world()
    attributes = signed_attributes(lab.signer, sha256(CONTENT))
    encoded = encode(0x31, b"".join(sorted(attributes)))
    stripped = signer_info(lab.signer, None, content=encoded)
    assert verdicts(judge(message(stripped, content=encoded)))[0][0] != "TOTAL_PASSED"
    bare = signer_info(lab.signer, None, content=CONTENT)
    found = judge(message(bare)).signatures[0]
    assert found["intact"]
    assert found["format"] == "CMS-NOT-ETSI"
    assert found["indication"] == "INDETERMINATE"


def test_a_content_type_that_is_not_the_contents_never_passes() -> None:
    """RFC 5652 clause 11.1."""
    lab = world()
    other = signer_info(lab.signer, signed_attributes(lab.signer, sha256(CONTENT), "1.2.3.4"))
    assert verdicts(judge(message(other))) == [("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")]
    absent = signer_info(lab.signer, signed_attributes(lab.signer, sha256(CONTENT), None))
    assert verdicts(judge(message(absent))) == [("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")]


@pytest.mark.parametrize(
    ("extra", "verdict"),
    [
        (attribute(cms.SIGNING_TIME, time(NOW)), "SIG_CRYPTO_FAILURE"),
        (attribute(cms.MESSAGE_DIGEST, octets(sha256(b"other"))), "FORMAT_FAILURE"),
        (attribute(cms.CONTENT_TYPE, oid("1.2.3.4")), "FORMAT_FAILURE"),
    ],
)
def test_attributes_that_say_two_things_never_pass(extra: bytes, verdict: str) -> None:
    """RFC 5652 clause 11: neither a second instance nor a second value."""
    lab = world()
    attributes = [*signed_attributes(lab.signer, sha256(CONTENT)), extra]
    assert verdicts(judge(message(signer_info(lab.signer, attributes)))) == [("TOTAL_FAILED", verdict)]


@pytest.mark.parametrize(
    ("digest", "signature", "verdict"),
    [
        (algorithm(SHA256), algorithm(ECDSA_SHA256), PASSED),
        (algorithm(SHA256, b"\x05\x00"), algorithm(ECDSA_SHA256), PASSED),
        (algorithm("2.16.840.1.101.3.4.2.3"), algorithm(ECDSA_SHA256), FAILED),
        (algorithm(SHA256), algorithm("1.2.840.10045.4.3.4"), FAILED),
        (algorithm(SHA256), algorithm(ECDSA_SHA256, octets(b"x")), FAILED),
    ],
)
def test_protected_algorithms_must_be_copies_of_those_used(digest: bytes, signature: bytes, verdict: Any) -> None:
    """RFC 6211 clause 2, parameters included; absent and NULL parameters are one."""
    lab = world()
    value = encode(0x30, digest + b"\xa1" + signature[1:])
    attributes = [*signed_attributes(lab.signer, sha256(CONTENT)), attribute(cms.ALGORITHM_PROTECTION, value)]
    assert verdicts(judge(message(signer_info(lab.signer, attributes)))) == verdict


# --- algorithms


def certified(name: str, public_key: Any) -> Member:
    """A certificate of the laboratory's issuing CA for another kind of key."""
    lab = world()
    pattern = certificate(name, lab.issuing).certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(pattern.subject)
        .issuer_name(pattern.issuer)
        .public_key(public_key)
        .serial_number(pattern.serial_number)
        .not_valid_before(pattern.not_valid_before_utc)
        .not_valid_after(pattern.not_valid_after_utc)
    )
    for extension in pattern.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Member(name, builder.sign(key(lab.issuing.name), hashes.SHA256(), ecdsa_deterministic=True))


def signed_by(member: Member, digest: str, oid_of_digest: str, signature: bytes, sign: Any) -> bytes:
    attributes = signed_attributes(member, hashlib.new(digest, CONTENT).digest())
    info = signer_info(member, attributes, digest=oid_of_digest, signature=signature, sign=sign)
    return signed_data([info], CONTENT, (member.der, world().issuing.der))


def test_ed25519() -> None:
    """RFC 8419: over the attributes themselves, beside SHA-512."""
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    member = certified("edwards", secret.public_key())
    identifier = algorithm("1.3.101.112")
    good = signed_by(member, "sha512", "2.16.840.1.101.3.4.2.3", identifier, secret.sign)
    found = judge(good).signatures[0]
    assert found["intact"]
    assert found["valid"]
    assert found["signatureAlgorithm"] == {"mechanism": "ed25519", "hash": "sha512", "digest": "sha512"}
    bad = signed_by(member, "sha512", "2.16.840.1.101.3.4.2.3", identifier, lambda data: secret.sign(data + b"!"))
    assert verdicts(judge(bad)) == [("TOTAL_FAILED", "SIG_CRYPTO_FAILURE")]


def test_ed25519_without_signed_attributes_is_over_the_content() -> None:
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    member = certified("edwards", secret.public_key())
    info = signer_info(
        member,
        None,
        content=CONTENT,
        digest="2.16.840.1.101.3.4.2.3",
        signature=algorithm("1.3.101.112"),
        sign=secret.sign,
    )
    assert judge(signed_data([info], CONTENT, (member.der, world().issuing.der))).signatures[0]["intact"]
    assert not judge(signed_data([info], b"other", (member.der, world().issuing.der))).signatures[0]["intact"]


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def test_rsa_pss_and_sha3_and_a_digest_other_than_the_signatures_hash(rsa_key: rsa.RSAPrivateKey) -> None:
    member = certified("rsa", rsa_key.public_key())
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": "sha256"},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
            "salt_length": 32,
        }
    ).dump()
    pss = algorithm("1.2.840.113549.1.1.10", parameters)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    good = signed_by(member, "sha256", SHA256, pss, lambda data: rsa_key.sign(data, scheme, hashes.SHA256()))
    assert verdicts(judge(good)) == PASSED
    sha3 = signed_by(
        member,
        "sha3_512",
        "2.16.840.1.101.3.4.2.10",
        algorithm("2.16.840.1.101.3.4.3.16"),
        lambda data: rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA3_512()),
    )
    assert judge(sha3).signatures[0]["valid"]
    mixed = signed_by(
        member,
        "sha512",
        "2.16.840.1.101.3.4.2.3",
        algorithm("1.2.840.113549.1.1.11", b"\x05\x00"),
        lambda data: rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    )
    found = judge(mixed).signatures[0]
    assert found["valid"]
    assert found["signatureAlgorithm"]["hash"] == "sha256"


def test_a_signature_algorithm_is_no_digest_algorithm(rsa_key: rsa.RSAPrivateKey) -> None:
    """RFC 5652 clause 5.3: where digestAlgorithm names none, nothing tells which data were signed."""
    member = certified("rsa", rsa_key.public_key())
    named = "1.2.840.113549.1.1.11"
    sign = lambda data: rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA256())  # noqa: E731
    rsa_sha256 = algorithm(named, b"\x05\x00")
    assert verdicts(judge(signed_by(member, "sha256", SHA256, rsa_sha256, sign))) == PASSED
    assert verdicts(judge(signed_by(member, "sha256", named, rsa_sha256, sign))) == [
        ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    ]
    bare = signer_info(member, None, content=CONTENT, digest=named, signature=rsa_sha256, sign=sign)
    report = judge(signed_data([bare], CONTENT, (member.der, world().issuing.der)))
    assert verdicts(report) == [("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")]
    assert report.signatures[0]["intact"]


def test_a_digest_info_without_parameters_is_accepted_and_nothing_looser(rsa_key: rsa.RSAPrivateKey) -> None:
    """RFC 5754 clause 2; what is not exactly one of the two forms is a forgery (Bleichenbacher 2006)."""
    numbers = rsa_key.private_numbers()
    n, d = numbers.public_numbers.n, numbers.d
    digest = sha256(CONTENT)

    def raw(info: bytes) -> bytes:
        block = b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info
        return pow(int.from_bytes(block), d, n).to_bytes(256)

    def accepted(info: bytes) -> bool:
        return verify_digest(rsa_key.public_key(), SignatureAlgorithm(RSA, "sha256"), digest, raw(info))

    absent = encode(0x30, algorithm(SHA256) + octets(digest))
    assert accepted(absent)
    assert accepted(encode(0x30, algorithm(SHA256, b"\x05\x00") + octets(digest)))
    assert not accepted(absent + b"garbage")
    assert not accepted(encode(0x30, algorithm(SHA256, octets(b"x")) + octets(digest)))
    assert not accepted(encode(0x30, algorithm("1.3.14.3.2.26") + octets(digest)))
    assert not accepted(encode(0x30, algorithm(SHA256) + octets(sha256(b"other"))))


def test_adobes_attribute_is_of_pdf_documents() -> None:
    """ISO 32000-1 clause 12.8.3.3.2 defines it for them; CAdES has revocation-values (EN 319 122-1 clause A.1.1)."""
    lab = world()
    member = lab.signer
    lists = encode(0xA0, encode(0x30, b"".join(lab.crls())))
    attributes = [*signed_attributes(member, sha256(CONTENT)), attribute(cms.ADOBE_REVOCATION, encode(0x30, lists))]
    data = signed_data([signer_info(member, attributes)], CONTENT, (member.der, lab.issuing.der))
    report = validate_document(io.BytesIO(data), TrustAnchors((lab.root.der,)), at=NOW)
    assert verdicts(report) == [("INDETERMINATE", "CERTIFICATE_CHAIN_GENERAL_FAILURE")]
    (signer,) = cms.parse_signed_data(data).signers
    assert cms.signed_revocation_values(signer).crls == lab.crls()
