"""The ASiC manifest has one form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.packaging.errors import ManifestInvalid
from zdda.packaging.manifest import ManifestEntry, decode_manifest, encode_manifest

ENTRIES = (ManifestEntry("a/b.pdf", "application/pdf", b"\1" * 32), ManifestEntry("a/c&d", "text/xml", b"\2" * 32))
GOOD = encode_manifest(ENTRIES)


def test_it_comes_back_in_ascending_order() -> None:
    assert decode_manifest(GOOD) == ENTRIES
    assert encode_manifest(ENTRIES[::-1]) == GOOD


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a/>",
        GOOD + b"\n",
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"<ds:DigestMethod", b"<!-- x --><ds:DigestMethod"),
        GOOD.replace(b"</asic:ASiCManifest>", b"<asic:ASiCManifestExtensions/></asic:ASiCManifest>"),
        GOOD.replace(b"xmlenc#sha256", b"xmlenc#sha512"),
        GOOD.replace(b"META-INF/signature001.p7s", b"META-INF/signature002.p7s"),
        GOOD.replace(b"a/c&amp;d", b"a/b.pdf"),
        GOOD.replace(b"?>\n", b"?>\n<!DOCTYPE x [<!ENTITY e 'x'>]>\n"),
        encode_manifest((ManifestEntry("a", "b", b"\1" * 20),)),
        b"<?xml version='1.0'?>" + b"<a>" * 10_000,
    ],
)
def test_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        decode_manifest(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_is_refused_or_says_something_else(position: int, change: int) -> None:
    data = bytearray(GOOD)
    data[position] ^= change
    try:
        found = decode_manifest(bytes(data))
    except ManifestInvalid:
        return
    assert found != ENTRIES
