"""Formats that may carry signatures which this version does not validate: said, never passed over in silence."""

from __future__ import annotations

import re
from typing import BinaryIO

from zdda.signatures.identification import IdentifiedFormat

_WINDOW = 256 * 1024
# An identifier of PKCS#7 (1.2.840.113549.1.7.x) near the beginning: ContentInfo in DER or BER, or PKCS#12.
_PKCS7 = bytes.fromhex("06092a864886f70d0107")
_XML_SIGNATURE = re.compile(rb"http://www\.w3\.org/2000/09/xmldsig#")
_JWS = re.compile(rb'\A\s*(?:[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+|\{[^\0]{0,4096}"signatures?"\s*:)')
_ASIC = re.compile(rb"application/vnd\.etsi\.asic|META-INF/[^/\0]{0,64}signature", re.IGNORECASE)


def may_be_signed(document: BinaryIO, found: IdentifiedFormat | None) -> bool:
    """Whether the bytes look like CMS, XML signature, JWS, ASiC or an e-mail with S/MIME. Errs to yes."""
    del found
    document.seek(0)
    head = document.read(_WINDOW)
    document.seek(0)
    if head[:1] == b"\x30" and _PKCS7 in head[:64]:
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
