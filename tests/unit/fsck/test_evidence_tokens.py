from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.simulator.pki import NOW, Pki, new_pki, pki, stranger
from zdda.demonstration.authority import Credential
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.evidence.evidence_record import (
    EvidenceStatus,
    TokenCheck,
    TokenStatus,
    assemble,
    renew_timestamp,
    timestamp_renewal_imprint,
    verify,
)
from zdda.fsck.evidence_tokens import token_checker
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import complete_token

IMPRINT = hashlib.sha256(b"root").digest()
OURS = pki()
TOKEN = OURS.token(IMPRINT)
DAY, YEAR = timedelta(days=1), timedelta(days=365)


def check(
    token: bytes = TOKEN,
    anchors: TrustAnchors = OURS.anchors,
    at: datetime = NOW,
    following: datetime | None = None,
    imprint: bytes = IMPRINT,
    revocation: RevocationData = RevocationData(),  # noqa: B008
) -> TokenCheck:
    return token_checker(anchors, at, revocation)(token, imprint, following)


def incomplete(world: Pki = OURS, by: Credential | None = None) -> bytes:
    """A token without any revocation data."""
    token = DemonstrationTimestamps(by or world.authority.timestamping, world.clock, world.entropy).token(IMPRINT)
    return complete_token(token, [world.authority.issuing.der], RevocationData())


def crl(world: Pki, serial: int, when: datetime, reason: x509.ReasonFlags | None) -> bytes:
    """The issuing CA's CRL with one entry of a chosen reason."""
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
    if reason is not None:
        entry = entry.add_extension(x509.CRLReason(reason), critical=False)
    builder = x509.CertificateRevocationListBuilder(world.authority.issuing.certificate.subject, when, when + DAY)
    signed = builder.add_revoked_certificate(entry.build()).sign(world.authority.issuing.key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def test_a_completed_token_is_trusted_from_the_anchor_alone() -> None:
    found = check()
    assert found.status is TokenStatus.TRUSTED
    assert found.gen_time == NOW


@pytest.mark.parametrize("at", [NOW - timedelta(minutes=5), NOW + YEAR, NOW + 9 * YEAR])
def test_it_stays_trusted_while_its_certificates_last(at: datetime) -> None:
    assert check(at=at).status is TokenStatus.TRUSTED


def test_after_its_certificates_have_expired_it_proves_nothing_unless_a_timestamp_followed() -> None:
    late = NOW + 11 * YEAR
    found = check(at=late)
    assert found.status is TokenStatus.UNPROVEN
    assert "expired" in found.message
    assert check(at=late, following=NOW + 9 * YEAR).status is TokenStatus.TRUSTED
    assert check(at=late, following=NOW + 11 * YEAR).status is TokenStatus.UNPROVEN


def test_no_anchors_is_not_the_same_as_other_anchors() -> None:
    assert check(anchors=TrustAnchors(())).status is TokenStatus.NO_ANCHORS
    assert check(anchors=stranger().anchors).status is TokenStatus.UNTRUSTED
    forged = stranger().token(IMPRINT)
    assert check(forged, anchors=TrustAnchors(())).status is TokenStatus.NO_ANCHORS
    assert check(forged).status is TokenStatus.UNTRUSTED
    assert check(forged, anchors=stranger().anchors).status is TokenStatus.TRUSTED


def test_what_is_broken_is_broken_without_anchors_too() -> None:
    for anchors in (TrustAnchors(()), OURS.anchors):
        assert check(imprint=bytes(32), anchors=anchors).status is TokenStatus.BROKEN
        assert check(b"rubbish", anchors=anchors).status is TokenStatus.BROKEN
        assert check(at=NOW - timedelta(minutes=6), anchors=anchors).status is TokenStatus.BROKEN
        assert check(following=NOW - timedelta(seconds=1), anchors=anchors).status is TokenStatus.BROKEN


@pytest.mark.parametrize(
    "credential",
    [
        OURS.authority.issue_seal(),
        OURS.authority.issue_timestamping(critical=False),
        OURS.authority.issue_timestamping(usages=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
    ],
    ids=["seal", "not-critical", "not-alone"],
)
def test_only_a_certificate_for_timestamping_alone_will_do(credential: Credential) -> None:
    found = check(OURS.token(IMPRINT, by=credential))
    assert found.status is TokenStatus.BROKEN
    assert "timestamping alone" in found.message


def test_a_token_without_its_certificate_is_broken() -> None:
    bare = OURS.timestamps.token(IMPRINT, with_certificates=False)
    assert check(bare).status is TokenStatus.BROKEN


def test_a_token_made_when_its_certificate_had_expired_is_untrusted() -> None:
    short = OURS.authority.issue_timestamping(valid_for=timedelta(minutes=-10))
    found = check(OURS.token(IMPRINT, by=short))
    assert found.status is TokenStatus.UNTRUSTED
    assert "expired" in found.message


def test_without_revocation_data_nothing_is_shown_and_newer_data_help() -> None:
    token = incomplete()
    assert check(token).status is TokenStatus.UNPROVEN
    assert check(token, revocation=OURS.revocation(OURS.authority.timestamping)).status is TokenStatus.TRUSTED
    by_ocsp = RevocationData((OURS.authority.crl("root"),), (OURS.ocsp(OURS.authority.timestamping),))
    assert check(token, revocation=by_ocsp).status is TokenStatus.TRUSTED


def test_revocation_data_that_had_run_out_show_nothing() -> None:
    world = new_pki(seed=77)
    old = world.revocation(world.authority.timestamping)
    world.at(NOW + 2 * DAY)
    late = complete_token(world.timestamps.token(IMPRINT), [world.authority.issuing.der], old)
    found = check(late, world.anchors, at=NOW + 3 * DAY)
    assert found.status is TokenStatus.UNPROVEN
    assert "run out" in found.message
    fresh = world.revocation(world.authority.timestamping)
    assert check(late, world.anchors, NOW + 3 * DAY, revocation=fresh).status is TokenStatus.TRUSTED


@pytest.mark.parametrize(
    ("age", "status"), [(timedelta(hours=23), TokenStatus.TRUSTED), (timedelta(hours=25), TokenStatus.UNPROVEN)]
)
def test_an_answer_that_names_no_next_one_is_news_for_a_day(age: timedelta, status: TokenStatus) -> None:
    authority = OURS.authority
    answer = ocsp.OCSPResponseBuilder().add_response(
        cert=authority.timestamping.certificate,
        issuer=authority.issuing.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=(NOW - age).replace(tzinfo=None),
        next_update=None,
        revocation_time=None,
        revocation_reason=None,
    )
    answer = answer.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.issuing.certificate)
    signed = answer.sign(authority.issuing.key, hashes.SHA256()).public_bytes(Encoding.DER)
    data = RevocationData((authority.crl("root"),), (signed,))
    assert check(incomplete(), revocation=data).status is status


def test_an_authority_revoked_before_is_untrusted() -> None:
    world = new_pki(seed=78)
    world.authority.revoke(world.authority.timestamping)
    found = check(world.token(IMPRINT), world.anchors)
    assert found.status is TokenStatus.UNTRUSTED
    assert "revoked" in found.message


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (None, TokenStatus.UNTRUSTED),
        (x509.ReasonFlags.key_compromise, TokenStatus.UNTRUSTED),
        (x509.ReasonFlags.superseded, TokenStatus.TRUSTED),
        (x509.ReasonFlags.cessation_of_operation, TokenStatus.TRUSTED),
        (x509.ReasonFlags.affiliation_changed, TokenStatus.TRUSTED),
    ],
)
def test_a_later_revocation_counts_by_its_reason(reason: x509.ReasonFlags | None, expected: TokenStatus) -> None:
    serial = OURS.authority.timestamping.certificate.serial_number
    newer = RevocationData((crl(OURS, serial, NOW + 10 * DAY, reason),))
    assert check(at=NOW + 20 * DAY, revocation=newer).status is expected
    # a timestamp that followed before the revocation keeps it good
    assert check(at=NOW + 20 * DAY, following=NOW + 5 * DAY, revocation=newer).status is TokenStatus.TRUSTED


def test_a_record_renewed_in_time_outlives_its_first_authority() -> None:
    group = (hashlib.sha256(b"one").digest(), hashlib.sha256(b"two").digest())
    first = new_pki(seed=80)
    root = hashlib.sha256(b"".join(sorted(group))).digest()
    record = assemble(group, (), first.token(root))
    second = new_pki(born=NOW + 8 * YEAR, now=NOW + 9 * YEAR, seed=81)
    renewed = renew_timestamp(record, second.token(timestamp_renewal_imprint(record)))
    anchors = first.anchors + second.anchors
    late = NOW + 15 * YEAR
    verdict = verify(renewed, {"sha256": group}, token_checker(anchors, late), late)
    assert (verdict.status, verdict.proven_at) == (EvidenceStatus.PROVEN, NOW)
    assert verify(record, {"sha256": group}, token_checker(anchors, late)).status is EvidenceStatus.NOT_PROVABLE
    too_late = new_pki(born=NOW + 11 * YEAR, now=NOW + 12 * YEAR, seed=82)
    record = renew_timestamp(record, too_late.token(timestamp_renewal_imprint(record)))
    checker = token_checker(anchors + too_late.anchors, late)
    assert verify(record, {"sha256": group}, checker, late).status is EvidenceStatus.NOT_PROVABLE
