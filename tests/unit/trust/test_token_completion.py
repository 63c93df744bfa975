from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.model.clock import SystemClock, system_entropy
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData
from zdda.trust.token_completion import TokenCompleter, complete_token
from zdda.trust.tsa_client import AuthorityRefused, AuthorityUnavailable

CLOCK = SystemClock()
DATA = b"what is stamped"
IMPRINT = hashlib.sha256(DATA).digest()


@pytest.fixture(scope="module")
def authority() -> DemonstrationAuthority:
    return DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")


@pytest.fixture
def token(authority: DemonstrationAuthority) -> bytes:
    return DemonstrationTimestamps(authority.timestamping, CLOCK, system_entropy).token(IMPRINT)


def revocation_of(authority: DemonstrationAuthority, path: Sequence[bytes]) -> RevocationData:
    leaf, issuer = (x509.load_der_x509_certificate(der) for der in path[:2])
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256()).build()
    answer = authority.ocsp_response(request.public_bytes(serialization.Encoding.DER))
    return RevocationData((authority.crl("root"), authority.crl("issuing")), (answer,))


def test_a_completed_token_says_the_same_and_needs_an_anchor_only(
    authority: DemonstrationAuthority, token: bytes, tmp_path: Path
) -> None:
    anchors = TrustAnchors((authority.root_certificate(),))
    completed = TokenCompleter(anchors, lambda path: revocation_of(authority, path), CLOCK)(token)
    before, after = parse_timestamp_token(token), parse_timestamp_token(completed)
    assert after.signature_intact
    assert (after.gen_time, after.imprint, after.serial) == (before.gen_time, before.imprint, before.serial)
    assert len(after.certificates) == 3
    assert len(after.crls) == 2
    assert len(after.ocsps) == 1
    assert after.signer_certificate is not None
    offline = RevocationData(after.crls, after.ocsps)
    result = validate_path(after.signer_certificate, after.certificates, anchors, CLOCK.now(), offline)
    assert result.status is PathStatus.VALID
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token").write_bytes(completed)
    (tmp_path / "ca").write_bytes(authority.root.chain_pem())
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "token", "-token_in", "-CAfile", "ca"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr


def test_completion_is_deterministic_and_repeatable(authority: DemonstrationAuthority, token: bytes) -> None:
    data = RevocationData((authority.crl("root"),), ())
    chain = (authority.issuing.der, authority.root_certificate())
    completed = complete_token(token, chain, data)
    assert complete_token(token, reversed(chain), data) == completed
    assert complete_token(completed, chain, data) == completed


def test_answers_are_added_to_those_that_are_there(authority: DemonstrationAuthority, token: bytes) -> None:
    chain = (authority.issuing.der, authority.root_certificate())
    first, second = (revocation_of(authority, path).ocsps for path in paths_of(authority))
    together = complete_token(token, chain, RevocationData((), first + second))
    one_by_one = complete_token(
        complete_token(token, chain, RevocationData((), second)), chain, RevocationData((), first)
    )
    assert one_by_one == together
    parsed = parse_timestamp_token(together)
    assert parsed.signature_intact
    assert len(parsed.ocsps) == 2
    unsigned = cms.ContentInfo.load(together)["content"]["signer_infos"][0]["unsigned_attrs"]
    assert [each["type"].dotted for each in unsigned] == ["1.2.840.113549.1.9.16.2.24"]


def paths_of(authority: DemonstrationAuthority) -> list[list[bytes]]:
    return [[each.der, authority.issuing.der] for each in (authority.timestamping, authority.issue_seal())]


@pytest.mark.parametrize("data", [b"", b"rubbish", cms.ContentInfo({"content_type": "data", "content": b"x"}).dump()])
def test_what_is_no_token_is_not_completed(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - asn1crypto's own words
        complete_token(data, (), RevocationData())


def test_without_revocation_data_the_token_waits(authority: DemonstrationAuthority, token: bytes) -> None:
    anchors = TrustAnchors((authority.root_certificate(),))
    with pytest.raises(AuthorityUnavailable, match="revocation data"):
        TokenCompleter(anchors, lambda path: RevocationData(), CLOCK)(token)


def test_a_revoked_authority_is_refused() -> None:
    authority = DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")
    token = DemonstrationTimestamps(authority.timestamping, CLOCK, system_entropy).token(IMPRINT)
    authority.revoke(authority.timestamping)
    anchors = TrustAnchors((authority.root_certificate(),))
    with pytest.raises(AuthorityRefused):
        TokenCompleter(anchors, lambda path: revocation_of(authority, path), CLOCK)(token)


def test_an_authority_of_another_root_is_refused(authority: DemonstrationAuthority, token: bytes) -> None:
    other = DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")
    anchors = TrustAnchors((other.root_certificate(),))
    with pytest.raises(AuthorityRefused, match="anchor"):
        TokenCompleter(anchors, lambda path: revocation_of(authority, path), CLOCK)(token)
