"""What a document timestamp proves to have existed: all that earlier revisions of the PDF hold
(EN 319 142-1 clause 5.4.3, EN 319 102-1 clause 5.6.2.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zdda.signatures import cms
from zdda.signatures.covered_digests import digests_of_signature, digests_of_timestamp
from zdda.signatures.errors import FormatError
from zdda.signatures.model import Signature, Timestamp
from zdda.signatures.pdf_reader import ValidationStore


def with_coverage(
    timestamps: Sequence[Timestamp],
    gaps: Mapping[str, tuple[int, int] | None],
    signatures: Sequence[Signature],
    store: ValidationStore,
) -> tuple[Timestamp, ...]:
    """The same document timestamps with ``covers`` filled.

    ``gaps``: for each identifier, of signatures too, the span of its own value in the file, which a timestamp is not
    over. What lies within the timestamped bytes counts; what lies in the gap, or nobody knows where, does not.
    """
    values = [*((value, value) for value in (*store.certificates, *store.crls)), *_answers(store.ocsps)]
    places = [
        (hashlib.sha256(kept).digest(), *store.spans[original]) for original, kept in values if original in store.spans
    ]
    found: list[Timestamp] = []
    for timestamp in timestamps:
        end, gap = timestamp.covered_until, gaps.get(timestamp.identifier)
        covers: dict[bytes, None] = {}
        if end and gap is not None:
            for digest, *place in places:
                if _lies_under(place, gap, end):
                    covers[digest] = None
            for signature in signatures:
                if 0 < signature.covered_until < end and _lies_under(gaps.get(signature.identifier), gap, end):
                    covers.update(dict.fromkeys(digests_of_signature(signature)))
            for other in timestamps:
                if 0 < other.covered_until < end and _lies_under(gaps.get(other.identifier), gap, end):
                    covers.update(dict.fromkeys(digests_of_timestamp(other)))
        found.append(replace(timestamp, covers=tuple(covers)))
    return tuple(found)


def _lies_under(place: Sequence[int] | None, gap: tuple[int, int], end: int) -> bool:
    """Whether a place (start, end) is within the first ``end`` bytes and outside of the gap."""
    if place is None:
        return False
    start, stop = place
    return stop <= gap[0] or gap[1] <= start < stop <= end


def _answers(values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(as it stands, as an OCSPResponse), those that are neither left out."""
    for value in values:
        try:
            yield value, cms.ocsp_response(value)
        except FormatError:
            continue


def readable_answers(values: Iterable[bytes]) -> Iterator[bytes]:
    """The OCSP responses among the values of a DSS."""
    for _, answer in _answers(values):
        yield answer
