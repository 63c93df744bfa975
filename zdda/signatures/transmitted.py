"""The pieces of a CMS message as they were transmitted, for what is digested byte by byte: DER or BER (X.690)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import core

from zdda.signatures import cms
from zdda.signatures import der as tlv
from zdda.signatures.errors import FormatError

_MAXIMUM_ELEMENTS = 1_000_000
_MAXIMUM_DEPTH = 64
_INDEFINITE = 0x80
Element = tuple[bytes, bytes | None]
"""A member of a set as transmitted, and the value that it holds; None for a kind that is not read."""


@dataclass(frozen=True, slots=True)
class SignerPieces:
    """``fields``: version, sid, digestAlgorithm, signedAttrs (where present, under its own tag), signatureAlgorithm,
    signature. ``unsigned``: each unsigned attribute."""

    fields: tuple[bytes, ...]
    unsigned: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MessagePieces:
    """``content_type``: eContentType. ``detached``: there is no eContent. ``encapsulated``, ``certificate_set``,
    ``revocation_set``: fields with their tags, empty where absent. ``signers``: the SignerInfos."""

    content_type: bytes
    detached: bool
    encapsulated: bytes
    certificate_set: bytes
    revocation_set: bytes
    certificates: tuple[Element, ...]
    revocations: tuple[Element, ...]
    signers: tuple[bytes, ...]


@cms.reading("a CMS message")
def message_pieces(data: bytes) -> MessagePieces:
    """Raises ``FormatError`` where the bytes are no SignedData, or exceed a limit."""
    signed = _members(_members(_members(data)[1])[0])
    encapsulated = signed[2]
    content = _members(encapsulated)
    sets = {member[0]: member for member in signed[3:-1]}
    certificates, revocations = sets.get(0xA0, b""), sets.get(0xA1, b"")
    return MessagePieces(
        content[0],
        len(content) == 1,
        encapsulated,
        certificates,
        revocations,
        tuple((member, member if member[0] == tlv.SEQUENCE else None) for member in _members(certificates)),
        tuple((member, _revocation(member)) for member in _members(revocations)),
        tuple(_members(signed[-1])),
    )


@cms.reading("a SignerInfo")
def signer_pieces(info: bytes) -> SignerPieces:
    members = _members(info)
    unsigned = members[-1] if members[-1][0] == 0xA1 else b""
    return SignerPieces(tuple(members[:-1] if unsigned else members), tuple(_members(unsigned)))


def _revocation(member: bytes) -> bytes | None:
    """A CRL, or an OCSP response under one of the two identifiers in use (RFC 5652 clause 10.2.1, RFC 5940)."""
    if member[0] == tlv.SEQUENCE:
        return member
    if member[0] == 0xA1:
        kind, value = _members(member)[:2]
        if core.ObjectIdentifier.load(kind).dotted in cms.OCSP_FORMATS:
            return cms.ocsp_response(value)
    return None


def _members(data: bytes) -> list[bytes]:
    """What a constructed value holds; nothing for no bytes."""
    if not data:
        return []
    _, start, end, _ = extent(data)
    return [data[first:last] for first, last in _spans(data, start, end)]


def _spans(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    count = 0
    while start < end:
        count += 1
        if count > 100 * cms.MAXIMUM_ELEMENTS:
            raise FormatError("a CMS message has too many elements")
        _, _, _, stop = extent(data, start, end)
        yield start, stop
        start = stop


def extent(data: bytes, start: int = 0, end: int | None = None) -> tuple[int, int, int, int]:
    """(tag, start of the contents, end of the contents, end of the value) under a definite or an indefinite length.

    Raises ``FormatError`` for truncation, long tags, more than 64 indefinite lengths in one another.
    """
    limit = len(data) if end is None else end
    if data[start + 1 : start + 2] != bytes((_INDEFINITE,)):
        return tlv.read(data, start, limit)
    place, depth, count = start + 2, 1, 0
    while depth:
        count += 1
        if count > _MAXIMUM_ELEMENTS or depth > _MAXIMUM_DEPTH:
            raise FormatError("BER is nested too deeply or has too many elements")
        if place + 2 > limit:
            raise FormatError("BER ends inside a value")
        if data[place : place + 2] == b"\x00\x00":
            place, depth = place + 2, depth - 1
        elif data[place + 1] == _INDEFINITE:
            place, depth = place + 2, depth + 1
        else:
            place = tlv.read(data, place, limit)[3]
    return data[start], start + 2, place - 2, place
