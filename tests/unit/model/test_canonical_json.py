from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.ingest.intake_policy import Standing
from zdda.model.canonical_json import _ordered, canonical_json, canonical_text, parse_canonical, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_writing_what_was_read_gives_the_same_bytes(value: object) -> None:
    data = canonical_json(value)
    assert parse_json(data) == value
    assert canonical_json(parse_json(data)) == data


@given(VALUES)
def test_what_need_not_be_copied_is_written_alike(value: object) -> None:
    copied = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()
    assert canonical_json(value) == copied
    assert canonical_json({"b": (value,), "a": value}) == b'{"a":' + copied + b',"b":[' + copied + b"]}"


def test_subclasses_and_mappings_are_written_as_what_they_are() -> None:
    value = MappingProxyType({"b": Standing.TOTAL_PASSED, "a": [MappingProxyType({})]})
    assert canonical_json(value) == b'{"a":[{}],"b":"TOTAL_PASSED"}'


def test_members_are_sorted_by_utf_16_code_units() -> None:
    assert canonical_json({"\ue000": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", {1: 2}, {"a": object()}, "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError for the lone surrogate
        canonical_json(value)


@pytest.mark.parametrize("data", [b'{"a":1,"a":2}', b"[NaN]", b"[Infinity]", b"\xff", b"", b"[" * 100_000])
def test_ambiguous_or_broken_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(data)


def test_json_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="over 3 bytes"):
        parse_json(b"[1] ", limit=3)


@given(VALUES)
def test_canonical_text_is_read_back(value: object) -> None:
    assert parse_canonical(canonical_text(value)) == value


@given(VALUES, st.integers(0, 200), st.sampled_from([" ", "0", "\\u0041", "1.0", '"a":1,', "\ud800", "NaN", "-0"]))
def test_other_text_is_not(value: object, place: int, more: str) -> None:
    text = canonical_text(value)
    text = text[: place % (len(text) + 1)] + more + text[place % (len(text) + 1) :]
    try:
        read = parse_canonical(text)
    except ValueError:
        return
    assert canonical_text(read) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"b":1,"a":1}',
        '{"a":1.0}',
        '{"a": 1}',
        '"\\u0041"',
        "[1e2]",
        "-0",
        "NaN",
        "1 ",
        "",
        "[" * 100_000,
        '{"\ufffd":1,"\U0001f600":2}',  # in the order of code points, which is not that of UTF-16
    ],
)
def test_what_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_canonical(text)


def test_quoted_colons_are_no_names() -> None:
    text = canonical_text({"a": 'Jiří "x":', "b": ["é:", 'ž":"']})
    assert parse_canonical(text)["a"] == 'Jiří "x":'
