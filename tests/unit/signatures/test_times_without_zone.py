"""A time that says no zone is no time: it would be another one on another machine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from asn1crypto import ocsp, tsp
from asn1crypto import x509 as asn1_x509

from tests.unit.signatures.cms_maker import attribute, signer_info
from tests.unit.signatures.test_cades import CONTENT, sha256
from tests.unit.validation.laboratory import NOW, SIGNED, cms_signature, ocsp_answer, sign_bytes, world
from zdda.signatures import cms
from zdda.signatures.certificates import load_certificate
from zdda.signatures.der import children, encode, read
from zdda.signatures.errors import FormatError
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_timestamp() -> None:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": sha256(CONTENT)}
    info = tsp.TSTInfo(
        {"version": "v1", "policy": "1.2.3.4", "message_imprint": imprint, "serial_number": 7, "gen_time": SIGNED}
    ).dump()

    def signed(content: bytes) -> bytes:
        digest = hashlib.sha256(content).digest()
        return cms_signature(
            world().authority, digest, content=content, content_type="1.2.840.113549.1.9.16.1.4", certificates=[]
        )

    assert parse_timestamp_token(signed(info)).gen_time == SIGNED
    _, start, end, _ = read(info)
    local = encode(0x30, info[start:end].replace(b"\x18\x0f20210601120000Z", b"\x18\x0e20210601120000"))
    with pytest.raises(FormatError, match="zone"):
        parse_timestamp_token(signed(local))


BASIC = bytes.fromhex("06092b0601050507300101")


@pytest.mark.parametrize("moment", [None, NOW - HOUR, NOW, NOW + HOUR])
def test_an_ocsp_answer(moment: datetime | None) -> None:
    """producedAt, thisUpdate, nextUpdate: in each a fraction in the place of the Z, so that lengths stay."""
    lab = world()
    basic = ocsp.OCSPResponse.load(ocsp_answer(lab.signer, lab.issuing, lab.issuing)).basic_ocsp_response
    data = basic["tbs_response_data"]
    data["produced_at"], data["responses"][0]["next_update"] = NOW - HOUR, NOW + HOUR
    signed = data.dump(force=True)
    if moment is not None:
        written = moment.strftime("%Y%m%d%H%M%SZ").encode()
        assert signed.count(written) == 1
        signed = signed.replace(written, moment.strftime("%Y%m%d%H%M.50").encode())
    rest = basic["signature_algorithm"].dump() + encode(0x03, b"\0" + sign_bytes(lab.issuing.name, signed))
    whole = encode(0x30, BASIC + encode(0x04, encode(0x30, signed + rest)))
    answer = encode(0x30, bytes.fromhex("0a0100") + encode(0xA0, whole))
    found = validate_path(
        lab.signer.der, [], TrustAnchors((lab.issuing.der,)), NOW + HOUR / 2, RevocationData((), (answer,))
    )
    assert found.status is (PathStatus.VALID if moment is None else PathStatus.REVOCATION_UNKNOWN)


def test_a_signing_time() -> None:
    lab = world()

    def claimed(value: bytes) -> datetime | None:
        info = signer_info(
            lab.signer, [attribute(cms.SIGNING_TIME, value), attribute(cms.CONTENT_TYPE, b"\x06\x01\x2a")]
        )
        return cms.signing_time(cms.parse_signer(info))

    assert claimed(encode(0x18, b"20210601120000Z")) == SIGNED
    for value in (encode(0x18, b"20210601120000"), encode(0x17, b"210601120000")):
        with pytest.raises(FormatError):
            claimed(value)


def test_a_certificate_that_only_the_lenient_parser_reads() -> None:
    made = asn1_x509.Certificate.load(world().signer.der)
    made["tbs_certificate"]["serial_number"] = -5
    whole = made.dump(force=True)
    assert load_certificate(whole).serial == -5
    _, start, end, _ = read(whole)
    (_, first, last), *rest = children(whole, start, end, 3)
    _, inner, inner_end, _ = read(whole, first, last)
    fields = [whole[a:b] for _, a, b in children(whole, inner, inner_end, 16)]
    fields[4] = encode(0x30, encode(0x17, b"200101000000Z") + encode(0x18, b"20230101000000"))
    tail = b"".join(whole[a:b] for _, a, b in rest)
    with pytest.raises(FormatError):
        load_certificate(encode(0x30, encode(0x30, b"".join(fields)) + tail))
