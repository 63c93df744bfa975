"""Formats that may carry signatures which this version does not validate: said, never passed over in silence.

A signature may stand anywhere: XML, JSON, messages and compound files are looked through to their end, of a ZIP file
the directory is. Looking for words in bytes is all that is done, and it errs to yes.
"""

from __future__ import annotations

import base64
import re
from typing import BinaryIO

from zdda.signatures.identification import IdentifiedFormat

_WINDOW = 256 * 1024
_BLOCK = 1024 * 1024
# Longer than any word that is looked for; of a pattern with a gap, longer than the gap.
_OVERLAP = 1024
_DIRECTORY = 64 * 1024 * 1024
_END_OF_DIRECTORY = b"PK\x05\x06"
_BLANKS = b"\xef\xbb\xbf\xff\xfe\t\r\n "

# ContentInfo in DER or BER, which begins with an identifier of PKCS#7 (1.2.840.113549.1.7.x); or PKCS#12 around one.
_LENGTH = rb"(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)"
_CONTENT_INFO = re.compile(
    rb"\x30" + _LENGTH + rb"(?:\x02\x01\x03\x30" + _LENGTH + rb")?\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", re.DOTALL
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{32,}")
_ARMOUR = re.compile(rb"-----BEGIN (?:PKCS ?#?7[A-Z ]{0,20}|CMS|PGP (?:SIGNED MESSAGE|MESSAGE|SIGNATURE))-----")
_XML = re.compile(rb"http://www\.w3\.org/2000/09/xmldsig#|<(?:[^<>\s:]{1,200}:)?SignedInfo[\s/>]")
_JWS = re.compile(rb"\A\s*(?:[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]{5,}\.)")
_JSON = re.compile(rb'"signatures?"\s{0,200}:')
_ZIP = re.compile(rb"application/vnd\.etsi\.asic|META-INF/|_xmlsignatures", re.IGNORECASE)
# The storages in which office programs keep their signatures; names in a compound file are in UTF-16.
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STORAGE = re.compile(rb"_(?:xml)?signatures")
_FIRST_FIELD = re.compile(rb"(?:>?From |[!-9;-~]{1,200}[ \t]*:)")
_SMIME = re.compile(
    rb"^content-type:(?:\s|\([^()\r\n]{0,200}\)){0,200}(?:multipart/signed|application/(?:x-)?pkcs7)"
    rb"|name\*?[0-9]?\*?=[^\r\n]{0,200}\.p7[ms]\b",
    re.IGNORECASE | re.MULTILINE,
)


def may_be_signed(document: BinaryIO, found: IdentifiedFormat | None) -> bool:
    """Whether the bytes look like CMS of a kind that is not read, PKCS#12, OpenPGP, XML signature, JWS, ASiC, signed
    office documents or an e-mail with S/MIME. Errs to yes. Leaves the stream at its beginning."""
    del found
    document.seek(0)
    head = document.read(_WINDOW)
    answer = _looks_signed(document, head)
    document.seek(0)
    return answer


def _looks_signed(document: BinaryIO, head: bytes) -> bool:
    if _CONTENT_INFO.match(head) or _is_base64_of_content_info(head) or _ARMOUR.search(head) or _SMIME.search(head):
        return True
    if head.startswith(b"PK"):
        return bool(_ZIP.search(head) or _ZIP.search(_directory(document)))
    if head.startswith(_COMPOUND_FILE):
        return _holds(document, _STORAGE)
    text = head.replace(b"\x00", b"").lstrip(_BLANKS)  # UTF-16 and UTF-32 as well
    if text.startswith(b"<"):
        return _holds(document, _XML)
    if text.startswith((b"{", b"[")):
        return _holds(document, _JSON)
    if _FIRST_FIELD.match(text):
        return _holds(document, _SMIME)
    return bool(_JWS.match(text))


def _is_base64_of_content_info(head: bytes) -> bool:
    """CMS in base64 that no armour announces."""
    match = _BASE64.match(head[:4096].translate(None, _BLANKS))
    if match is None:
        return False
    return _CONTENT_INFO.match(base64.b64decode(match[0][: len(match[0]) // 4 * 4])) is not None


def _holds(document: BinaryIO, words: re.Pattern[bytes]) -> bool:
    """Whether the words are anywhere in the document; NULs, every other byte of UTF-16, are passed over."""
    document.seek(0)
    tail = b""
    while block := document.read(_BLOCK):
        data = tail + block.replace(b"\x00", b"")
        if words.search(data):
            return True
        tail = data[-_OVERLAP:]
    return False


def _directory(document: BinaryIO) -> bytes:
    """The central directory of a ZIP file; where it is not where the end of the file says, what stands there."""
    length = document.seek(0, 2)
    document.seek(max(0, length - _WINDOW))
    tail = document.read(_WINDOW)
    end = tail.rfind(_END_OF_DIRECTORY)
    size = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else _WINDOW
    place = max(0, length - len(tail) + max(end, 0) - min(size, _DIRECTORY))
    document.seek(place)
    return document.read(min(size, _DIRECTORY)) + tail
