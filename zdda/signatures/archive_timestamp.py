"""What the timestamps over validation data are over: CAdES-C and reference timestamps (TS 101 733 clauses 6.3.5 and
6.3.6), archive-time-stamp-v2 (clause 6.4.1) and archive-time-stamp-v3 with its hash index (EN 319 122-1 clause 5.5).

Encodings are tried as transmitted first and in DER second where the standards let both be met; what is over the data
in none of them is not intact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from asn1crypto import algos, core

from zdda.signatures import cms
from zdda.signatures import der as tlv
from zdda.signatures.as_read import as_read, in_definite_length
from zdda.signatures.ber import extent
from zdda.signatures.content import Content
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import digest_name, new_digest
from zdda.signatures.timestamp_token import TimestampToken
from zdda.signatures.transmitted import Element, MessagePieces, SignerPieces

HASH_INDEX_V1 = "0.4.0.1733.2.5"
HASH_INDEX_V2 = "0.4.0.19122.1.4"
HASH_INDEX_V3 = "0.4.0.19122.1.5"
_MAXIMUM_VARIANTS = 64


class _Digests(core.SequenceOf):  # type: ignore[misc]
    _child_spec: ClassVar[Any] = core.OctetString


class _HashIndex(core.Sequence):  # type: ignore[misc]
    """EN 319 122-1 clause 5.5.2; in version 1 the algorithm may be absent, which says SHA-256."""

    _fields: ClassVar[Any] = [
        ("algorithm", algos.DigestAlgorithm),
        ("certificates", _Digests),
        ("revocations", _Digests),
        ("attributes", _Digests),
    ]


class _HashIndexV1(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[Any] = _HashIndex._fields[1:]


@dataclass(frozen=True, slots=True)
class HashIndex:
    """An ats-hash-index attribute (EN 319 122-1 clause 5.5.2): what an archive-time-stamp-v3 covers, by digest.

    ``encoded``: the attribute's value as transmitted. ``version``: 1, 2 or 3.
    """

    version: int
    algorithm: str
    certificates: frozenset[bytes]
    revocations: frozenset[bytes]
    attributes: frozenset[bytes]
    encoded: bytes

    def digest(self, data: bytes) -> bytes:
        value = new_digest(self.algorithm)
        value.update(data)
        return bytes(value.digest())


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an archive timestamp is over. ``found``: the data are at hand; ``intact``: their digest is the imprint.

    ``certificates``, ``revocations``: positions in the sets of the SignedData; ``attributes``: (position of the
    unsigned attribute, position of its value). ``missing``: entries of the hash index that nothing at hand has.
    """

    found: bool
    intact: bool
    certificates: frozenset[int] = frozenset()
    revocations: frozenset[int] = frozenset()
    attributes: frozenset[tuple[int, int]] = frozenset()
    missing: int = 0


@cms.reading("a hash index")
def hash_index(token: TimestampToken) -> HashIndex:
    """The one hash index of a token; raises ``FormatError`` where there is none, or several, or it is unreadable."""
    signer = cms.parse_signed_data(token.der).signers[0]
    found = [
        (version, value)
        for version, oid in ((1, HASH_INDEX_V1), (2, HASH_INDEX_V2), (3, HASH_INDEX_V3))
        for value in signer.unsigned_values(oid)
    ]
    if len(found) != 1:
        raise FormatError(f"an archive timestamp has {len(found)} hash indexes (EN 319 122-1 clause 5.5.2)")
    version, encoded = found[0]
    parsed = _load_index(encoded)
    entries = [
        frozenset(bytes(item) for item in _bounded(parsed[name]))
        for name in ("certificates", "revocations", "attributes")
    ]
    named = isinstance(parsed, _HashIndex)
    algorithm = digest_name(parsed["algorithm"]["algorithm"].dotted) if named else "sha256"
    return HashIndex(version, algorithm, entries[0], entries[1], entries[2], encoded)


def _load_index(encoded: bytes) -> Any:
    """Either form: three lists of digests, or an algorithm before them."""
    parts = core.SequenceOf.load(encoded, spec=core.Any)
    return (_HashIndexV1 if len(parts) == 3 and not _names_algorithm(parts) else _HashIndex).load(encoded, strict=True)


def _names_algorithm(parts: Any) -> bool:
    first = as_read(parts[0])
    return len(first) > 2 and first[2:3] == b"\x06"


def _bounded(value: Any) -> Any:
    if len(value) > 10 * cms.MAXIMUM_ELEMENTS:
        raise FormatError("a hash index has too many entries")
    return value


@cms.reading("what a timestamp is over")
def archive_v3(
    token: TimestampToken, message: MessagePieces, signer: cms.Signer, pieces: SignerPieces, content: Content | None
) -> Coverage:
    """Raises ``FormatError`` where the hash index cannot be read. EN 319 122-1 clause 5.5.3: the imprint is over
    eContentType, the digest of the content, the SignerInfo's signed fields and the hash index."""
    index = hash_index(token)
    certificates = _listed(index, index.certificates, message.certificates)
    revocations = _listed(index, index.revocations, message.revocations)
    attributes: dict[tuple[int, int], bytes] = {}
    for position, (oid, values) in enumerate(signer.unsigned):
        whole = index.digest(pieces.unsigned[position])
        kind = _identifier(oid)
        for number, value in enumerate(values):
            # Versions 2 and 3 hash each value behind its type; version 1 (TS 101 733) the attribute whole.
            single = index.digest(kind + value)
            if index.version > 1 and single in index.attributes:
                attributes[position, number] = single
            elif index.version < 3 and whole in index.attributes:
                attributes[position, number] = whole
    matched = {*certificates.values(), *revocations.values(), *attributes.values()}
    missing = len((index.certificates | index.revocations | index.attributes) - matched)
    place = (frozenset(certificates), frozenset(revocations), frozenset(attributes), missing)
    if content is None:
        return Coverage(False, False, *place)
    head = message.content_type + content.digest(token.hash_algorithm)
    indexes = dict.fromkeys((index.encoded, _recoded(index.encoded)))
    variants = ([head, *fields, encoded] for encoded in indexes for fields in _fields(signer, pieces))
    return Coverage(True, _matching(token, variants) is not None, *place)


@cms.reading("what a timestamp is over")
def archive_v2(
    token: TimestampToken,
    place: int,
    younger: frozenset[int],
    message: MessagePieces,
    signer: cms.Signer,
    pieces: SignerPieces,
    content: Content | None,
) -> Coverage:
    """TS 101 733 clause 6.4.1: the imprint is over encapContentInfo (and external content), certificates, crls and
    all elements of the SignerInfo. ``place``: the position of the timestamp's own attribute; ``younger``: those of
    archive timestamps that came later."""
    choices = dict.fromkeys(
        (
            tuple(i for i in range(len(signer.unsigned)) if i != place and i not in younger),
            tuple(range(place)),
        )
    )
    if content is None:
        return Coverage(False, False)
    head: list[bytes | Content] = [message.encapsulated]
    if message.detached:
        head.append(content)
    variants: list[list[bytes]] = []
    chosen: list[tuple[int, ...]] = []
    for positions in choices:
        attributes = [pieces.unsigned[i] for i in positions]
        for sets in _sets(message):
            for fields in _fields(signer, pieces):
                for unsigned in _unsigned(attributes):
                    variants.append([*sets, *fields, unsigned])
                    chosen.append(positions)
    number = _matching(token, variants, head)
    if number is None:
        return Coverage(True, False)
    values = {(i, n) for i in chosen[number] for n in range(len(signer.unsigned[i][1]))}
    return Coverage(
        True,
        True,
        frozenset(range(len(message.certificates))),
        frozenset(range(len(message.revocations))),
        frozenset(values),
    )


@cms.reading("what a timestamp is over")
def validation_data(
    token: TimestampToken, signer: cms.Signer, pieces: SignerPieces, references_only: bool
) -> frozenset[int] | None:
    """The positions of the unsigned attributes that the timestamp is over; None where it is over none of what it may
    be. TS 101 733 clauses 6.3.5 and 6.3.6: over the signature value and its timestamps, or without them; and over the
    references. Of each attribute type and values count, without the SEQUENCE around them (note 2)."""
    attributes = list(zip(range(len(signer.unsigned)), pieces.unsigned, signer.unsigned, strict=True))

    def parts(kind: str, first: bool) -> Iterator[tuple[list[bytes], frozenset[int]]]:
        found = [(place, encoded, oid, values) for place, encoded, (oid, values) in attributes if oid == kind]
        found = found[:1] if first else found
        places = frozenset(place for place, *_ in found)
        yield [_contents(encoded) for _, encoded, _, _ in found], places
        yield [_identifier(oid) + tlv.encode(tlv.SET, b"".join(sorted(values))) for _, _, oid, values in found], places

    variants: list[list[bytes]] = []
    over: list[frozenset[int]] = []
    for first in (False, True):
        nothing: list[tuple[list[bytes], frozenset[int]]] = [([], frozenset())]
        for stamp, stamps in nothing if references_only else parts(cms.SIGNATURE_TIMESTAMP, first):
            for certificate, certificates in parts(cms.CERTIFICATE_REFERENCES, first):
                for revocation, revocations in parts(cms.REVOCATION_REFERENCES, first):
                    value = [] if references_only else [signer.signature]
                    variants.append([*value, *stamp, *certificate, *revocation])
                    over.append(stamps | certificates | revocations)
    if not any(oid in (cms.CERTIFICATE_REFERENCES, cms.REVOCATION_REFERENCES) for oid, _ in signer.unsigned):
        return None
    number = _matching(token, variants)
    return None if number is None else over[number]


# --- pieces and their encodings


def _matching(
    token: TimestampToken, variants: Iterable[Sequence[bytes]], head: Sequence[bytes | Content] = ()
) -> int | None:
    """The number of the first variant which, behind ``head``, has the digest that is the imprint."""
    begun = new_digest(token.hash_algorithm)
    for part in head:
        if isinstance(part, Content):
            part.feed(begun)
        else:
            begun.update(part)
    for number, variant in enumerate(variants):
        if number >= _MAXIMUM_VARIANTS:
            return None
        value = begun.copy()
        for piece in variant:
            value.update(piece)
        if token.is_over_digest(value.digest()):
            return number
    return None


def _listed(index: HashIndex, digests: frozenset[bytes], elements: Sequence[Element]) -> dict[int, bytes]:
    """The positions of the elements that the index lists, with the entry."""
    found: dict[int, bytes] = {}
    for position, (encoded, held) in enumerate(elements):
        for form in (encoded, held):
            if form is not None and (digest := index.digest(form)) in digests:
                found[position] = digest
                break
    return found


def _fields(signer: cms.Signer, pieces: SignerPieces) -> Iterator[list[bytes]]:
    """The SignerInfo's fields up to the signature, as transmitted and with its attributes in DER."""
    yield list(pieces.fields)
    if signer.signed_attributes is None:
        return
    ordered = sorted(in_definite_length(item) for item in cms.RawAttributes.load(signer.signed_attributes))
    recoded = list(pieces.fields)
    recoded[3] = tlv.encode(0xA0, b"".join(ordered))
    if recoded != list(pieces.fields):
        yield recoded


def _sets(message: MessagePieces) -> Iterator[list[bytes]]:
    """certificates and crls as transmitted; and, where that differs, under definite lengths."""
    given = [message.certificate_set, message.revocation_set]
    yield given
    elements = (message.certificates, message.revocations)
    definite = [
        tlv.encode(0xA0 + number, b"".join(encoded for encoded, _ in members)) if given[number] else b""
        for number, members in enumerate(elements)
    ]
    if definite != given:
        yield definite


def _unsigned(attributes: list[bytes]) -> Iterator[bytes]:
    """The unsigned attributes in their order and in that of DER, without and with the tag around them."""
    for members in dict.fromkeys((tuple(attributes), tuple(sorted(attributes)))):
        joined = b"".join(members)
        yield joined
        yield tlv.encode(0xA1, joined)


def _identifier(oid: str) -> bytes:
    return bytes(core.ObjectIdentifier(oid).dump())


def _contents(encoded: bytes) -> bytes:
    _, start, end, _ = extent(encoded)
    return encoded[start:end]


def _recoded(encoded: bytes) -> bytes:
    return bytes(_load_index(encoded).dump(force=True))
