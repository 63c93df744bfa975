from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from asn1crypto import cms
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from tests.simulator.pki import pki, stranger
from zdda.demonstration.documents import DemonstrationDocument, demonstration_documents, plain_pdf
from zdda.signatures.timestamp_token import parse_timestamp_token

TITLE = "Propouštěcí zpráva (ukázka)"


@pytest.fixture(scope="module")
def documents() -> tuple[DemonstrationDocument, ...]:
    signer, other = pki().authority.issue_signer("MUDr. Jana Ukázková"), stranger().authority.issue_signer("Neznámý")
    return demonstration_documents(signer, other, pki().timestamps)


def signature_of(document: DemonstrationDocument) -> EmbeddedPdfSignature:
    (signature,) = PdfFileReader(BytesIO(document.content)).embedded_signatures
    return signature


def digest_agrees(document: DemonstrationDocument) -> bool:
    signature = signature_of(document)
    attributes = {each["type"].native: each["values"] for each in signature.signer_info["signed_attrs"]}
    signature.md_algorithm = "sha256"
    return bool(attributes["message_digest"][0].native == signature.compute_digest())


def test_every_document_opens_and_has_its_czech_title(documents: tuple[DemonstrationDocument, ...]) -> None:
    for document in documents:
        reader = PdfFileReader(BytesIO(document.content))
        assert reader.trailer["/Info"]["/Title"] == TITLE
        assert int(reader.root["/Pages"]["/Count"]) == 1


def test_the_first_is_signed_with_a_timestamp(documents: tuple[DemonstrationDocument, ...]) -> None:
    signed = documents[0]
    assert digest_agrees(signed)
    info = signature_of(signed).signer_info
    (attribute,) = (each for each in info["unsigned_attrs"] if each["type"].native == "signature_time_stamp_token")
    token = parse_timestamp_token(attribute["values"][0].dump())
    assert token.signature_intact
    assert token.imprint == hashlib.sha256(info["signature"].native).digest()
    assert str(signature_of(signed).sig_object["/SubFilter"]) == "/ETSI.CAdES.detached"


def test_the_second_differs_in_one_byte_of_what_was_signed(documents: tuple[DemonstrationDocument, ...]) -> None:
    signed, damaged = documents[0], documents[1]
    pairs = enumerate(zip(signed.content, damaged.content, strict=True))
    (place,) = (place for place, (one, other) in pairs if one != other)
    start, length, *_ = (int(each) for each in signature_of(signed).byte_range)
    assert start <= place < start + length
    assert not digest_agrees(damaged)


def test_the_third_is_unsigned(documents: tuple[DemonstrationDocument, ...]) -> None:
    assert not PdfFileReader(BytesIO(documents[2].content)).embedded_signatures


def test_the_fourth_is_intact_and_of_another_authority(documents: tuple[DemonstrationDocument, ...]) -> None:
    assert digest_agrees(documents[3])
    names = {each.chosen.public_key.sha256 for each in _certificates(documents[3])}
    assert names.isdisjoint(each.chosen.public_key.sha256 for each in _certificates(documents[0]))


def _certificates(document: DemonstrationDocument) -> cms.CertificateSet:
    return signature_of(document).signed_data["certificates"]


def test_a_larger_document_on_request() -> None:
    assert 170_000 < len(plain_pdf(TITLE, 170_000)) < 172_000
