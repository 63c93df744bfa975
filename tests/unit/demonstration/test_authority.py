from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from tests.simulator.pki import NOW, counting_entropy, new_pki, pki, stranger
from zdda.crypto.signing import SoftwareSigner
from zdda.demonstration.authority import Credential, DemonstrationAuthority, DemonstrationRefused
from zdda.demonstration.server import LoopbackServer, application
from zdda.model.clock import FixedClock
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.tsa_client import is_timestamping_certificate

PKI = pki()


def make(folder: Path, base_url: str = "http://127.0.0.1:8080") -> DemonstrationAuthority:
    return DemonstrationAuthority(FixedClock(NOW), counting_entropy(9), base_url, folder)


def issued() -> list[Credential]:
    authority = PKI.authority
    return [
        authority.issue_signer("MUDr. Jana Ukázková"),
        authority.issue_seal(),
        authority.issue_tls_server(),
        authority.timestamping,
    ]


def test_production_refuses_it() -> None:
    with pytest.raises(DemonstrationRefused):
        DemonstrationAuthority(FixedClock(NOW), counting_entropy(), "http://localhost", environment="production")


@pytest.mark.parametrize("credential", issued(), ids=["signer", "seal", "tls", "tsa"])
def test_what_it_issues_is_valid_and_says_that_it_is_a_demonstration(credential: Credential) -> None:
    assert "DEMONSTRATION" in credential.certificate.subject.rfc4514_string()
    data = PKI.revocation(credential, with_ocsp=True)
    chain = [PKI.authority.issuing.der]
    assert validate_path(credential.der, chain, PKI.anchors, NOW, data).status is PathStatus.VALID
    without_crl = RevocationData((PKI.authority.crl("root"),), data.ocsps)
    assert validate_path(credential.der, chain, PKI.anchors, NOW, without_crl).status is PathStatus.VALID
    assert validate_path(credential.der, chain, stranger().anchors, NOW, data).status is PathStatus.NO_PATH


def test_a_seal_can_sign() -> None:
    seal = PKI.authority.issue_seal()
    signer = SoftwareSigner.load(seal.key_pem(), seal.chain_pem())
    assert signer.certificate == seal.der
    assert signer.sign(b"manifest")


def test_a_tls_server_has_its_loopback_names() -> None:
    certificate = PKI.authority.issue_tls_server().certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_only_the_timestamp_authority_is_for_timestamping() -> None:
    assert [is_timestamping_certificate(each.der) for each in issued()] == [False, False, False, True]


def test_revoking_shows_in_crl_and_ocsp_answer() -> None:
    world = new_pki(seed=300)
    signer = world.authority.issue_signer("someone")
    world.authority.revoke(signer)
    for data in (
        world.revocation(signer),
        RevocationData((world.authority.crl("root"),), (world.ocsp(signer),)),
    ):
        found = validate_path(signer.der, [world.authority.issuing.der], world.anchors, NOW, data)
        assert found.status is PathStatus.REVOKED


def test_it_does_not_answer_for_others() -> None:
    other = stranger().authority
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        other.timestamping.certificate, other.issuing.certificate, hashes.SHA256()
    )
    answer = PKI.authority.ocsp_response(builder.build().public_bytes(serialization.Encoding.DER))
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_keys_and_revocations_outlive_a_restart(tmp_path: Path) -> None:
    first = make(tmp_path / "state")
    signer = first.issue_signer("someone")
    first.revoke(signer)
    second = make(tmp_path / "state")
    assert second.root_certificate() == first.root_certificate()
    assert (second.issuing.der, second.timestamping.der) == (first.issuing.der, first.timestamping.der)
    assert x509.load_der_x509_crl(second.crl("issuing")).get_revoked_certificate_by_serial_number(
        signer.certificate.serial_number
    )
    assert (tmp_path / "state" / "root.key").stat().st_mode & 0o077 == 0


def test_at_another_address_pointers_change_and_keys_do_not(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path, "http://127.0.0.1:9090")
    assert second.root_certificate() == first.root_certificate()
    assert second.timestamping.der != first.timestamping.der
    assert second.timestamping.key.public_key() == first.timestamping.key.public_key()
    assert second.timestamping.points_to("http://127.0.0.1:9090")
    assert second.issuing.points_to("http://127.0.0.1:9090")
    assert not second.issuing.points_to("http://127.0.0.1:90")
    old_seal = first.issue_seal()  # its issuer's key is the same: it stays valid
    found = validate_path(old_seal.der, [second.issuing.der], _anchors(first), NOW, _data(second))
    assert found.status is PathStatus.VALID


def _anchors(authority: DemonstrationAuthority) -> TrustAnchors:
    return TrustAnchors((authority.root_certificate(),))


def _data(authority: DemonstrationAuthority) -> RevocationData:
    return RevocationData((authority.crl("root"), authority.crl("issuing")))


def request_of(**changes: object) -> bytes:
    value: dict[str, object] = {
        "version": "v1",
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
        **changes,
    }
    return bytes(tsp.TimeStampReq(value).dump())


@pytest.mark.parametrize(
    ("request_der", "failure"),
    [
        (b"rubbish", "bad_data_format"),
        (request_of(req_policy="1.2.3"), "unaccepted_policy"),
        (
            request_of(message_imprint={"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}),
            "bad_alg",
        ),
        (
            request_of(message_imprint={"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(20)}),
            "bad_alg",
        ),
    ],
    ids=["rubbish", "policy", "sha1", "length"],
)
def test_a_bad_timestamp_request_is_rejected_with_a_reason(request_der: bytes, failure: str) -> None:
    status = tsp.PKIStatusInfo.load(tsp.TimeStampResp.load(PKI.timestamps.respond(request_der)).contents)
    assert status["status"].native == "rejection"
    assert status["fail_info"].native == {failure}


def test_certificates_are_sent_when_asked_for() -> None:
    for asked in (True, False):
        answer = tsp.TimeStampResp.load(PKI.timestamps.respond(request_of(cert_req=asked, nonce=7)))
        token = parse_timestamp_token(answer["time_stamp_token"].dump())
        assert token.nonce == 7
        assert bool(token.certificates) is asked


def test_over_http() -> None:
    server = LoopbackServer()
    world = new_pki(seed=301)
    server.start(application(world.authority, world.timestamps))
    try:
        with httpx.Client(base_url=server.base_url, trust_env=False) as client:
            answer = client.post("/tsa", content=request_of(cert_req=True))
            assert answer.headers["content-type"] == "application/timestamp-reply"
            token = tsp.TimeStampResp.load(answer.content)["time_stamp_token"].dump()
            assert parse_timestamp_token(token).signature_intact
            assert client.get("/crl/issuing.crl").content[:1] == b"\x30"
            assert client.get("/ca/root.cer").content == world.authority.root_certificate()
            assert client.get("/crl/nobody.crl").status_code == 404
            assert client.post("/ocsp", content=b"rubbish").status_code == 400
            assert client.post("/tsa", content=bytes(17 * 1024)).status_code == 413
            asked = ocsp.OCSPRequestBuilder().add_certificate(
                world.authority.timestamping.certificate, world.authority.issuing.certificate, hashes.SHA256()
            )
            body = asked.build().public_bytes(serialization.Encoding.DER)
            good = ocsp.load_der_ocsp_response(client.post("/ocsp", content=body).content)
            assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
    finally:
        server.stop()


def test_two_tokens_have_different_serials() -> None:
    imprint = hashlib.sha256(b"x").digest()
    serials = {parse_timestamp_token(PKI.timestamps.token(imprint)).serial for _ in range(5)}
    assert len(serials) == 5


def test_a_certificate_lasts_as_long_as_asked() -> None:
    short = PKI.authority.issue_signer("short", timedelta(days=1))
    born = PKI.clock.now()
    assert short.certificate.not_valid_after_utc == born + timedelta(days=1)
