"""Certification paths and revocation facts at explicit moments; certvalidator's own revocation check as an oracle."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError

from tests.unit.validation.laboratory import (
    END,
    NOW,
    SIGNED,
    START,
    World,
    certificate,
    crl,
    key,
    ocsp_answer,
    world,
)
from zdda.signatures.errors import FormatError
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathResult, PathStatus, RequiredRevocation, validate_path
from zdda.trust.revocation import RevocationData

KEY_COMPROMISE = x509.ReasonFlags.key_compromise


def path(lab: World, data: RevocationData | None = None, **more: object) -> PathResult:
    arguments: dict[str, object] = {
        "certificate": lab.signer.der,
        "intermediates": [lab.issuing.der],
        "anchors": TrustAnchors((lab.root.der,)),
        "moment": NOW,
        "revocation": RevocationData(lab.crls()) if data is None else data,
        **more,
    }
    return validate_path(**arguments)  # type: ignore[arg-type]


def test_a_path_is_found_from_leaf_to_anchor() -> None:
    lab = world()
    result = path(lab)
    assert result.status is PathStatus.VALID
    assert result.path == (lab.signer.der, lab.issuing.der, lab.root.der)
    assert len(result.used_revocation) == 2
    with pytest.raises(TypeError):
        bool(result)


def test_without_an_anchor_or_a_link_there_is_none() -> None:
    lab = world()
    assert path(lab, anchors=TrustAnchors()).status is PathStatus.NO_PATH
    broken = path(lab, intermediates=[])
    assert broken.status is PathStatus.NO_PATH
    assert broken.path is None
    assert [member.certificate.der for member in broken.members] == [lab.signer.der]


def test_an_anchor_is_valid_by_itself_even_when_expired() -> None:
    lab = world()
    anchors = TrustAnchors((lab.signer.der,))
    assert path(lab, RevocationData(), anchors=anchors).path == (lab.signer.der,)
    assert path(lab, RevocationData(), anchors=anchors, moment=END + timedelta(days=999)).status is PathStatus.VALID


def test_the_moment_decides_on_validity() -> None:
    lab = world()
    data = RevocationData(lab.crls(START))
    assert path(lab, data, moment=END + timedelta(seconds=1)).status is PathStatus.EXPIRED
    assert path(lab, data, moment=START - timedelta(seconds=1)).status is PathStatus.NOT_YET_VALID
    assert path(lab, data, moment=END).status is PathStatus.VALID


def test_a_revocation_names_the_certificate_the_time_and_the_reason() -> None:
    lab = world()
    data = RevocationData(lab.crls(revoked=[(lab.signer, SIGNED, KEY_COMPROMISE)]))
    result = path(lab, data)
    assert result.status is PathStatus.REVOKED
    assert (result.revoked_certificate, result.revoked_at) == (lab.signer.der, SIGNED)
    assert result.revocation_reason == "key_compromise"
    assert path(lab, data, moment=SIGNED - timedelta(days=1), latest_revocation=NOW).status is PathStatus.VALID
    ca = RevocationData((crl(lab.root, revoked=[(lab.issuing, SIGNED, KEY_COMPROMISE)]), crl(lab.issuing)))
    assert path(lab, ca).revoked_certificate == lab.issuing.der


def test_missing_revocation_data_is_unknown_as_far_as_it_is_required() -> None:
    lab = world()
    leaf_only = RevocationData((crl(lab.issuing),))
    assert path(lab, RevocationData()).status is PathStatus.REVOCATION_UNKNOWN
    assert path(lab, leaf_only).status is PathStatus.REVOCATION_UNKNOWN
    assert path(lab, leaf_only, required=RequiredRevocation.LEAF).status is PathStatus.VALID
    assert path(lab, RevocationData(), required=RequiredRevocation.NONE).status is PathStatus.VALID
    gone = RevocationData((crl(lab.issuing, revoked=[(lab.signer, SIGNED, KEY_COMPROMISE)]),))
    assert path(lab, gone, required=RequiredRevocation.NONE).status is PathStatus.REVOKED


def test_data_from_after_the_moment_need_the_callers_word() -> None:
    lab = world()
    data = RevocationData(lab.crls(NOW))
    before = NOW - timedelta(days=10)
    assert path(lab, data, moment=before).status is PathStatus.REVOCATION_UNKNOWN
    assert path(lab, data, moment=before, latest_revocation=NOW).status is PathStatus.VALID


def test_of_two_paths_the_better_one_is_reported() -> None:
    """A cross certificate that has expired does not spoil the path that holds."""
    lab = world()
    other_root = certificate("other root", None, ca=True)
    subject = lab.issuing.certificate.subject
    crossed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(other_root.certificate.subject)
        .public_key(key("lab issuing").public_key())
        .serial_number(99)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=30))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key("other root"), hashes.SHA256())
    )
    both = TrustAnchors((other_root.der, lab.root.der))
    result = path(lab, intermediates=[crossed.public_bytes(Encoding.DER), lab.issuing.der], anchors=both)
    assert result.status is PathStatus.VALID
    assert result.path is not None
    assert result.path[-1] == lab.root.der


def test_certificates_that_issue_each_other_end() -> None:
    one = certificate("circle one", None, ca=True)
    two = certificate("circle two", one, ca=True)
    back = certificate("circle one", two, ca=True)
    leaf = certificate("circle leaf", back)
    result = validate_path(
        leaf.der, [one.der, two.der, back.der] * 5, TrustAnchors((world().root.der,)), NOW, RevocationData()
    )
    assert result.status is PathStatus.NO_PATH


def test_what_is_no_certificate_raises_and_rubbish_among_the_others_does_not() -> None:
    lab = world()
    with pytest.raises(FormatError):
        path(lab, certificate=b"rubbish")
    assert path(lab, intermediates=[b"rubbish", lab.issuing.der]).status is PathStatus.VALID
    rubbish = RevocationData((b"rubbish", *lab.crls()), (b"rubbish", b"\x30\x03\x0a\x01\x06"))
    assert path(lab, rubbish).status is PathStatus.VALID
    with pytest.raises(ValueError, match="time zone"):
        path(lab, moment=NOW.replace(tzinfo=None))


def test_anchors_are_loaded_from_pem_and_der() -> None:
    lab = world()
    pem = lab.root.certificate.public_bytes(Encoding.PEM) + lab.issuing.certificate.public_bytes(Encoding.PEM)
    loaded = TrustAnchors.load([pem, lab.root.der])
    assert loaded.certificates == (lab.root.der, lab.issuing.der)
    assert lab.root.der in loaded
    assert lab.signer.der not in loaded
    more = loaded + TrustAnchors((lab.signer.der,))
    assert list(more.digests) == sorted(more.digests)
    assert len(more.digests) == 3
    with pytest.raises(FormatError):
        TrustAnchors.load([b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])


@pytest.mark.parametrize("case", ["good", "revoked", "ca-revoked", "missing", "wrong-key", "ocsp", "ocsp-outsider"])
def test_the_oracle_agrees(case: str) -> None:
    """pyhanko-certvalidator's own, slower, revocation check comes to the same."""
    lab = world()
    crls: tuple[bytes, ...] = lab.crls()
    ocsps: tuple[bytes, ...] = ()
    if case == "revoked":
        crls = lab.crls(revoked=[(lab.signer, SIGNED, KEY_COMPROMISE)])
    elif case == "ca-revoked":
        crls = (crl(lab.root, revoked=[(lab.issuing, SIGNED, KEY_COMPROMISE)]), crl(lab.issuing))
    elif case == "missing":
        crls = (crl(lab.root),)
    elif case == "wrong-key":
        crls = (crl(lab.root), crl(lab.issuing, by="another key"))
    elif case == "ocsp":
        ocsps = (ocsp_answer(lab.signer, lab.issuing, lab.responder),)
    elif case == "ocsp-outsider":
        crls, ocsps = (crl(lab.root),), (ocsp_answer(lab.signer, lab.issuing, lab.signer),)
    ours = path(lab, RevocationData(crls, ocsps)).status is PathStatus.VALID
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(lab.root.der)],
        other_certs=[asn1_x509.Certificate.load(lab.issuing.der)],
        moment=NOW,
        crls=crls,
        ocsps=ocsps,
        revocation_mode="require",
        allow_fetching=False,
    )
    validator = CertificateValidator(asn1_x509.Certificate.load(lab.signer.der), validation_context=context)
    try:
        asyncio.run(validator.async_validate_path())
        theirs = True
    except (ValidationError, PathError):
        theirs = False
    assert ours == theirs
