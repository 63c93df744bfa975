from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.api.multipart import (
    MAX_HEADER_BYTES,
    MultipartMalformed,
    MultipartReader,
    PartHeader,
    boundary_of,
)
from zdda.model.errors import ZddaError

BOUNDARY = b"simple-boundary"


class _Sink:
    def __init__(self) -> None:
        self.data, self.closed = b"", False

    def write(self, data: bytes, /) -> None:
        assert not self.closed
        self.data += data

    def close(self) -> None:
        self.closed = True


class _Parts:
    def __init__(self) -> None:
        self.parts: list[tuple[PartHeader, _Sink]] = []

    def open_part(self, header: PartHeader) -> _Sink:
        self.parts.append((header, _Sink()))
        return self.parts[-1][1]

    def seen(self) -> list[tuple[str, str | None, str, bytes, bool]]:
        return [(h.name, h.file_name, h.media_type, s.data, s.closed) for h, s in self.parts]


def part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'--{BOUNDARY.decode()}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def read(data: bytes, cuts: list[int] | None = None, max_parts: int = 10) -> list[tuple[object, ...]] | str:
    """What the parts were, or the code of the error."""
    receiver = _Parts()
    reader = MultipartReader(BOUNDARY, receiver, max_parts)
    edges = [0, *sorted(cuts or []), len(data)]
    try:
        for start, end in pairwise(edges):
            reader.feed(data[start:end])
        reader.finish()
    except ZddaError as error:
        return error.code
    return list(receiver.seen())


SAMPLE = body(
    part("metadata", b'{"title": "x"}', "\r\nContent-Type: application/json"),
    part(
        "document",
        b"%PDF-1.7\r\n--simple-boundar\r\n-- \r\n\r\n--simple-boundary\x00\r",
        '; filename="a.pdf"\r\nContent-Type: application/pdf',
    ),
    part("attachment", b"", '; filename="b.txt"\r\nContent-Type: text/plain; charset=utf-8'),
)


def test_reads_parts() -> None:
    assert read(SAMPLE) == [
        ("metadata", None, "application/json", b'{"title": "x"}', True),
        (
            "document",
            "a.pdf",
            "application/pdf",
            b"%PDF-1.7\r\n--simple-boundar\r\n-- \r\n\r\n--simple-boundary\x00\r",
            True,
        ),
        ("attachment", "b.txt", "text/plain", b"", True),
    ]


def test_cut_short_anywhere_is_an_error() -> None:
    closing = SAMPLE.rindex(b"--")  # after the last two hyphens the body is whole
    for length in range(closing + 2):
        assert read(SAMPLE[:length]) == "multipart-malformed", length
    assert read(SAMPLE[: closing + 2]) == read(SAMPLE)


def test_two_chunks_cut_anywhere_are_one_body() -> None:
    whole = read(SAMPLE)
    for cut in range(len(SAMPLE)):
        assert read(SAMPLE, [cut]) == whole, cut


def test_byte_by_byte_is_one_body() -> None:
    assert read(SAMPLE, list(range(1, len(SAMPLE)))) == read(SAMPLE)


_PIECES = [BOUNDARY, b"--", b"\r\n", b"\r", b"\n", b"x", b" ", b"\x00", b"--" + BOUNDARY, b"Content-Type: a/b", b":"]
_contents = st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join)


@settings(max_examples=200)
@given(st.lists(_contents, max_size=3), st.data())
def test_chunking_never_changes_what_is_read(contents: list[bytes], data: st.DataObject) -> None:
    text = body(*(part("document", content, '; filename="x"') for content in contents))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
    assert read(text, cuts) == read(text)


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*_PIECES, b"Content-Disposition: form-data; name=d"]), max_size=20).map(b"".join))
def test_any_bytes_are_read_or_refused_alike(text: bytes) -> None:
    assert read(text, list(range(1, len(text)))) == read(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no multipart at all",
        b"--other\r\n",
        body(b"--" + BOUNDARY + b"\r\nno header\r\n\r\nx\r\n"),
        body(b"--" + BOUNDARY + b"\r\n\r\nno disposition\r\n"),
        body(part("d", b"x", "\r\nContent-Disposition: form-data; name=e")),
        body(part("d", b"x", "\r\nContent-Type: a/b\r\nContent-Type: c/d")),
        body(part("d", b"x", "\r\nContent-Transfer-Encoding: base64")),
        body(part("d", b"x", "\r\n folded: x")),
        body(part("d", b"x", "\r\nX: " + "a" * (MAX_HEADER_BYTES + 1))),
        body(part("d", b"x", "".join(f"\r\nX-{n}: a" for n in range(20)))),
        b"--",
        body(*(part("d", b"x") for _ in range(11))),
    ],
)
def test_malformed(text: bytes) -> None:
    assert read(text) == "multipart-malformed"


def test_headers_that_are_not_utf8() -> None:
    assert read(body(part("d", b"x", '; filename="?"').replace(b"?", b"\xff"))) == "multipart-malformed"


def test_a_header_that_never_ends_is_refused_before_it_is_kept() -> None:
    reader = MultipartReader(BOUNDARY, _Parts(), 10)
    reader.feed(b"--" + BOUNDARY + b"\r\n")
    reader.feed(b"a" * MAX_HEADER_BYTES)
    with pytest.raises(MultipartMalformed):
        reader.feed(b"a")


def test_an_odd_media_type_is_not_repeated_later() -> None:
    read_types = read(body(part("d", b"x", "\r\nContent-Type: <script>"), part("e", b"x", "\r\nContent-Type: é/é")))
    assert [each[2] for each in read_types] == ["application/octet-stream"] * 2


def test_what_follows_the_end_is_ignored_however_it_is_cut() -> None:
    long = SAMPLE + b"epilogue --simple-boundary\r\n"
    assert read(long) == read(long, list(range(1, len(long)))) == read(SAMPLE)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=a; boundary=b",
        'multipart/form-data; boundary="a\r\nb"',
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=á",
        "application/x-www-form-urlencoded",
    ],
)
def test_no_boundary(content_type: str) -> None:
    with pytest.raises(MultipartMalformed):
        boundary_of(content_type)


def test_boundaries() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"') == b"a b"
    assert boundary_of("multipart/form-data; boundary=----WebKit7MA4YWxk") == b"----WebKit7MA4YWxk"
