"""Names of documents: what is taken, what is not, and why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.packaging.document_names import DocumentNameInvalid, check_document_name, same_name_key
from zdda.packaging.xml_writer import is_xml_text


@pytest.mark.parametrize(
    "name",
    [
        "report.pdf",
        "Propouštěcí zpráva č. 5.pdf",
        "a",
        ".hidden",
        "console.txt",
        "com10.pdf",
        "x" * 255,
        "日本.pdf",
        "a..b",
        "😀.png",
    ],
)
def test_ordinary_names_are_taken_unchanged(name: str) -> None:
    assert check_document_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("x" * 300, "too-long"),
        ("ž" * 128, "too-long"),
        ("a\x00b", "control-characters"),
        ("a\nb.pdf", "control-characters"),
        ("a\x85b", "control-characters"),
        ("a\u2028b", "control-characters"),
        ("a\ud800", "control-characters"),
        ("a\uffff", "control-characters"),
        ("a\U0001fffe", "control-characters"),
        ("evil\u202efdp.exe", "invisible-characters"),
        ("a\u200fb", "invisible-characters"),
        ("a\u2066b", "invisible-characters"),
        ("a\u200bb", "invisible-characters"),
        ("a\ufeffb", "invisible-characters"),
        ("../etc/passwd", "path"),
        ("..\\x", "path"),
        ("a/b", "path"),
        ("..", "path"),
        (".", "path"),
        ("a:b", "forbidden-characters"),
        ("a?.pdf", "forbidden-characters"),
        ("CON", "reserved"),
        ("nul.pdf", "reserved"),
        ("Com1.tar.gz", "reserved"),
        ("LPT².txt", "reserved"),
        ("con .txt", "reserved"),
        ("conin$", "reserved"),
        ("name.", "ends-badly"),
        ("name ", "ends-badly"),
        (" name", "ends-badly"),
    ],
)
def test_each_reason(name: str, reason: str) -> None:
    with pytest.raises(DocumentNameInvalid) as caught:
        check_document_name(name)
    assert reason in caught.value.reasons
    assert caught.value.code == "document-name-invalid"
    assert "passwd" not in str(caught.value)


def test_all_reasons_come_at_once() -> None:
    with pytest.raises(DocumentNameInvalid) as caught:
        check_document_name("../a\u202e\x00:" + "x" * 300 + ".")
    assert len(caught.value.reasons) == 6


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_what_is_taken_fits_xml_and_one_path_segment(name: str) -> None:
    try:
        taken = check_document_name(name)
    except DocumentNameInvalid:
        return
    assert taken == name
    assert is_xml_text(name)
    assert "/" not in name


def test_names_alike_have_the_same_key() -> None:
    assert same_name_key("Zpráva.PDF") == same_name_key("zpra\u0301va.pdf")
    assert same_name_key("a") != same_name_key("b")
