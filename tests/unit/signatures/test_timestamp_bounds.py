"""How many timestamps one document may have: each is judged like a signature, and hostile messages hold thousands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.signatures.cms_maker import attribute, signed_attributes, signed_data, signer_info
from tests.unit.signatures.test_cades import CONTENT, judge, sha256
from tests.unit.validation.laboratory import NOW, SIGNED, sign_pdf, token, unsigned_pdf, world
from zdda.signatures import cades_timestamps, cms
from zdda.signatures import signer_info as adapter
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.validate import validate_document


def stamped(count: int, moment: int = 0, kind: str = cms.SIGNATURE_TIMESTAMP) -> bytes:
    """A SignerInfo with ``count`` times one token, in as many attributes."""
    lab = world()
    attributes = signed_attributes(lab.signer, sha256(CONTENT), moment=SIGNED - timedelta(seconds=moment))
    made = token(lab.authority, sha256(CONTENT), certificates=lab.chain)
    if kind == cms.CONTENT_TIMESTAMP:
        return signer_info(lab.signer, [*attributes, *[attribute(kind, made)] * count])
    return signer_info(lab.signer, attributes, unsigned=lambda _: [attribute(kind, made)] * count)


def message(*signers: bytes) -> bytes:
    lab = world()
    return signed_data(list(signers), CONTENT, [lab.signer.der, lab.issuing.der])


def unread(document: dict[str, Any]) -> list[bool]:
    return ["timestamps-unreadable" in [each["code"] for each in item["findings"]] for item in document["signatures"]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cades_timestamps, "MAXIMUM_TIMESTAMPS", 4)
    monkeypatch.setattr(cades_timestamps, "MAXIMUM_IN_DOCUMENT", 6)


@pytest.mark.parametrize("kind", [cms.SIGNATURE_TIMESTAMP, cms.ARCHIVE_TIMESTAMP_V3, cms.CONTENT_TIMESTAMP])
@pytest.mark.usefixtures("small")
def test_a_signature_has_so_many_timestamps_at_most(kind: str) -> None:
    for count, too_many in ((4, False), (5, True)):
        report = judge(message(stamped(count, kind=kind)))
        assert unread(report.as_json()) == [too_many]
        assert len(report.timestamps) == (0 if too_many else count)
        assert not too_many or report.signatures[0]["subindication"] == "FORMAT_FAILURE"


@pytest.mark.usefixtures("small")
def test_all_signatures_of_a_message_count() -> None:
    report = judge(message(stamped(3), stamped(3, 1), stamped(1, 2), stamped(0, 3)))
    assert sum(unread(report.as_json())) == 1
    assert len(report.timestamps) <= 6


def test_no_token_is_read_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a token was read")

    monkeypatch.setattr(adapter, "parse_timestamp_token", read)
    report = judge(message(*(stamped(201, moment) for moment in range(3))))
    assert unread(report.as_json()) == [True] * 3


def pdf_of(infos: Sequence[bytes]) -> bytes:
    """A PDF with a signature value for each SignerInfo."""
    lab, pdf = world(), unsigned_pdf()
    for number, info in enumerate(infos):
        value = signed_data([info], None, [lab.signer.der])
        fields = [10 * (1 + each) for each in range(number)]
        pdf = sign_pdf(pdf, lambda _, value=value: value, number=10 * (number + 1), fields=fields)  # type: ignore[misc]
    return pdf


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", [cms.SIGNATURE_TIMESTAMP, cms.CONTENT_TIMESTAMP])
def test_the_signatures_of_a_pdf_have_the_same_bounds(kind: str) -> None:
    def read(*infos: bytes) -> dict[str, Any]:
        lab = world()
        document = io.BytesIO(pdf_of(infos))
        anchors = TrustAnchors((lab.root.der,))
        return validate_document(document, anchors, at=NOW, revocation=RevocationData(lab.crls())).as_json()

    assert unread(read(stamped(4, kind=kind))) == [False]
    assert unread(read(stamped(5, kind=kind))) == [True]
    several = read(stamped(3, kind=kind), stamped(3, 1, kind=kind), stamped(1, 2, kind=kind))
    assert sorted(unread(several)) == [False, False, True]
    assert len(several["timestamps"]) == 6
