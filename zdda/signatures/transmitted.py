"""The pieces of a CMS message as they were transmitted, for what is digested byte by byte: DER or BER (X.690)."""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import core

from zdda.signatures import cms
from zdda.signatures import der as tlv
from zdda.signatures.ber import members

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
    signed = members(members(members(data)[1])[0])
    encapsulated = signed[2]
    content = members(encapsulated)
    sets = {member[0]: member for member in signed[3:-1]}
    certificates, revocations = sets.get(0xA0, b""), sets.get(0xA1, b"")
    return MessagePieces(
        content[0],
        len(content) == 1,
        encapsulated,
        certificates,
        revocations,
        tuple((member, member if member[0] == tlv.SEQUENCE else None) for member in members(certificates)),
        tuple((member, _revocation(member)) for member in members(revocations)),
        tuple(members(signed[-1])),
    )


@cms.reading("a SignerInfo")
def signer_pieces(info: bytes) -> SignerPieces:
    pieces = members(info)
    unsigned = pieces[-1] if pieces[-1][0] == 0xA1 else b""
    return SignerPieces(tuple(pieces[:-1] if unsigned else pieces), tuple(members(unsigned)))


def _revocation(member: bytes) -> bytes | None:
    """A CRL, or an OCSP response under one of the two identifiers in use (RFC 5652 clause 10.2.1, RFC 5940)."""
    if member[0] == tlv.SEQUENCE:
        return member
    if member[0] == 0xA1:
        kind, value = members(member)[:2]
        if core.ObjectIdentifier.load(kind).dotted in cms.OCSP_FORMATS:
            return cms.ocsp_response(value)
    return None
