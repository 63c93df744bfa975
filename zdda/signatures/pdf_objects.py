"""Explicit replacements of slow functions of pyHanko's PDF reader, made at import; and PDF dates.

pyHanko reads hex strings byte by byte, which takes most of the time of a signed PDF. The replacement reads blocks and
hands anything irregular to the original; results are the same, and each string remembers where in the file it stood.
Names, too, are decoded at once where they are plain, and the ends of tokens looked for in a piece, not byte by byte.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.reader import PdfFileReader

_BLOCK = 1024
_WHITESPACE = b"\x00\t\n\x0c\r "
_original_hex_reader = generic.read_hex_string_from_stream


def _read_hex_string(stream: Any) -> Any:
    """Same result as pyHanko's; ``zdda_span`` on it is (stream, offset of ``<``, offset after ``>``)."""
    start = stream.tell()
    parts: list[bytes] = []
    block = _BLOCK
    stream.read(1)
    while True:
        data = stream.read(block)
        end = data.find(b">")
        if end >= 0:
            parts.append(data[:end])
            break
        if not data:
            break
        parts.append(data)
        block = min(block * 4, 1 << 20)
    digits = b"".join(parts).translate(None, _WHITESPACE) if end >= 0 else b"%"
    stop = start + 1 + sum(map(len, parts)) + 1
    try:
        result = hex_string(digits, stream, start, stop)
    except binascii.Error:
        # A comment, a foreign character or the end of the file: the original decides.
        stream.seek(start)
        result = _original_hex_reader(stream)
        result.zdda_span = (stream, start, stream.tell())
    else:
        stream.seek(stop)
    return result


def hex_string(digits: bytes, stream: Any, start: int, stop: int) -> Any:
    """The string that hexadecimal ``digits`` mean, which stood from ``start`` to ``stop``, brackets included."""
    result = text_or_bytes(binascii.unhexlify(digits + b"0" if len(digits) % 2 else digits))
    result.zdda_span = (stream, start, stop)
    return result


_PDF_DOC = generic.TextStringEncoding.PDF_DOC
_PRINTABLE = re.compile(rb"[\x20-\x7e]*")
_BYTE_ORDER_MARKS = (b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf")
_NO_CHARACTER = re.compile(
    b"[" + b"".join(b"\\x%02x" % each for each in range(256) if generic._pdfDocEncoding[each] == "\0") + b"]"
)


def text_or_bytes(value: bytes) -> Any:
    """Same result as pyHanko's ``pdf_string``: text where the bytes are some, without a look at each."""
    if _PRINTABLE.fullmatch(value):
        text = value.decode("ascii")
    elif value.startswith(_BYTE_ORDER_MARKS):
        return generic.pdf_string(value)
    elif _NO_CHARACTER.search(value):
        return generic.ByteStringObject(value)
    else:
        text = "".join(map(generic._pdfDocEncoding.__getitem__, value))
    result = generic.TextStringObject(text)
    result.autodetected_encoding = _PDF_DOC
    return result


_original_name_decoder = generic._decode_name
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9+_.:*,-]*")


def _decode_name(name: bytes) -> Any:
    """Same result as pyHanko's; names without escapes, nearly all, are not built byte by byte."""
    if _PLAIN_NAME.fullmatch(name):
        return generic.NameObject("/" + name.decode("ascii"))
    return _original_name_decoder(name)


_original_until_delimiter = misc.read_until_delimiter
_original_non_whitespace = misc.read_non_whitespace
_PIECE = 48
_TOKEN_END = re.compile(rb"[ \n\r\t\f\x00()<>\[\]{}/%]")
_NO_WHITESPACE = re.compile(rb"[^ \n\r\t\f\x00]")


def _read_until_delimiter(stream: Any) -> bytes:
    """Same result as pyHanko's; long tokens and the end of the file are left to the original."""
    start = stream.tell()
    data: bytes = stream.read(_PIECE)
    found = _TOKEN_END.search(data)
    if found is None:
        stream.seek(start)
        return bytes(_original_until_delimiter(stream))
    end = found.start()
    stream.seek(start + end)
    return data[:end]


def _read_non_whitespace(stream: Any, seek_back: bool = False, allow_eof: bool = False) -> bytes:
    """Same result as pyHanko's; comments, long stretches and the end of the file are left to the original."""
    start = stream.tell()
    data: bytes = stream.read(_PIECE)
    found = _NO_WHITESPACE.search(data)
    if found is None or found[0] == b"%":
        stream.seek(start)
        return bytes(_original_non_whitespace(stream, seek_back, allow_eof))
    stream.seek(start + (found.start() if seek_back else found.end()))
    return found[0]


generic.read_hex_string_from_stream = _read_hex_string
generic._decode_name = _decode_name


def _get_object(self: Any) -> Any:
    """Same result as pyHanko's, which imports and asserts something each time."""
    return generic.NullObject() if self.pdf is None else self.pdf.get_object(self).get_object()


def _raw_entry(self: Any, key: Any, decrypt: Any = generic.EncryptedObjAccess.TRANSPARENT) -> Any:
    """Same result as pyHanko's."""
    value = dict.__getitem__(self, key)
    return generic._deproxy_decrypt(value, decrypt) if type(value) is generic.DecryptedObjectProxy else value


def _init_reference(self: Any, idnum: int, generation: int = 0, pdf: Any = None) -> None:
    """Same result as the frozen dataclass's, which sets each attribute by way of ``object``."""
    own = self.__dict__
    own["idnum"], own["generation"], own["pdf"] = idnum, generation, pdf


def _encrypted(self: Any) -> bool:
    """Same result as pyHanko's, which looks into all trailers with every object that is read: none is added later."""
    own = self.__dict__
    if "zdda_open" not in own:
        if self.security_handler is not None:
            return True
        own["zdda_open"] = True
    return False


PdfFileReader.encrypted = property(_encrypted)
generic.Reference.__init__ = _init_reference
generic.Reference.get_object = _get_object
generic.DictionaryObject.raw_get = _raw_entry
for _module in (misc, generic):
    _module.read_until_delimiter = _read_until_delimiter
    _module.read_non_whitespace = _read_non_whitespace


_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)(?:'?(\d\d)'?)?)?", re.ASCII)


def parse_pdf_date(text: str) -> datetime | None:
    """A PDF date (ISO 32000-2 clause 7.9.4) in UTC; None where it cannot be read. No zone is taken as UTC."""
    match = _DATE.match(str(text))
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(part) if part else default for part, default in zip(match.groups()[:6], (0, 1, 1, 0, 0, 0), strict=True)
    )
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    try:
        zone = timezone(-offset if match[7] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
