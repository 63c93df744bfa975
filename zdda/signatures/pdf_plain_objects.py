"""Explicit replacements of pyHanko's reading of PDF objects (ISO 32000-2 clause 7.3), made at import.

pyHanko reads objects byte by byte through a stream. Here an object is read token by token from the bytes that follow,
where it is plain: no comments, no key twice, nesting within a bound, nothing that would need a second look. At the
first doubt the stream is put back and the original reads the whole object; results are the same (a test compares).
"""

from __future__ import annotations

import io
import re
from typing import Any

from pyhanko.pdf_utils import generic, misc, reader, xref

from zdda.signatures.pdf_objects import hex_string, text_or_bytes

_PIECE = 8192
_DEPTH = 12
_NAMES = 4096
_W = rb"\x00\t\n\x0c\r "
_END = rb"(?=[" + _W + rb"()<>\[\]/])"
# What is no token of these (the R of a reference written otherwise, a stream inside an object) is not plain.
_TOKEN = re.compile(
    rb"[" + _W + rb"]*(?:"
    rb"(/[A-Za-z0-9+_.:*,-]*)" + _END + rb"|"
    rb"([1-9][0-9]{0,8}) ([0-9]{1,5}) R" + _END + rb"|"
    rb"([+-]?[0-9]{1,18})" + _END + rb"|"
    rb"([+-]?[0-9]{1,18}\.[0-9]{1,18})" + _END + rb"|"
    rb"(<<|>>|\[|\])|"
    rb"<([0-9A-Fa-f]*)>|"
    rb"(\()|"
    rb"(true|false|null)" + _END + rb")"
)
_NAME, _REFERENCE, _INTEGER, _REAL, _BRACKET, _HEXADECIMAL, _STRING, _WORD = 1, 3, 4, 5, 6, 7, 8, 9
_LINE_END = re.compile(rb"[\r\n]")
_PLAIN_STRING = re.compile(rb"\(([^()\\]*)\)")
_ESCAPED_STRING = re.compile(rb"\(((?:[^()\\]++|\\(?:[nrtbf()\\]|[0-3][0-7]{2}))*+)\)")
_ESCAPE = re.compile(rb"\\([nrtbf()\\]|[0-3][0-7]{2})")
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_BLANK = re.compile(rb"[" + _W + rb"]*")
_HEADER = re.compile(rb"([0-9]{1,10})[" + _W + rb"]([0-9]{1,5})[" + _W + rb"]obj[" + _W + rb"]*(?=[^%" + _W + rb"])")
_END_OF_OBJECT = re.compile(rb"[" + _W + rb"]*endobj[" + _W + rb"]*[^%" + _W + rb"]")

_original_indirect = reader.PdfFileReader._read_object
_original_read_object = generic.read_object
_original_read_dictionary = generic.DictionaryObject.read_from_stream
_original_header = xref.read_object_header
_original_subsume = reader.HistoricalResolver._subsume_object
_keys: dict[bytes, Any] = {}


class _Unplain(Exception):
    """The original has to read it."""


def bytes_ahead(stream: Any) -> tuple[bytes, int, int]:
    """(bytes, where in them the stream stands, where in the stream they begin): all there are in memory, or some."""
    start = stream.tell()
    if type(stream) is io.BytesIO:
        return stream.getvalue(), start, 0
    return stream.read(_PIECE), 0, start


def _read_object(
    stream: Any,
    container_ref: Any,
    as_metadata_stream: bool = False,
    in_content_stream: Any = generic.ContentOpReading.NO,
) -> Any:
    """Same result as pyHanko's, which does not end where a comment before the object does not."""
    start = stream.tell()
    if not as_metadata_stream and in_content_stream is generic.ContentOpReading.NO:
        try:
            value = _plain(stream, container_ref)
        except _Unplain:
            stream.seek(start)
        else:
            value.container_ref = container_ref
            return value
    if stream.read(1) == b"%":
        while (data := stream.read(_PIECE)) and _LINE_END.search(data) is None:
            pass
        if not data:
            raise misc.PdfStreamError("Stream ended prematurely")
    stream.seek(start)
    return _original_read_object(stream, container_ref, as_metadata_stream, in_content_stream)


def _read_dictionary(
    stream: Any,
    container_ref: Any,
    as_metadata_stream: bool = False,
    in_content_stream: Any = generic.ContentOpReading.NO,
) -> Any:
    """Same result as pyHanko's."""
    if not as_metadata_stream and in_content_stream is generic.ContentOpReading.NO:
        start = stream.tell()
        try:
            value = _plain(stream, container_ref)
            if isinstance(value, generic.DictionaryObject):
                return value
        except _Unplain:
            pass
        stream.seek(start)
    return _original_read_dictionary(stream, container_ref, as_metadata_stream, in_content_stream)


def _plain(stream: Any, container_ref: Any) -> Any:
    """The dictionary, stream or array that begins where the stream stands. Raises ``_Unplain``."""
    data, position, base = bytes_ahead(stream)
    value, end = _plain_at(data, position, base, stream, container_ref)
    stream.seek(base + end)
    return value


def _plain_at(data: bytes, position: int, base: int, stream: Any, container_ref: Any) -> tuple[Any, int]:
    """The same of what begins at ``position``, and where it ends."""
    if data[position : position + 2] == b"<<":
        position += 2
        top: Any = generic.DictionaryObject.__new__(generic.DictionaryObject)
    elif data[position : position + 1] == b"[":
        position += 1
        top = generic.ArrayObject()
    else:
        raise _Unplain
    end = _fill(top, data, position, base, stream, container_ref)
    if type(top) is generic.DictionaryObject:
        following = _next(data, end, stream)
        if following == b"s":
            stream.seek(base + end)
            value = _with_payload(top, stream, container_ref)
            return value, stream.tell() - base
        top.zdda_plain = True  # no key stands in it twice, nor in what it holds
    return top, end


def _read_indirect(
    self: Any, ref: Any, marker: Any, never_decrypt: bool = False, as_metadata_stream: bool = False
) -> Any:
    """Same result as pyHanko's reading of an indirect object."""
    stream = self.stream
    if type(marker) is int and marker >= 0 and type(stream) is io.BytesIO and not as_metadata_stream:
        data = stream.getvalue()
        header = _HEADER.match(data, marker)
        if header is not None and int(header[1]) == ref.idnum and int(header[2]) == ref.generation:
            container_ref = generic.Reference(ref.idnum, ref.generation, self)
            try:
                value, end = _plain_at(data, header.end(), 0, stream, container_ref)
            except _Unplain:
                return _original_indirect(self, ref, marker, never_decrypt, as_metadata_stream)
            following = _END_OF_OBJECT.match(data, end)
            if following is not None:
                value.container_ref = container_ref
                stream.seek(following.end() - 1)
                if never_decrypt or not self.encrypted:
                    return value
                return generic.proxy_encrypted_obj(value, self.security_handler)
    return _original_indirect(self, ref, marker, never_decrypt, as_metadata_stream)


def _next(data: bytes, position: int, stream: Any) -> bytes:
    """The next byte that is not white space; none at the end of what there is."""
    place = _BLANK.match(data, position).end()  # type: ignore[union-attr]
    following = data[place : place + 1]
    if following == b"%" or (not following and type(stream) is not io.BytesIO):
        raise _Unplain
    return following


def _with_payload(top: Any, stream: Any, container_ref: Any) -> Any:
    entries = dict(top.items())
    payload = generic._maybe_read_stream_payload(stream, entries, container_ref.get_pdf_handler())
    return top if payload is None else generic.StreamObject(entries, encoded_data=payload)


def _fill(top: Any, data: bytes, position: int, base: int, stream: Any, container_ref: Any) -> int:
    """Puts into ``top`` what stands from ``position`` on until its end, which is returned."""
    handler = container_ref.get_pdf_handler()
    match = _TOKEN.match
    box, key, in_array = top, None, type(top) is generic.ArrayObject
    above: list[tuple[Any, Any, bool]] = []
    value: Any
    while True:
        token = match(data, position)
        if token is None:
            raise _Unplain
        position = token.end()
        kind = token.lastindex
        if kind == _NAME:
            name = token[1]
            if key is None and not in_array:
                key = _keys.get(name)
                if key is None:
                    key = generic.NameObject(name.decode("ascii"))
                    if len(_keys) < _NAMES and len(name) < 64:
                        _keys[name] = key
                continue
            value = generic.NameObject(name.decode("ascii"))
        elif kind == _BRACKET:
            bracket = token[6]
            if bracket == b"<<" or bracket == b"[":
                if (key is None and not in_array) or len(above) >= _DEPTH:
                    raise _Unplain
                above.append((box, key, in_array))
                in_array = bracket == b"["
                box = generic.ArrayObject() if in_array else generic.DictionaryObject.__new__(generic.DictionaryObject)
                key = None
                continue
            if in_array is not (bracket == b"]") or key is not None:
                raise _Unplain
            if not above:
                return position
            value = box
            box, key, in_array = above.pop()
        elif key is None and not in_array:
            raise _Unplain
        elif kind == _REFERENCE:
            value = _reference(int(token[2]), int(token[3]), handler)
        elif kind == _INTEGER:
            value = int.__new__(generic.NumberObject, token[4])
        elif kind == _REAL:
            value = generic.FloatObject(token[5].decode("ascii"))
        elif kind == _HEXADECIMAL:
            value = hex_string(token[7], stream, base + token.start(7) - 1, base + position)
        elif kind == _STRING:
            value, position = _string(data, position - 1, base, stream)
        else:
            word = token[9]
            value = generic.NullObject() if word == b"null" else generic.BooleanObject(word == b"true")
        value.container_ref = container_ref
        if in_array:
            list.append(box, value)
        elif key in box:
            raise _Unplain
        else:
            dict.__setitem__(box, key, value)
            key = None


def _subsume_object(self: Any, value: Any) -> Any:
    """Same result as pyHanko's: the value as an earlier revision has it, whose references lead within that revision."""
    kind, own = type(value), value.container_ref
    if type(own) is not generic.Reference or kind in (generic.DecryptedObjectProxy, generic.StreamObject):
        return _original_subsume(self, value)
    result: Any
    if kind is generic.IndirectObject:
        return _reference(value.reference.idnum, value.reference.generation, self)
    if kind is generic.DictionaryObject:
        result = dict.__new__(generic.DictionaryObject)
        for key, entry in value.items():
            dict.__setitem__(result, key, _subsume_object(self, entry))
    elif kind is generic.ArrayObject:
        result = generic.ArrayObject([_subsume_object(self, entry) for entry in value])
    elif isinstance(value, generic.DictionaryObject | generic.ArrayObject | generic.IndirectObject):
        return _original_subsume(self, value)
    else:
        return value
    result.container_ref = generic.Reference(own.idnum, own.generation, self)
    return result


def _reference(number: int, generation: int, handler: Any) -> Any:
    reference = object.__new__(generic.Reference)
    reference.__dict__.update(idnum=number, generation=generation, pdf=handler)
    value = object.__new__(generic.IndirectObject)
    value.reference = reference
    return value


def _string(data: bytes, position: int, base: int, stream: Any) -> tuple[Any, int]:
    """(the literal string at ``position``, where it ends)."""
    simple = _PLAIN_STRING.match(data, position)
    if simple is None:
        escaped = _ESCAPED_STRING.match(data, position)
        if escaped is not None:
            return text_or_bytes(_ESCAPE.sub(_meant, escaped[1])), escaped.end()
        stream.seek(base + position)
        try:
            value = generic.read_string_from_stream(stream)
        except Exception as error:
            raise _Unplain from error
        end = stream.tell() - base
        if end > len(data):
            raise _Unplain
        return value, end
    return text_or_bytes(simple[1]), simple.end()


def _meant(escape: re.Match[bytes]) -> bytes:
    """What stands after a backslash, as a byte (ISO 32000-2 clause 7.3.4.2)."""
    what = escape[1]
    return bytes((int(what, 8),)) if len(what) == 3 else _LETTERS.get(what, what)


def _read_object_header(stream: Any, strict: bool) -> tuple[int, int]:
    """Same result as pyHanko's."""
    start = stream.tell()
    found = _HEADER.match(stream.read(48))
    if found is None:
        stream.seek(start)
        number, generation = _original_header(stream, strict)
        return int(number), int(generation)
    stream.seek(start + found.end())
    return int(found[1]), int(found[2])


reader.PdfFileReader._read_object = _read_indirect
generic.read_object = _read_object
generic.DictionaryObject.read_from_stream = staticmethod(_read_dictionary)
reader.HistoricalResolver._subsume_object = _subsume_object
xref.read_object_header = reader.read_object_header = _read_object_header
