"""Names out of certificates: read as they stand, fit to be shown, and never an error."""

from __future__ import annotations

import unicodedata

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import END, START, key, world
from zdda.signatures import certificate_names
from zdda.signatures.certificate_names import CertificateNames, names_of, shown
from zdda.signatures.certificates import load_certificate
from zdda.signatures.cms_plain import NotPlain
from zdda.signatures.der import encode
from zdda.signatures.errors import FormatError

Pairs = list[tuple[x509.ObjectIdentifier, str]]


def named(pairs: Pairs) -> CertificateNames:
    """The names of a certificate whose subject and issuer are these."""
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key("names").public_key())
    made = builder.serial_number(0xABC).not_valid_before(START).not_valid_after(END).sign(key("names"), hashes.SHA256())
    found = names_of(made.public_bytes(Encoding.DER))
    assert found is not None
    return found


def test_a_person_of_an_organisation() -> None:
    found = named(
        [
            (NameOID.COUNTRY_NAME, "CZ"),
            (NameOID.ORGANIZATION_NAME, 'Nemocnice, "U Lípy"'),
            (NameOID.COMMON_NAME, "MUDr. Jana Nováková"),
            (x509.ObjectIdentifier("1.2.3.4"), "odd"),
        ]
    )
    assert found.name == "MUDr. Jana Nováková"
    assert found.organization == 'Nemocnice, "U Lípy"'
    assert found.subject == 'C=CZ, O=Nemocnice\\, \\"U Lípy\\", CN=MUDr. Jana Nováková, 1.2.3.4=odd'
    assert found.issuer == found.subject
    assert found.serial == "abc"
    assert not found.pseudonym


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([(NameOID.GIVEN_NAME, "Jan"), (NameOID.SURNAME, "Novák"), (NameOID.ORGANIZATION_NAME, "O")], "Jan Novák"),
        ([(NameOID.PSEUDONYM, "Sova")], "Sova"),
        ([(NameOID.ORGANIZATION_NAME, "Pečeť s.r.o.")], "Pečeť s.r.o."),
        ([(NameOID.SERIAL_NUMBER, "42")], "serialNumber=42"),
        ([], ""),
        ([(NameOID.COMMON_NAME, "first"), (NameOID.COMMON_NAME, "second")], "first"),
    ],
)
def test_the_shortest_text_that_names_the_subject(pairs: Pairs, name: str) -> None:
    found = named(pairs)
    assert found.name == name
    assert found.pseudonym == (name == "Sova")


def test_a_name_cannot_rewrite_what_stands_around_it() -> None:
    found = named([(NameOID.COMMON_NAME, "Jana\u202e\u2066\x1b[2J\r\nVerdict: valid\u2028\x00")])
    assert found.name == "Jana\ufffd\ufffd\ufffd[2J\ufffd\ufffdVerdict: valid\ufffd\ufffd"
    assert all(unicodedata.category(each)[0] != "C" for each in found.subject)


def test_names_are_bounded() -> None:
    assert len(shown("x" * 100_000)) == 256
    assert named([(NameOID.ORGANIZATIONAL_UNIT_NAME, "u")] * 100).subject.count("OU=") == 32


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.binary(max_size=30))
def test_whatever_a_certificate_holds_there_is_no_error(place: int, value: int, rubbish: bytes) -> None:
    der = bytearray(world().signer.der)
    der[place % len(der)] = value
    for data in (bytes(der), bytes(der[: place % len(der)]) + rubbish, rubbish):
        found = names_of(data)
        assert found is None or f"{found.name}{found.subject}{found.issuer}".encode() is not None  # no surrogates


IDENTIFIERS = ["550403", "550406", "550461", "2a0304", "0992268993f22c640119", "2a864886f70d010901", "80"]
KINDS = st.sampled_from([b"", *map(bytes.fromhex, IDENTIFIERS)])
VALUE = st.binary(max_size=12) | st.text(max_size=6).map(str.encode)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            KINDS, st.sampled_from([0x0C, 0x13, 0x13, 0x14, 0x16, 0x1E, 0x04]), VALUE, st.sampled_from([0x31, 0x30])
        ),
        max_size=4,
    ),
    st.binary(max_size=2),
)
def test_plain_names_are_read_as_asn1crypto_reads_them(
    attributes: list[tuple[bytes, int, bytes, int]], after: bytes
) -> None:
    name = b"".join(
        encode(over, encode(0x30, encode(0x06, kind) + encode(tag, value))) for kind, tag, value, over in attributes
    )
    data = encode(0x30, name) + after
    try:
        found = certificate_names._plain_attributes(data)
    except (NotPlain, FormatError, IndexError, ValueError):
        return
    assert list(found) == certificate_names._irregular_attributes(data)


def test_the_usual_name_is_plain() -> None:
    """Else the comparison would compare nothing."""
    assert certificate_names._plain_attributes(load_certificate(world().signer.der).subject)
