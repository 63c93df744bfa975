"""A document that is one CMS message: signatures (RFC 5652), or a timestamp token (RFC 3161), bare or in a response."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import BinaryIO

from zdda.signatures import cms
from zdda.signatures.bare_token import read_token, token_in_response
from zdda.signatures.cades import document_of, load
from zdda.signatures.content import Detached
from zdda.signatures.model import SignedDocument
from zdda.signatures.timestamp_token import TST_INFO

_WINDOW = 4096
# ContentInfo { signedData, … } in DER or BER, bare or behind the PKIStatusInfo of a TimeStampResp.
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_ARMOUR = re.compile(rb"-----BEGIN (?:PKCS7|CMS|PKCS #7 SIGNED DATA)-----")


def is_signed_data(document: BinaryIO) -> bool:
    """Whether the bytes begin like a SignedData or a TimeStampResp; says nothing of whether they can be read."""
    document.seek(0)
    head = document.read(_WINDOW)
    document.seek(0)
    if _ARMOUR.match(head.lstrip(b"\xef\xbb\xbf\t\r\n ")):
        return True
    if head[:1] != b"\x30":
        return False
    length = 2 + (head[1] & 0x7F if head[1:2] > b"\x80" else 0)
    inner = head[length:]
    return inner.startswith(_SIGNED_DATA) or token_in_response(head) is not None


def read_cms_document(document: BinaryIO, detached: Detached = Detached()) -> SignedDocument:  # noqa: B008 - immutable
    """Raises ``FormatError``, or ``DocumentTooLarge`` where the message is over 64 MiB."""
    data, armour = load(document)
    length = document.seek(0, io.SEEK_END)
    start = token_in_response(data[:_WINDOW])
    if start is not None:
        data = data[start:]
    signed = cms.parse_signed_data(data)
    if signed.content_type == TST_INFO and signed.content is not None:
        found = read_token(data, detached)
    else:
        found = document_of(signed, detached)
    return replace(found, length=length, findings=(*found.findings, *armour))
