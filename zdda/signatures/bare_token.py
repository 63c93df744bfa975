"""A timestamp token that is a document of its own (``.tst``, ``.tsr``), over data that stand beside it."""

from __future__ import annotations

from dataclasses import replace

from zdda.signatures import der as tlv
from zdda.signatures.content import MAXIMUM_CANDIDATES, Content, Detached
from zdda.signatures.errors import FormatError
from zdda.signatures.model import SignedDocument, TimestampType
from zdda.signatures.signer_info import embedded_timestamp
from zdda.signatures.timestamp_token import parse_timestamp_token

_GRANTED = (0, 1)
_INTEGER = 0x02


def token_in_response(head: bytes) -> int | None:
    """Where the token begins in a TimeStampResp (RFC 3161 clause 2.4.2) whose status grants it; None for anything
    else. ``head``: at least the first bytes of the document."""
    if head[:1] != b"\x30" or len(head) < 16:
        return None
    try:
        start = _header(head, 0)
        if head[start] != tlv.SEQUENCE:
            return None
        _, status, end, _ = tlv.read(head, start)
        tag, first, last, _ = tlv.read(head, status, end)
        granted = tag == _INTEGER and int.from_bytes(head[first:last]) in _GRANTED
        return end if granted and head[end : end + 1] == b"\x30" else None
    except (FormatError, IndexError):
        return None


def _header(head: bytes, start: int) -> int:
    """Where the contents of a TLV begin, whose end may lie beyond ``head``."""
    first = head[start + 1]
    return start + 2 + (first & 0x7F if first > 0x80 else 0)


def read_token(data: bytes, detached: Detached = Detached()) -> SignedDocument:  # noqa: B008 - immutable
    """The one timestamp of a bare token. It is over the only candidate that is not guessed, or over the one whose
    digest its imprint is; without any the timestamped data are not found. Raises ``FormatError``."""
    token = parse_timestamp_token(data)
    content = Content(detached.certain) if detached.certain is not None else None
    for candidate in detached.streams[:MAXIMUM_CANDIDATES] if content is None else ():
        possible = Content(candidate)
        if token.is_over_digest(possible.digest(token.hash_algorithm)):
            content = possible
            break
    digest = content.digest if content is not None else None
    timestamp = embedded_timestamp(data, TimestampType.CONTAINER, digest, b"bare")
    return SignedDocument(
        format="RFC3161",
        length=len(data),
        document_timestamps=(replace(timestamp, covered_until=len(data)),),
        detached_content=content.digest("sha256") if content is not None else None,
    )
