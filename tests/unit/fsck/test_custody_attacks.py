"""What a thief with somebody's key can make of old evidence: nothing that proves."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from package_signers import AT
from test_seal_trust import codes, group_of
from verified_packages import Custodian, verified

from tests.unit.validation.laboratory import SIGNED, certificate, crl, token, world
from zdda.evidence.evidence_record import TokenStatus
from zdda.fsck.algorithms_then import unreliable_algorithm
from zdda.fsck.custody import CustodyStatus
from zdda.fsck.evidence_tokens import token_checker
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import complete_token

DAY = timedelta(days=1)
STAMPED = AT + 3 * DAY
COMPROMISED, SUPERSEDED = x509.ReasonFlags.key_compromise, x509.ReasonFlags.superseded


def stolen_responder(custodian: Custodian) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A responder that the root authorised."""
    root, key = custodian.authority.root, ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "responder")]))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + 300 * DAY)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
        .add_extension(usage, True)
    )
    return key, builder.sign(root.key, hashes.SHA256())


def root_list(custodian: Custodian, serial: int, when: datetime, reason: x509.ReasonFlags) -> bytes:
    root = custodian.authority.root
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(AT + 20 * DAY)
        .next_update(AT + 60 * DAY)
        .add_revoked_certificate(entry.add_extension(x509.CRLReason(reason), False).build())
    )
    return builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_an_answer_of_a_responder_that_was_robbed_later_proves_nothing_whatever_its_date() -> None:
    """The seal is revoked; a thief with the responder's key dates a good answer back to the proven time."""
    custodian = Custodian(AT, seed=31)
    container, _ = custodian.package(custodian.inputs(with_revocation=False))
    custodian.clock.move_to(STAMPED)
    custodian.authority.revoke(custodian.seal)
    key, responder = stolen_responder(custodian)
    made = (STAMPED + timedelta(hours=1)).replace(tzinfo=None)
    forged = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=custodian.seal.certificate,
            issuer=custodian.authority.issuing.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=made,
            next_update=made + DAY,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        .certificates([responder])
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.DER)
    known = root_list(custodian, 4711, AT + 10 * DAY, COMPROMISED)
    record = custodian.evidence(group_of(container), also=RevocationData((known,), (forged,)))
    report = verified(container, record, custodian.anchors, AT + 30 * DAY)
    assert report.status is CustodyStatus.NOT_PROVABLE
    assert codes(report) == {"seal-revocation-unknown"}


@pytest.mark.parametrize(("reason", "proven"), [(COMPROMISED, False), (SUPERSEDED, True)])
def test_a_seal_under_an_authority_that_was_robbed_later(reason: x509.ReasonFlags, proven: bool) -> None:
    """Its key may have made the news of the seal; the timestamp is another authority's."""
    custodian, other = Custodian(AT, seed=32), Custodian(AT, seed=33)
    container, _ = custodian.package(custodian.inputs())
    serial = custodian.authority.issuing.certificate.serial_number
    known = root_list(custodian, serial, AT + 10 * DAY, reason)
    record = other.evidence(group_of(container), also=RevocationData((known,)))
    report = verified(container, record, custodian.anchors + other.anchors, AT + 30 * DAY)
    assert report.status is (CustodyStatus.PROVEN if proven else CustodyStatus.NOT_PROVABLE)
    assert codes(report) == (set() if proven else {"seal-authority-revoked"})


def test_an_expired_certificate_is_not_made_good_by_being_superseded_as_well() -> None:
    lab, moment = world(), datetime(2022, 6, 1, tzinfo=UTC)
    stamping = [ExtendedKeyUsageOID.TIME_STAMPING]
    authority = certificate(
        "lab tsa short", lab.issuing, usage="digital", extended=stamping, end=datetime(2023, 1, 1, tzinfo=UTC)
    )
    imprint = hashlib.sha256(b"x").digest()

    def status(at: datetime) -> TokenStatus:
        lists = crl(lab.root, moment), crl(lab.issuing, moment, revoked=[(authority, moment - 30 * DAY, SUPERSEDED)])
        made = complete_token(
            token(authority, imprint, SIGNED, certificates=lab.chain), [lab.issuing.der], RevocationData(lists)
        )
        return token_checker(TrustAnchors((lab.root.der,)), at)(made, imprint, None).status

    assert status(datetime(2022, 7, 1, tzinfo=UTC)) is TokenStatus.TRUSTED
    assert status(datetime(2030, 1, 1, tzinfo=UTC)) is TokenStatus.UNPROVEN


def test_what_algorithms_custody_rests_on() -> None:
    lab, moment = world(), datetime(2022, 6, 1, tzinfo=UTC)
    path = validate_path(
        lab.signer.der, [each.der for each in lab.chain], TrustAnchors((lab.root.der,)), moment, RevocationData()
    )
    ecdsa = SignatureAlgorithm("ecdsa", "sha256")
    assert unreliable_algorithm(ecdsa, ("sha256",), path, moment) is None
    assert unreliable_algorithm(ecdsa, ("sha1",), path, moment) == "sha1"
    small = SignatureAlgorithm("rsassa_pkcs1v15", "sha256")
    assert "bits" in str(unreliable_algorithm(small, ("sha256",), path, moment))  # 256 bits are no RSA key
