"""Multipart bodies as a stream: each part goes to its sink as it arrives, nothing is kept but the small fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from zdda.model.errors import InvalidInput
from zdda.model.views import DocumentSink

MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 16


class MultipartMalformed(InvalidInput):
    """The body is not multipart/form-data, or ends before its closing boundary."""

    code = "multipart-malformed"


@dataclass(frozen=True, slots=True)
class PartHeader:
    """What a part says of itself. ``file_name`` is None for a plain field."""

    name: str
    file_name: str | None
    media_type: str


class PartReceiver(Protocol):
    """Decides where a part's bytes go; may refuse by raising."""

    def open_part(self, header: PartHeader) -> DocumentSink: ...


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart/form-data content type; raises ``MultipartMalformed``."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise MultipartMalformed("the body must be multipart/form-data with a boundary of 1 to 70 characters")
    return boundary


@dataclass(slots=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class MultipartReader:
    """Feeds chunks of a body to a receiver. ``max_parts`` bounds the number of parts.

    ``feed`` raises ``MultipartMalformed`` or whatever the receiver raises; ``finish`` must be called after the
    last chunk and raises when the closing boundary has not been seen.
    """

    def __init__(self, boundary: bytes, receiver: PartReceiver, max_parts: int) -> None:
        self._receiver, self._max_parts = receiver, max_parts
        self._parts = 0
        self._size = 0
        self._header = _Header()
        self._headers: list[_Header] = []
        self._sink: DocumentSink | None = None
        self._ended = False
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
        )

    def feed(self, chunk: bytes) -> None:
        """One chunk of the body, of any size."""
        if self._ended and chunk.strip(b"\r\n \t"):
            raise MultipartMalformed("the body goes on after its closing boundary")
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
        if len(self._headers) > MAX_HEADERS:
            raise MultipartMalformed(f"a part has more than {MAX_HEADERS} headers")

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
    found: dict[bytes, bytes] = {}
    for header in headers:
        key = bytes(header.name).strip().lower()
        if key in found and key in (b"content-disposition", b"content-type"):
            raise MultipartMalformed("a part repeats a header")
        found[key] = bytes(header.value)
    kind, options = parse_options_header(found.get(b"content-disposition", b""))
    if kind != b"form-data" or b"name" not in options:
        raise MultipartMalformed("a part has no Content-Disposition: form-data with a name")
    file_name = options.get(b"filename")
    try:
        media_type = found.get(b"content-type", b"application/octet-stream").decode("ascii").strip()
        return PartHeader(
            options[b"name"].decode("utf-8"), None if file_name is None else file_name.decode("utf-8"), media_type
        )
    except UnicodeDecodeError as error:
        raise MultipartMalformed("a part's headers are not UTF-8") from error
