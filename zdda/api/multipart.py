"""Multipart bodies as a stream: each part goes to its sink as it arrives, nothing is kept but the small fields.

The parser is python-multipart's ``MultipartParser`` alone: it neither raises on a body cut short nor bounds the
headers of a part as a whole; both are done here. What comes after the closing boundary is ignored (RFC 2046
clause 5.1.1), so the outcome never depends on how the network cut the body into chunks.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from zdda.api.content_disposition import DispositionMalformed, parse_header, part_names
from zdda.model.errors import InvalidInput
from zdda.model.views import DocumentSink

MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 16
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}")

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it logs bytes of bodies


class MultipartMalformed(InvalidInput):
    """The body is not multipart/form-data, or ends before its closing boundary."""

    code = "multipart-malformed"


@dataclass(frozen=True, slots=True)
class PartHeader:
    """What a part says of itself. ``file_name`` is None for a plain field; ``media_type`` is ``type/subtype``."""

    name: str
    file_name: str | None
    media_type: str


class PartReceiver(Protocol):
    """Decides where a part's bytes go; may refuse by raising."""

    def open_part(self, header: PartHeader) -> DocumentSink: ...


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart/form-data content type (RFC 2046 clause 5.1.1); raises ``MultipartMalformed``."""
    try:
        kind, parameters = parse_header(content_type)
    except DispositionMalformed:
        kind, parameters = "", {}
    boundary = parameters.get("boundary", "")
    if kind != "multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise MultipartMalformed("the body must be multipart/form-data with a boundary of 1 to 70 characters")
    return boundary.encode("ascii")


@dataclass(slots=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class MultipartReader:
    """Feeds chunks of a body to a receiver. ``max_parts`` bounds the number of parts.

    ``feed`` raises ``MultipartMalformed`` or whatever the receiver raises; ``finish`` must be called after the
    last chunk and raises when the closing boundary has not been seen. After an error the reader is of no use.
    """

    def __init__(self, boundary: bytes, receiver: PartReceiver, max_parts: int) -> None:
        self._receiver, self._max_parts = receiver, max_parts
        self._parts = 0
        self._size = 0
        self._header = _Header()
        self._headers: list[_Header] = []
        self._sink: DocumentSink | None = None
        self._ended = False
        # no preamble: what a parser makes of one depends on how the network cut it
        self._opening = b"--" + boundary
        self._start: bytearray | None = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": _sliced(self._header_field),
                "on_header_value": _sliced(self._header_value),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": _sliced(self._part_data),
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, chunk: bytes) -> None:
        """One chunk of the body, of any size."""
        if self._start is not None:
            self._start += chunk
            if len(self._start) < len(self._opening):
                return
            if not self._start.startswith(self._opening):
                raise MultipartMalformed("the body does not begin with its boundary")
            chunk, self._start = bytes(self._start), None
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MultipartMalformed("the body is not well-formed multipart/form-data") from error

    def finish(self) -> None:
        """The body is over."""
        if not self._ended:
            raise MultipartMalformed("the body ends before its closing boundary")

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise MultipartMalformed(f"the body has more than {self._max_parts} parts")
        self._headers, self._header, self._size = [], _Header(), 0

    def _header_field(self, data: bytes) -> None:
        self._count(len(data))
        self._header.name += data

    def _header_value(self, data: bytes) -> None:
        self._count(len(data))
        self._header.value += data

    def _header_end(self) -> None:
        self._headers.append(self._header)
        self._header = _Header()

    def _count(self, length: int) -> None:
        self._size += length
        if self._size > MAX_HEADER_BYTES:
            raise MultipartMalformed(f"a part's headers are over {MAX_HEADER_BYTES} bytes")

    def _headers_finished(self) -> None:
        self._sink = self._receiver.open_part(_part_header(self._headers))

    def _part_data(self, data: bytes) -> None:
        if self._sink is None:
            raise MultipartMalformed("a part has no headers")
        self._sink.write(data)

    def _part_end(self) -> None:
        if self._sink is None:
            raise MultipartMalformed("a part has no headers")
        self._sink.close()
        self._sink = None

    def _end(self) -> None:
        self._ended = True


def _sliced(callback: Callable[[bytes], None]) -> Callable[[bytes, int, int], None]:
    return lambda data, start, end: callback(data[start:end])


def _part_header(headers: list[_Header]) -> PartHeader:
    found: dict[str, str] = {}
    for header in headers:
        key = header.name.decode("ascii").lower()
        if key in found:
            raise MultipartMalformed("a part repeats a header")
        try:
            found[key] = header.value.decode("utf-8").strip(" \t")
        except UnicodeDecodeError as error:
            raise MultipartMalformed("a part's headers are not UTF-8") from error
    if found.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise MultipartMalformed("parts are sent as they are, without a transfer encoding")
    name, file_name = part_names(found.get("content-disposition", ""))
    media_type = found.get("content-type", "").split(";")[0].strip().lower()
    return PartHeader(name, file_name, media_type if _MEDIA_TYPE.fullmatch(media_type) else UNKNOWN_MEDIA_TYPE)
