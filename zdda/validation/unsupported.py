"""Formats that may carry signatures which this version does not validate: said, never passed over in silence."""

from __future__ import annotations

import re
from typing import BinaryIO

from zdda.signatures.identification import IdentifiedFormat

_WINDOW = 256 * 1024
# ContentInfo in DER or BER, which begins with an identifier of PKCS#7 (1.2.840.113549.1.7.x); or PKCS#12 around one.
_LENGTH = rb"(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)"
_CONTENT_INFO = re.compile(
    rb"\x30" + _LENGTH + rb"(?:\x02\x01\x03\x30" + _LENGTH + rb")?\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", re.DOTALL
)
_XML_SIGNATURE = re.compile(rb"http://www\.w3\.org/2000/09/xmldsig#")
_JWS = re.compile(rb'\A\s*(?:[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+|\{[^\0]{0,4096}"signatures?"\s*:)')
_ASIC = re.compile(rb"application/vnd\.etsi\.asic|META-INF/[^/\0]{0,64}signature", re.IGNORECASE)


def may_be_signed(document: BinaryIO, found: IdentifiedFormat | None) -> bool:
    """Whether the bytes look like CMS of a kind that is not read, PKCS#12, XML signature, JWS, ASiC or an e-mail
    with S/MIME. Errs to yes."""
    del found
    document.seek(0)
    head = document.read(_WINDOW)
    document.seek(0)
    if _CONTENT_INFO.match(head):
        return True
    if head.startswith(b"PK\x03\x04"):
        return bool(_ASIC.search(head)) or b"META-INF/" in head
    start = head.lstrip(b"\xef\xbb\xbf\t\r\n ")[:1]
    if start == b"<" and _XML_SIGNATURE.search(head):
        return True
    if b"-----BEGIN PKCS7-----" in head or b"-----BEGIN CMS-----" in head:
        return True
    if re.search(rb"(?im)^content-type:\s*(?:multipart/signed|application/(?:x-)?pkcs7)", head[:8192]):
        return True
    return bool(_JWS.match(head))
