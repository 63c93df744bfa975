"""Explicit replacements of pyHanko's reading of cross-reference tables (ISO 32000-2 clauses 7.5.4 and 7.5.5), made at
import: a plain table is read as a whole, not byte by byte. Anything irregular is left to the original; results are the
same."""

from __future__ import annotations

import os
import re
from typing import Any

from pyhanko.pdf_utils import misc, reader, xref

from zdda.signatures.pdf_plain_objects import bytes_ahead

_W = rb"\x00\t\n\x0c\r "
_SECTION = re.compile(rb"[" + _W + rb"]*([0-9]{1,10})[" + _W + rb"]+([0-9]{1,10})[" + _W + rb"]+(?=[0-9t])")
_TRAILER = re.compile(rb"[" + _W + rb"]*trailer[" + _W + rb"]*(?=[^%" + _W + rb"])")
_ENTRIES = re.compile(rb"(?:[0-9]{10} [0-9]{5} [nf](?: \r| \n|\r\n))*")
_ENTRY = 20
_KEYWORD = len(b"trailer")
_END = re.compile(rb"[\r\n]startxref(?:\r\n|\r|\n)([0-9]{1,10})(?:\r\n|\r|\n)%%EOF(?:\r\n|\r|\n)?")
_TAIL = 64
_HIGHEST_GENERATION = 0xFFFF

_original_table = xref.parse_xref_table
_original_entries = xref.XRefSectionData.process_entries
_original_at_eof = reader.process_data_at_eof


class _Plain(list[tuple[int, bytes]]):
    """(First number, entries of 20 bytes each) of each section of a plain table."""


class _Lines:
    """A stream for the original, which goes back by what it wanted, not by what it got, and so may never end where the
    file ends within a table."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        if len(data) < size and (size == _KEYWORD or (size == _ENTRY and data.startswith((b"\r", b"\n")))):
            raise misc.PdfStreamError("Stream ended prematurely")
        return data


def _parse_xref_table(stream: Any, strict: bool) -> Any:
    """Same result as pyHanko's, as ``_process_entries`` takes it."""
    start = stream.tell()
    data, position, base = bytes_ahead(stream)
    found = _Plain()
    while (trailer := _TRAILER.match(data, position)) is None or not found:
        section = _SECTION.match(data, position)
        if section is None:
            stream.seek(start)
            return _original_table(_Lines(stream), strict)
        begin, length = section.end(), int(section[2]) * _ENTRY
        position = begin + length
        entries = _ENTRIES.fullmatch(data, begin, position) if position <= len(data) else None
        if entries is None:
            stream.seek(start)
            return _original_table(_Lines(stream), strict)
        found.append((int(section[1]), entries[0]))
    stream.seek(base + trailer.end())
    return found


def _process_entries(self: Any, entries: Any, strict: bool) -> int:
    """Same result as pyHanko's."""
    if type(entries) is not _Plain:
        return int(_original_entries(self, entries, strict))
    standard, freed, explicit = self.standard_xrefs, self.freed, self.explicit_refs_in_revision
    highest = 0
    for first, section in entries:
        number = first - 1
        for place in range(0, len(section), _ENTRY):
            number += 1
            generation = int(section[place + 11 : place + 16])
            highest = max(number, highest)
            if generation > _HIGHEST_GENERATION:
                if strict:
                    raise xref.PdfStrictReadError(f"Illegal generation {generation} for object ID {number}.")
                continue
            if number == 0:
                continue
            if section[place + 17] == 0x6E:
                standard[number] = (generation, int(section[place : place + 10]))
                explicit.add((number, generation))
            else:
                freed[number] = generation
                explicit.add((number, generation - 1))
    return highest


def _get_historical_ref(self: Any, ref: Any, revision: int) -> Any:
    """Same result as pyHanko's."""
    number, generation = ref.idnum, ref.generation
    for section in reversed(self._xref_sections[: revision + 1]):
        data = section.xref_data
        if data.hybrid is not None:
            try:
                return data.try_resolve(ref)
            except KeyError:
                continue
        if generation == 0 and number in data.xrefs_in_objstm:
            return data.xrefs_in_objstm[number]
        place = data.standard_xrefs.get(number)
        if place is not None:
            if place[0] == generation:
                return place[1]
            continue
        freed = data.freed.get(number)
        if freed is not None and generation == freed - 1:
            return None
    return None


def _process_data_at_eof(stream: Any) -> int:
    """Same result as pyHanko's; the stream stands at its last byte."""
    position = stream.tell()
    stream.seek(max(0, position + 1 - _TAIL))
    data = stream.read(_TAIL)
    found = next((match for match in _END.finditer(data) if match.end() == len(data)), None)
    if found is None or stream.seek(0, os.SEEK_END) != position + 1:
        stream.seek(position)
        return int(_original_at_eof(stream))
    return int(found[1])


xref.parse_xref_table = _parse_xref_table
xref.XRefSectionData.process_entries = _process_entries
xref.XRefCache.get_historical_ref = _get_historical_ref
reader.process_data_at_eof = _process_data_at_eof
