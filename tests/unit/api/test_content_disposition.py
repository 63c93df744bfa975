from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.api.content_disposition import DispositionMalformed, attachment, parse_header, part_names


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('form-data; name="document"; filename="a.pdf"', ("document", "a.pdf")),
        ("form-data; name=metadata", ("metadata", None)),
        ('Form-Data ; NAME="x" ; FileName=a.pdf', ("x", "a.pdf")),
        ('form-data; name="d"; filename="a \\"b\\" \\\\c.pdf"', ("d", 'a "b" \\c.pdf')),
        ('form-data; name="d"; filename="C:\\temp\\a.pdf"', ("d", "C:\\temp\\a.pdf")),
        ('form-data; name="d"; filename="a%22b.pdf"', ("d", 'a"b.pdf')),
        ('form-data; name="d"; filename="a%0Ab.pdf"', ("d", "a\nb.pdf")),
        ('form-data; name="d"; filename="zpráva; 1.pdf"', ("d", "zpráva; 1.pdf")),
        ("form-data; name=d; filename=\"zprava.pdf\"; filename*=UTF-8''zpr%C3%A1va.pdf", ("d", "zpráva.pdf")),
        ("form-data; name=d; filename*=utf-8'cs'%E2%82%AC.pdf", ("d", "€.pdf")),
    ],
)
def test_names_of_a_part(header: str, expected: tuple[str, str | None]) -> None:
    assert part_names(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "attachment; name=d",
        "form-data",
        'form-data; name=""',
        "form-data; name=d; name=e",
        'form-data; name="d',
        'form-data; name="d" filename="x"',
        "form-data; name=d; filename",
        "form-data; name=d;",
        "form-data; name=d; filename*=ISO-8859-2''%E1.pdf",
        "form-data; name=d; filename*=UTF-8''%E1.pdf",
        "form-data; name=d; filename*=UTF-8''%zz.pdf",
        'form-data; filename="a.pdf"',
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(header: str) -> None:
    with pytest.raises(DispositionMalformed):
        part_names(header)


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DispositionMalformed):
        parse_header(text)


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_the_exact_name_comes_back_from_a_download(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert not set(header) & {"\r", "\n", "\x00"}
    _, parameters = parse_header(header)
    assert part_names(header.replace("attachment", "form-data; name=x", 1))[1] == name
    assert set(parameters) == {"filename", "filename*"}


def test_the_fallback_is_legible() -> None:
    assert attachment("Příloha č. 1.pdf").startswith('attachment; filename="Priloha c. 1.pdf"; ')
