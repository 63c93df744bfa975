"""QCStatements and certificate policies of a certificate: what it claims, and that rubbish claims nothing."""

from __future__ import annotations

from asn1crypto import core
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import certificate
from zdda.signatures import qualified_statements as module
from zdda.signatures.cms_plain import NotPlain
from zdda.signatures.der import SEQUENCE, encode
from zdda.signatures.errors import FormatError
from zdda.signatures.qualified_statements import QualifiedStatements, qualified_statements

STATEMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
COMPLIANCE, DEVICE, TYPES = "0.4.0.1862.1.1", "0.4.0.1862.1.4", "0.4.0.1862.1.6"
ESIGN, WEB = "0.4.0.1862.1.6.1", "0.4.0.1862.1.6.3"


def oid(name: str) -> bytes:
    return bytes(core.ObjectIdentifier(name).dump())


def statement(name: str, *types: str) -> bytes:
    return encode(SEQUENCE, oid(name) + (encode(SEQUENCE, b"".join(map(oid, types))) if types else b""))


def read(value: bytes, *policies: str) -> QualifiedStatements:
    extra: list[tuple[x509.ExtensionType, bool]] = [(x509.UnrecognizedExtension(STATEMENTS, value), False)]
    if policies:
        listed = [x509.PolicyInformation(x509.ObjectIdentifier(name), None) for name in policies]
        extra.append((x509.CertificatePolicies(listed), False))
    return qualified_statements(certificate("qualified", None, extra=extra).der)


def test_statements_and_policies_are_read() -> None:
    value = encode(SEQUENCE, statement(COMPLIANCE) + statement(DEVICE) + statement(TYPES, ESIGN, WEB))
    assert read(value, "0.4.0.194112.1.2") == QualifiedStatements(
        True, True, frozenset({ESIGN, WEB}), frozenset({"0.4.0.194112.1.2"})
    )
    assert read(encode(SEQUENCE, statement(COMPLIANCE))) == QualifiedStatements(True)


def test_a_certificate_without_statements_claims_nothing() -> None:
    assert qualified_statements(certificate("plain", None).der) == QualifiedStatements()
    assert qualified_statements(b"rubbish") == QualifiedStatements()


def test_what_comes_before_the_rubbish_counts() -> None:
    value = encode(SEQUENCE, statement(COMPLIANCE) + b"\x30\x7f")
    assert read(value) == QualifiedStatements(True)
    assert read(encode(SEQUENCE, statement(TYPES))) == QualifiedStatements()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_rubbish_raises_nothing(value: bytes) -> None:
    read(value)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 3))
def test_plain_extensions_are_read_as_asn1crypto_reads_them(place: int, value: int, cut: int) -> None:
    der = bytearray(certificate("qualified", None).der)
    der[place % len(der)] = value
    data = bytes(der[: len(der) - cut])
    try:
        found = module._plain_extensions(data)
    except (NotPlain, FormatError, IndexError, ValueError):
        return
    assert found == module._irregular_extensions(data)


def test_the_usual_extensions_are_plain() -> None:
    """Else the comparison would compare nothing."""
    assert module._plain_extensions(certificate("qualified", None).der)
