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
from zdda.signatures.certificate_names import CertificateNames, names_of, shown

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
