"""Format identification: the same answers as FIDO, by fewer expressions."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.signatures.format_expressions import extent, leading, required, widest
from zdda.signatures.identification import _formats, identify

WINDOW = 64 * 1024


@pytest.mark.parametrize(
    ("head", "puid"),
    [
        (b"%PDF-1.7\n...\n%%EOF\n", "fmt/276"),
        (b"%PDF-1.4\n...\n%%EOF\n", "fmt/18"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 60 + b"IEND\xaeB`\x82", "fmt/11"),
        (b"<?xml version='1.0'?><a/>", "fmt/101"),
    ],
)
def test_known_beginnings(head: bytes, puid: str) -> None:
    found = identify(head, head)
    assert found is not None
    assert found.puid == puid


def test_what_is_unknown_is_none() -> None:
    assert identify(b"", b"") is None
    assert identify(b"just a text", b"just a text") is None


def test_a_media_type_comes_along() -> None:
    found = identify(b"%PDF-1.7\n%%EOF", b"%PDF-1.7\n%%EOF")
    assert found is not None
    assert (found.media_type, found.version) == ("application/pdf", "1.7")


@pytest.mark.parametrize(
    ("expression", "literal", "start", "window"),
    [
        (r"(?s)\A%PDF-1\.7", b"%PDF-1.7", 0, 8),
        (r"(?s)\A.{0,4}PK\x03\x04", b"PK\x03\x04", 0, 8),
        (r"(?s)\A.{4}ab+", b"a", 4, 5),
        (r"(?s)\A.{2,9}.{3}ab", b"ab", 5, 14),
        (r"(?s)\A(?:a|b)c", b"", 0, 0),
        (r"(?s)\Aab|cd", b"", 0, 0),
        (r"(?s)\Aabc{2}", b"ab", 0, 2),
    ],
)
def test_what_an_expression_begins_with(expression: str, literal: bytes, start: int, window: int) -> None:
    assert leading(expression) == (literal, start, window)


@pytest.mark.parametrize(
    ("expression", "literal"),
    [
        (r"(?s)%%EOF.{0,1024}\Z", b"%%EOF"),
        (r"(?s)0(?:\r\n|\n)SECTION(?:\r\n|\n)  2", b"SECTION"),
        (r"(?s)ab[cd]*efgh?", b"efg"),
        (r"(?s)ab|cdef", b""),
        (r"(?s)x{3}yy", b"yy"),
    ],
)
def test_what_an_expression_cannot_do_without(expression: str, literal: bytes) -> None:
    assert required(expression) == literal


@pytest.mark.parametrize(
    ("expression", "most"),
    [
        (r"(?s)%%EO(?:F|F\n|F\r\x00).{0,1024}\Z", 1031),
        (r"(?s)a[)\]]\x41\.?b{3}\Z", 7),
        (r"(?s)\A.{2,9}(?:ab|c(?:d|efg){2}){0,2}x??", 9 + 14 + 1),
        (r"(?s)ab*\Z", None),
        (r"(?s)ab+?\Z", None),
        (r"(?s)ab{2,}\Z", None),
        (r"(?s)(?=ab)c\Z", None),
        (r"(?s)a\Z|b", None),
        (r"(?s)ab", None),
        (r"(?s)a\d\Z", None),
    ],
)
def test_how_long_a_match_can_be(expression: str, most: int | None) -> None:
    assert widest(expression) == most


def test_how_long_matches_can_be_in_all_of_the_registry() -> None:
    """The standard library's own reckoning is private: a test may ask it."""
    parse = __import__("re")._parser.parse
    told = 0
    for item in _formats():
        for pattern in (pattern for signature in item.signatures for pattern in signature):
            most = widest(pattern.expression)
            if most is not None and pattern.position != "VAR":
                told += 1
                assert most == parse(pattern.expression).getwidth()[1], pattern.expression
    assert told > 2000


def test_extents() -> None:
    assert extent("(a(b)c)d") == 7
    assert extent("[)]x") == 3
    assert extent(r"\(x") == 2
    assert extent("{0,4}x") == 5


@pytest.fixture(scope="module")
def fido() -> object:
    module = pytest.importorskip("fido.fido")
    files = ["formats-v109.xml", "format_extensions.xml"]
    return module.Fido(quiet=True, nocontainer=True, format_files=files)


def oracle(fido: object, head: bytes, tail: bytes) -> str | None:
    matches = fido.match_formats(head, tail)  # type: ignore[attr-defined]
    return matches[0][0].findtext("puid") if matches else None


def test_the_same_answers_as_fido_on_public_documents(shared: Path, fido: object) -> None:
    paths = sorted(path for path in (shared / "corpus" / "documents").rglob("*") if path.is_file())[::6]
    assert len(paths) > 80
    for path in paths:
        data = path.read_bytes()
        head, tail = data[:WINDOW], data[-WINDOW:]
        found = identify(head, tail)
        assert (found.puid if found else None) == oracle(fido, head, tail), path.name


def test_the_same_answers_as_fido_on_made_files(fido: object) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "text")
    for data in (
        packed.getvalue(),
        b"GIF89a" + b"\x00" * 20 + b";",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01",
        b"II*\x00",
    ):
        found = identify(data, data)
        assert (found.puid if found else None) == oracle(fido, data, data)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([b"%PDF-1.7", b"PK\x03\x04", b"<?xml", b"II*\x00", b"\xd0\xcf\x11\xe0"]), st.binary(max_size=200)
)
def test_any_bytes_get_an_answer(start: bytes, rest: bytes) -> None:
    identify(start + rest, rest)
