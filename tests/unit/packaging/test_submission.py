"""Submission metadata: every error at once, by pointer, echoing nothing; one canonical way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from zdda.model.canonical_json import canonical_json
from zdda.model.submission import ExternalId, SubjectIdentifier
from zdda.packaging.submission import (
    MetadataInvalid,
    MetadataTooLarge,
    as_json,
    from_json,
    parse_submission_metadata,
)

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "schemas/submission-metadata-v1.json").read_text("utf-8"))
FULL = SCHEMA["examples"][0]
LEAST = {"title": "T", "documentType": "d", "retentionClass": "c"}


def errors_of(value: Any) -> dict[str, str]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(MetadataInvalid) as caught:
        parse_submission_metadata(data)
    assert caught.value.code == "metadata-invalid"
    assert caught.value.details["errors"] == [
        {"pointer": error.pointer, "message": error.message} for error in caught.value.errors
    ]
    return {error.pointer: error.message for error in caught.value.errors}


def test_the_schema_is_a_schema_and_its_examples_pass() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for example in SCHEMA["examples"]:
        Draft202012Validator(SCHEMA).validate(example)
        assert as_json(parse_submission_metadata(json.dumps(example).encode())) == example


def test_everything_is_read() -> None:
    metadata = parse_submission_metadata(json.dumps(FULL).encode())
    assert metadata.title == "Discharge summary"
    assert metadata.external_id == ExternalId("his", "2026/11/4711")
    assert metadata.subjects == (SubjectIdentifier("patient-number", "0000001"),)
    assert metadata.fields == {"episode": "4711"}
    assert from_json(as_json(metadata)) == metadata
    assert canonical_json(as_json(metadata)) == canonical_json(FULL)


def test_all_errors_come_at_once_by_pointer() -> None:
    found = errors_of(
        {
            "title": "",
            "documentType": 7,
            "created": "yesterday",
            "surprise": 1,
            "externalId": {"producer": "his"},
            "subjects": [{"type": "a", "value": "b"}, {"type": "x y", "value": "", "more": 1}],
            "fields": {"ok": "fine", "bad": 3, "no good": "x"},
        }
    )
    assert set(found) == {
        "",
        "/title",
        "/documentType",
        "/created",
        "/externalId",
        "/subjects/1",
        "/subjects/1/type",
        "/subjects/1/value",
        "/fields/bad",
        "/fields",
    }
    assert found["/externalId"] == "lacks the member id"


def test_what_was_sent_is_never_echoed() -> None:
    secret = "8001011234"
    value = {
        **LEAST,
        "title": secret + "\x00",
        secret + "!": 1,
        "created": secret,
        "subjects": [{"type": secret + " ", "value": {secret: 1}, secret: 0}],
    }
    value["fields"] = {secret + "?": secret, "f": [secret]}
    value["externalId"] = secret
    assert secret not in str(errors_of(value))


@pytest.mark.parametrize(
    "change",
    [
        {"title": "line\n"},
        {"title": "line\nbreak"},
        {"title": "  \t"},
        {"title": " \u00a0"},
        {"title": "x" * 501},
        {"title": "null\x00"},
        {"title": "\ufffe"},
        {"retentionClass": "a\n"},
        {"retentionClass": ""},
        {"created": "2026-02-30"},
        {"created": "2026-11-20T10:00:00"},
        {"created": "2026-11-20T25:00:00Z"},
        {"created": "2026-11-20\n"},
        {"subjects": [{"type": "a", "value": "b"}] * 101},
        {"fields": {"k": "x" * 4001}},
        {"fields": {f"k{n}": "" for n in range(201)}},
        {"fields": {"k": "\x0b"}},
        {"fields": {"": "x"}},
        {"externalId": {"producer": "p", "id": "i", "x": 1}},
        {"title": None},
        {"title": True},
    ],
)
def test_values_out_of_bounds_are_refused(change: dict[str, Any]) -> None:
    assert errors_of({**LEAST, **change})


def test_fields_may_have_lines_and_czech() -> None:
    value = {**LEAST, "title": "Propouštěcí zpráva – 𝔸", "fields": {"note": "a\n\tb", "empty": ""}}
    assert as_json(parse_submission_metadata(json.dumps(value).encode())) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"x"',
        b'{"title":1,"title":2}',
        b"NaN",
        b"[" * 500_000,
        b'{"title":"\\ud800","documentType":"d","retentionClass":"c"}',
        b"1" * 10_000,
    ],
)
def test_rubbish_is_an_error_of_the_caller(data: bytes) -> None:
    assert errors_of(data)


def test_size_is_bounded_before_parsing() -> None:
    with pytest.raises(MetadataTooLarge) as caught:
        parse_submission_metadata(b" " * (1024 * 1024 + 1))
    assert caught.value.code == "metadata-too-large"


def test_the_number_of_errors_is_bounded() -> None:
    value = {**LEAST, "fields": {f"k{n}": 1 for n in range(200)}}
    assert len(errors_of(value)) == 100


_TEXT = st.text(max_size=30)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["title", "documentType", "retentionClass", "created", "subjects", "fields", "x"]), _VALUE
    )
)
@settings(max_examples=80, deadline=None)
def test_anything_is_accepted_whole_or_refused_with_reasons(value: dict[str, Any]) -> None:
    try:
        metadata = parse_submission_metadata(json.dumps(value).encode())
    except MetadataInvalid as error:
        found = error.errors
    else:
        found = ()
        assert Draft202012Validator(SCHEMA).is_valid(value)
        assert parse_submission_metadata(canonical_json(as_json(metadata))) == metadata
    assert found or not any(key == "x" for key in value)
