"""The entries of a CRL, found in its DER by serial number without an object for each (RFC 5280 clause 5.1.2.6).

The whole list was read once by a strict DER parser before it comes here. A look-up searches the bytes of the serial
number and checks that what it found is an entry's: no map of serial numbers is built, which would take longer than the
search and ten times the list's memory.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from zdda.signatures import der as tlv
from zdda.signatures.errors import FormatError

_INTEGER, _UTC_TIME, _GENERALIZED_TIME, _BOOLEAN = 0x02, 0x17, 0x18, 0x01
_REASON_CODE = bytes.fromhex("0603551d15")
_CERTIFICATE_ISSUER = bytes.fromhex("0603551d1d")
_HOLD_INSTRUCTION = bytes.fromhex("0603551d17")
_INVALIDITY_DATE = bytes.fromhex("0603551d18")
_KNOWN = frozenset({_REASON_CODE, _CERTIFICATE_ISSUER, _HOLD_INSTRUCTION, _INVALIDITY_DATE})
_CRITICAL = b"\x01\x01\xff\x04"
"""critical TRUE and the tag of the extension's value, in DER (clause 4.1)."""
_MOST_SUSPECTS = 100_000
"""Places searched, in a list that seems made to be searched in vain, before it is not used."""

REASONS = {
    0: "unspecified",
    1: "key_compromise",
    2: "ca_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    6: "certificate_hold",
    8: "remove_from_crl",
    9: "privilege_withdrawn",
    10: "aa_compromise",
}


@dataclass(frozen=True, slots=True)
class CrlEntry:
    """One revoked certificate. ``issuer``: the DER name in force for it (clause 5.3.3), None for the CRL's own."""

    serial: int
    revoked_at: datetime
    reason: str
    issuer: bytes | None


@dataclass(frozen=True)
class CrlEntries:
    """The entries between two offsets of ``data``. Raises ``FormatError`` where something is not as it should be."""

    data: bytes
    start: int
    end: int
    indirect: bool

    def of(self, serial: int) -> tuple[CrlEntry, ...]:
        """Every entry with this serial number, whoever issued the certificate."""
        # The only encoding in DER, which the list was read as (X.690 clause 8.3): a sign bit besides the bits needed;
        # of a negative number, its complement needs them.
        contents = serial.to_bytes((~serial if serial < 0 else serial).bit_length() // 8 + 1, signed=True)
        if len(contents) > 0x7F:
            raise FormatError("a serial number is too long")
        pattern = bytes((_INTEGER, len(contents))) + contents
        found = []
        for place in self._places(pattern):
            first = self._entry_at(place)
            _, body, stop, _ = tlv.read(self.data, first, self.end)
            if body == place:
                found.append(self._read(body, stop, serial))
        return tuple(found)

    @cached_property
    def unknown_critical(self) -> bool:
        """Whether an entry has a critical extension that is not understood: then the list says nothing of anyone
        (clause 5.3)."""
        readable = _KNOWN if self.indirect else _KNOWN - {_CERTIFICATE_ISSUER}
        for place in self._places(_CRITICAL, readable):
            first = self._entry_at(place)
            _, body, stop, _ = tlv.read(self.data, first, self.end)
            if any(critical and identifier not in readable for identifier, critical, _ in self._extensions(body, stop)):
                return True
        return False

    @cached_property
    def _offsets(self) -> array[int]:
        """Where each entry begins: four bytes an entry, made when a look-up first finds something."""
        data, place, end = self.data, self.start, self.end
        offsets = array("I")
        append = offsets.append
        while place < end:
            append(place)
            length = data[place + 1]
            place = place + 2 + length if length < 0x80 else tlv.read(data, place, end)[3]
        return offsets

    @property
    def weight(self) -> int:
        """Bytes of memory that looking up may take, besides ``data``: an entry has 17 bytes at least."""
        return (self.end - self.start) // 17 * 4

    def _places(self, pattern: bytes, passed_over: frozenset[bytes] = frozenset()) -> Iterator[int]:
        """Where ``pattern`` is, unless one of the identifiers ``passed_over`` stands right before it."""
        # The regular expression engine searches twice as fast as bytes.find here; matches may overlap.
        search, count = re.compile(re.escape(pattern), re.DOTALL).search, 0
        found = search(self.data, self.start, self.end)
        while found is not None:
            place = found.start()
            if self.data[max(self.start, place - 5) : place] not in passed_over:
                count += 1
                if count > _MOST_SUSPECTS:
                    raise FormatError("a CRL repeats what is looked for too often")
                yield place
            found = search(self.data, place + 1, self.end)

    def _entry_at(self, place: int) -> int:
        return self._offsets[bisect_right(self._offsets, place) - 1]

    def _read(self, body: int, stop: int, serial: int) -> CrlEntry:
        _, _, _, after = tlv.read(self.data, body, stop)
        tag, time_from, time_to, _ = tlv.read(self.data, after, stop)
        reason = "unspecified"
        for identifier, _, value in self._extensions(body, stop):
            if identifier == _REASON_CODE:
                reason = REASONS.get(value[2] if len(value) == 3 else -1, "unspecified")
        issuer = self._issuer_in_force(stop) if self.indirect else None
        return CrlEntry(serial, _time(tag, self.data[time_from:time_to]), reason, issuer)

    def _extensions(self, body: int, stop: int) -> Iterator[tuple[bytes, bool, bytes]]:
        """(DER object identifier, critical, value) of each extension of the entry."""
        parts = list(tlv.children(self.data, body, stop, 3))
        if len(parts) < 3:
            return
        _, first, last, _ = tlv.read(self.data, parts[2][1], parts[2][2])
        for _, start, end in tlv.children(self.data, first, last, 100):
            _, inner, inner_end, _ = tlv.read(self.data, start, end)
            fields = list(tlv.children(self.data, inner, inner_end, 3))
            if len(fields) < 2:
                raise FormatError("an extension of a CRL entry lacks its value")
            critical = fields[1][0] == _BOOLEAN and self.data[fields[1][2] - 1] != 0
            _, value_from, value_to, _ = tlv.read(self.data, fields[-1][1], fields[-1][2])
            yield self.data[fields[0][1] : fields[0][2]], critical, self.data[value_from:value_to]

    def _issuer_in_force(self, stop: int) -> bytes | None:
        """The certificateIssuer of this entry or of the nearest before it that has one."""
        limit, tried = stop, 0
        while (place := self.data.rfind(_CERTIFICATE_ISSUER, self.start, limit)) >= 0:
            tried += 1
            if tried > _MOST_SUSPECTS:
                raise FormatError("a CRL repeats what is looked for too often")
            candidate = self._entry_at(place)
            _, body, end, _ = tlv.read(self.data, candidate, self.end)
            for identifier, _, value in self._extensions(body, end):
                if identifier == _CERTIFICATE_ISSUER:
                    return _directory_name(value)
            limit = place
        return None


def _directory_name(general_names: bytes) -> bytes:
    """The first directoryName [4] of a GeneralNames, as a DER Name."""
    _, start, end, _ = tlv.read(general_names)
    for tag, first, last in tlv.children(general_names, start, end, 100):
        if tag == 0xA4:
            _, inner, inner_end, _ = tlv.read(general_names, first, last)
            return general_names[inner:inner_end]
    raise FormatError("a certificateIssuer names no directory name")


def _time(tag: int, contents: bytes) -> datetime:
    """Clause 5.1.2.4: UTCTime until 2049, GeneralizedTime after; seconds always, no fraction, Z."""
    text = contents.decode("ascii", "replace")
    if not text.endswith("Z") or not text[:-1].isdigit():
        raise FormatError("a CRL entry has an odd revocation date")
    try:
        if tag == _UTC_TIME and len(text) == 13:
            century = "19" if text[0] >= "5" else "20"
            return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
        if tag == _GENERALIZED_TIME and len(text) == 15:
            return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise FormatError("a CRL entry has an odd revocation date") from error
    raise FormatError("a CRL entry has an odd revocation date")
