"""A signature in a form that is not validated is never "no signature", wherever in the file it stands."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import NOW, cms_signature, world
from zdda.trust.anchors import TrustAnchors
from zdda.validation.unsupported import may_be_signed
from zdda.validation.validate import validate_document

NAMESPACE = b"http://www.w3.org/2000/09/xmldsig#"
XADES = b'<ds:Signature xmlns:ds="%s"><ds:SignedInfo/></ds:Signature>' % NAMESPACE
ESCAPED = b'<s:Signature xmlns:s="http:&#47;/www.w3.org/2000/09/xmldsig&#35;"><s:SignedInfo /></s:Signature>'
LONG = b"<b>x</b>" * 300_000
HEADERS = b"Received: by somebody\r\n" * 20_000
SMIME = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMIIB\r\n"


def xml(signature: bytes) -> bytes:
    return b"<?xml version='1.0'?><a>" + LONG + signature + b"</a>"


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def message() -> bytes:
    return cms_signature(world().signer, bytes(32), content=b"x")


def compound(name: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600_000) + name.encode("utf-16-le") + bytes(64)


SIGNED = {
    "XML, the signature at the end": xml(XADES),
    "XML, the name space in references": xml(ESCAPED),
    "XML in UTF-16": xml(XADES).decode().encode("utf-16"),
    "XML in UTF-16, big-endian, unmarked": xml(XADES).decode().encode("utf-16-be"),
    "XML in UTF-32": xml(XADES).decode().encode("utf-32"),
    "a signed office document": zipped(("word/document.xml", b"<w/>"), ("_xmlsignatures/sig1.xml", XADES)),
    "a signed office document, large": zipped(("word/media/1.png", bytes(300_000)), ("_xmlsignatures/sig1.xml", XADES)),
    "a container, large": zipped(("document.bin", bytes(300_000)), ("META-INF/signatures.p7s", b"x")),
    "a container of many members": zipped(
        ("META-INF/s.p7s", bytes(300_000)), *((f"{n:060}", b"") for n in range(5000))
    ),
    "a container with a long comment": zipped(("a", bytes(300_000)), ("META-INF/s.p7s", b"x"))[:-2]
    + b"\xff\xff"
    + bytes(65535),
    "a signed compound file": compound("_xmlsignatures"),
    "a signed compound file of old": compound("_signatures"),
    "CMS in base64": base64.encodebytes(message()),
    "CMS in one line of base64": base64.b64encode(message()),
    "CMS in base64 after blanks": b"\r\n " + base64.encodebytes(message()).replace(b"\n", b"\r\n"),
    "CMS in armour": b"-----BEGIN PKCS7-----\n" + base64.encodebytes(message()),
    "OpenPGP": b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n",
    "S/MIME after long headers": HEADERS + SMIME,
    "S/MIME, a folded field": b"Content-Type:\r\n multipart/signed; boundary=x\r\n\r\n",
    "S/MIME, a comment": b"Content-Type: (as it is) multipart/signed; boundary=x\r\n\r\n",
    "S/MIME within a message": b"Subject: x\r\n\r\n" + b"text\r\n" * 200_000 + SMIME,
    "S/MIME by its file name": b"Subject: x\r\nContent-Type: a/b; name=smime.p7m\r\n\r\n",
    "JSON, the signatures at the end": b'{"payload":"' + b"A" * 500_000 + b'","signatures" : []}',
    "a long JWS": b"eyJhbGciOiJFUzI1NiJ9." + b"A" * 500_000 + b".AAAA",
}
UNSIGNED = {
    "nothing": b"",
    "text": b"Just text. It says no more.\n" * 20_000,
    "XML": xml(b""),
    "XML in UTF-16": xml(b"").decode().encode("utf-16"),
    "a ZIP file": zipped(("document.bin", bytes(300_000)), ("b.txt", b"x")),
    "an office document": zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>")),
    "a compound file": compound("WordDocument"),
    "base64 of something else": base64.encodebytes(bytes(range(200))),
    "a message": b"Subject: x\r\nContent-Type: text/plain\r\n\r\nhello\r\n",
    "JSON": b'{"payload": "A"}',
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(5000),
}


@pytest.mark.parametrize("data", SIGNED.values(), ids=SIGNED)
def test_what_may_be_signed_is_not_unsigned(data: bytes) -> None:
    stream = io.BytesIO(data)
    assert may_be_signed(stream, None)
    assert stream.tell() == 0


@pytest.mark.parametrize("data", UNSIGNED.values(), ids=UNSIGNED)
def test_what_holds_no_signature(data: bytes) -> None:
    assert not may_be_signed(io.BytesIO(data), None)


@pytest.mark.parametrize("name", ["XML, the signature at the end", "a signed office document", "CMS in base64"])
def test_the_report_says_so(name: str) -> None:
    report = validate_document(io.BytesIO(SIGNED[name]), TrustAnchors((world().root.der,)), at=NOW)
    assert not report.content["noSignature"]
    assert report.content["notValidated"]["code"] == "format-not-supported"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"<", b"{", b"MII", b"From: "]))
def test_rubbish_gets_an_answer(data: bytes, start: bytes) -> None:
    assert may_be_signed(io.BytesIO(start + data), None) in (True, False)


def test_a_word_between_two_blocks_is_found() -> None:
    for before in range((1 << 20) - 60, (1 << 20) + 5, 7):
        assert may_be_signed(io.BytesIO(b"<a>".ljust(before) + XADES), None)
