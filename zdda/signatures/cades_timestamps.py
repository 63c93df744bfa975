"""The timestamps of one SignerInfo, each with what it is over and what it proves (EN 319 122-1 clause 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from zdda.signatures import cms
from zdda.signatures.archive_timestamp import Coverage, archive_v2, archive_v3, validation_data
from zdda.signatures.content import Content
from zdda.signatures.covered_digests import digests_of_signature, digests_of_timestamp, digests_of_values
from zdda.signatures.errors import FormatError
from zdda.signatures.model import Finding, Severity, Signature, Timestamp, TimestampType
from zdda.signatures.signer_info import digest_of, embedded_timestamp
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token
from zdda.signatures.transmitted import MessagePieces, SignerPieces

MAXIMUM_TIMESTAMPS = 200
MAXIMUM_IN_DOCUMENT = 1000
_NEVER = datetime.max.replace(tzinfo=UTC)
_ARCHIVE = (cms.ARCHIVE_TIMESTAMP_V2, cms.ARCHIVE_TIMESTAMP_V3)
_TYPES = {
    cms.SIGNATURE_TIMESTAMP: TimestampType.SIGNATURE,
    cms.VALIDATION_DATA_TIMESTAMP: TimestampType.VALIDATION_DATA,
    cms.REFERENCES_TIMESTAMP: TimestampType.VALIDATION_DATA_REFERENCES,
    cms.ARCHIVE_TIMESTAMP_V2: TimestampType.ARCHIVE,
    cms.ARCHIVE_TIMESTAMP_V3: TimestampType.ARCHIVE,
}


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """Where a SignerInfo stands: how the message and it were transmitted (asked for only where a timestamp is over
    such bytes), the content that is signed, and its counter-signatures, each under (position of the unsigned attribute,
    position of the value)."""

    message: Callable[[], MessagePieces]
    signer: Callable[[], SignerPieces]
    content: Content | None
    counter_signatures: dict[tuple[int, int], Signature]


class TimestampCount:
    """How many timestamps a document's signatures have so far: each is a signature of its own to whoever judges it, and
    one message has room for tens of thousands."""

    def __init__(self) -> None:
        self._found = 0

    def add(self, signer: cms.Signer) -> None:
        """Raises ``FormatError`` where a signature has over 200, or a document over 1000: none of them is read then."""
        own = sum(len(values) for oid, values in signer.unsigned if oid in _TYPES)
        own += sum(len(values) for oid, values in signer.signed if oid == cms.CONTENT_TIMESTAMP)
        if own > MAXIMUM_TIMESTAMPS:
            raise FormatError(f"a signature has more than {MAXIMUM_TIMESTAMPS} timestamps")
        self._found += own
        if own and self._found > MAXIMUM_IN_DOCUMENT:
            raise FormatError(f"a document has more than {MAXIMUM_IN_DOCUMENT} timestamps in its signatures")


def timestamps_of(signer: cms.Signer, identifier: str, around: Surroundings) -> tuple[Timestamp, ...]:
    """In the order content, signature, validation data, archive. How many there may be is for the caller to ask
    (``TimestampCount``)."""
    found = list(_content_timestamps(signer, identifier, around.content))
    itself = (bytes.fromhex(identifier),)
    placed: dict[tuple[int, int], Timestamp] = {}
    over: dict[tuple[int, int], frozenset[int]] = {}
    archive: list[tuple[int, int, bytes]] = []
    for position, (oid, values) in enumerate(signer.unsigned):
        for number, value in enumerate(values):
            place = f"{identifier}/{position}/{number}".encode("ascii")
            if oid == cms.SIGNATURE_TIMESTAMP:
                value_digest = digest_of(signer.signature)
                stamp = embedded_timestamp(value, TimestampType.SIGNATURE, value_digest, place, itself)
                placed[position, number] = stamp
            elif oid in (cms.VALIDATION_DATA_TIMESTAMP, cms.REFERENCES_TIMESTAMP):
                placed[position, number], over[position, number] = _validation_data(signer, around, oid, value, place)
            elif oid in _ARCHIVE:
                archive.append((position, number, value))
    placed = {key: _with_older(item, over.get(key), placed, itself) for key, item in placed.items()}
    found += [placed[key] for key in sorted(placed, key=lambda key: (placed[key].type != TimestampType.SIGNATURE, key))]
    found += _archive_timestamps(signer, identifier, around, placed, archive, found)
    return tuple(found)


def _content_timestamps(signer: cms.Signer, identifier: str, content: Content | None) -> Iterator[Timestamp]:
    for position, (oid, values) in enumerate(signer.signed):
        if oid == cms.CONTENT_TIMESTAMP:
            for number, value in enumerate(values):
                place = f"{identifier}/signed/{position}/{number}".encode("ascii")
                digest = content.digest if content is not None else None
                yield embedded_timestamp(value, TimestampType.CONTENT, digest, place)


def _validation_data(
    signer: cms.Signer, around: Surroundings, oid: str, value: bytes, place: bytes
) -> tuple[Timestamp, frozenset[int]]:
    """The imprint is over several pieces: first read, then compared. With it the positions of the unsigned attributes
    that it is over."""
    references_only = oid == cms.REFERENCES_TIMESTAMP
    stamp = embedded_timestamp(value, _TYPES[oid], None, place)
    if stamp.token is None:
        return stamp, frozenset()
    try:
        over = validation_data(stamp.token, signer, around.signer(), references_only)
    except FormatError:
        over = None
    return replace(stamp, imprint_found=True, imprint_intact=over is not None), over or frozenset()


def _with_older(
    stamp: Timestamp, over: frozenset[int] | None, placed: dict[tuple[int, int], Timestamp], itself: tuple[bytes, ...]
) -> Timestamp:
    """A CAdES-C timestamp is over the signature value and over signature timestamps: those in the attributes at the
    positions ``over``, which its imprint was found to be of, and no others."""
    if stamp.type is not TimestampType.VALIDATION_DATA or over is None:
        return stamp
    older = (item for (position, _), item in placed.items() if position in over)
    return replace(stamp, covers=(*itself, *_unique(d for item in older for d in digests_of_timestamp(item))))


# --- archive timestamps


def _archive_timestamps(
    signer: cms.Signer,
    identifier: str,
    around: Surroundings,
    placed: dict[tuple[int, int], Timestamp],
    archive: Sequence[tuple[int, int, bytes]],
    found: Sequence[Timestamp],
) -> Iterator[Timestamp]:
    """From the oldest on, so that each covers those before it."""
    known = dict(placed)
    read = [(position, number, value, _token(value)) for position, number, value in archive]
    read.sort(key=lambda item: (item[3].gen_time if item[3] is not None else _NEVER, item[0], item[1]))
    for rank, (position, number, value, token) in enumerate(read):
        oid = signer.unsigned[position][0]
        place = f"{identifier}/{position}/{number}".encode("ascii")
        stamp = embedded_timestamp(value, _TYPES[oid], None, place)
        if token is not None:
            younger = frozenset(item[0] for item in read[rank + 1 :])
            coverage, findings = _coverage(token, oid, position, younger, signer, around)
            covers = _covers(coverage, signer, identifier, around, known, found)
            stamp = replace(
                stamp,
                imprint_found=coverage.found,
                imprint_intact=coverage.intact,
                findings=(*stamp.findings, *findings),
                covers=tuple(_unique(covers)) if coverage.found else (),
            )
        known[position, number] = stamp
        yield stamp


def _token(value: bytes) -> TimestampToken | None:
    try:
        return parse_timestamp_token(value)
    except FormatError:
        return None


def _coverage(
    token: TimestampToken,
    oid: str,
    position: int,
    younger: frozenset[int],
    signer: cms.Signer,
    around: Surroundings,
) -> tuple[Coverage, tuple[Finding, ...]]:
    try:
        if oid == cms.ARCHIVE_TIMESTAMP_V3:
            coverage = archive_v3(token, around.message(), signer, around.signer(), around.content)
        else:
            coverage = archive_v2(token, position, younger, around.message(), signer, around.signer(), around.content)
    except FormatError as error:
        return Coverage(True, False), (Finding("hash-index-unreadable", Severity.FATAL, str(error)),)
    if coverage.missing:
        return coverage, (Finding("hash-index-entry-without-object", Severity.WARNING, str(coverage.missing)),)
    return coverage, ()


def _covers(
    coverage: Coverage,
    signer: cms.Signer,
    identifier: str,
    around: Surroundings,
    known: dict[tuple[int, int], Timestamp],
    found: Sequence[Timestamp],
) -> Iterator[bytes]:
    yield bytes.fromhex(identifier)
    for stamp in found:
        if stamp.type is TimestampType.CONTENT:
            yield from digests_of_timestamp(stamp)
    yield from _elements(coverage.certificates, around.message().certificates)
    yield from _elements(coverage.revocations, around.message().revocations)
    for position, number in sorted(coverage.attributes):
        oid, values = signer.unsigned[position]
        if (position, number) in known:
            yield from digests_of_timestamp(known[position, number])
        elif (position, number) in around.counter_signatures:
            yield from digests_of_signature(around.counter_signatures[position, number])
        elif oid in (cms.CERTIFICATE_VALUES, cms.REVOCATION_VALUES):
            try:
                held = cms.values_of_attribute(oid, values[number])
            except FormatError:
                continue
            for group in held:
                yield from digests_of_values(group)


def _elements(positions: frozenset[int], elements: Sequence[tuple[bytes, bytes | None]]) -> Iterator[bytes]:
    for position in sorted(positions):
        held = elements[position][1]
        if held is not None:
            yield from digests_of_values((held,))


def _unique(digests: Iterable[bytes]) -> Iterator[bytes]:
    yield from dict.fromkeys(digests)
