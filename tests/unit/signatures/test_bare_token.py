"""Timestamp tokens that are documents of their own, and what they are over."""

from __future__ import annotations

import hashlib
import io

import pytest

from tests.unit.validation.laboratory import NOW, token, world
from zdda.signatures.bare_token import token_in_response
from zdda.signatures.der import encode
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document

DATA = b"timestamped data"


def bare(data: bytes = DATA) -> bytes:
    return token(world().authority, hashlib.sha256(data).digest(), certificates=world().chain)


def response(status: int, body: bytes) -> bytes:
    return encode(0x30, encode(0x30, bytes((2, 1, status))) + body)


def judge(document: bytes, *detached: bytes) -> ValidationReport:
    lab = world()
    return validate_document(
        io.BytesIO(document),
        TrustAnchors((lab.root.der,)),
        at=NOW,
        detached=[io.BytesIO(item) for item in detached],
        revocation=RevocationData(lab.crls()),
    )


@pytest.mark.parametrize("document", [bare(), response(0, bare()), response(1, bare())])
def test_a_token_over_data_beside_it(document: bytes) -> None:
    for detached in ((DATA,), (b"other", DATA)):
        report = judge(document, *detached)
        (found,) = report.timestamps
        assert (found["type"], found["indication"]) == ("CONTAINER_TIMESTAMP", "PASSED")
        assert (found["imprintFound"], found["imprintIntact"], found["signatureValid"]) == (True, True, True)
        assert found["time"] == "2021-06-01T12:00:00.000Z"
        assert report.signatures == ()
        assert report.worst() is None


def test_a_token_whose_data_are_not_at_hand_is_not_passed() -> None:
    for detached in ((), (b"other", b"third")):
        (found,) = judge(bare(), *detached).timestamps
        assert (found["indication"], found["subindication"]) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    (found,) = judge(bare(), b"other").timestamps
    assert (found["indication"], found["subindication"]) == ("FAILED", "HASH_FAILURE")


def test_a_response_without_a_token_has_none() -> None:
    refused = encode(0x30, encode(0x30, b"\x02\x01\x02"))
    assert judge(refused).timestamps == ()
    assert token_in_response(response(2, bare())) is None
    assert token_in_response(b"\x30") is None
    assert token_in_response(b"\x30\x80" + b"\x00" * 20) is None


def test_a_token_changed_in_any_byte_is_never_passed_as_another() -> None:
    good = bare()
    place = good.index(hashlib.sha256(DATA).digest())
    changed = good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :]
    assert judge(changed, DATA).timestamps[0]["indication"] == "FAILED"
