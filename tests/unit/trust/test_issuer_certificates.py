"""Issuers' certificates, fetched from where certificates say they are."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.unit.validation.laboratory import Member, certificate
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError
from zdda.trust.issuer_certificates import certificates_in, issuer_addresses, missing_issuers


def at(*urls: str) -> list[tuple[x509.ExtensionType, bool]]:
    kind = AuthorityInformationAccessOID.CA_ISSUERS
    named = [x509.AccessDescription(kind, x509.UniformResourceIdentifier(url)) for url in urls]
    return [(x509.AuthorityInformationAccess(named), False)]


ROOT = certificate("issuers root", None, ca=True)
UPPER = certificate("issuers upper", ROOT, ca=True, extra=at("http://ca.example/root.cer"))
LOWER = certificate("issuers lower", UPPER, ca=True, extra=at("http://ca.example/upper.p7c"))
LEAF = certificate("issuers leaf", LOWER, extra=at("http://ca.example/lower.cer"))


def bundle(*members: Member) -> bytes:
    return pkcs7.serialize_certificates([member.certificate for member in members], Encoding.DER)


class Web:
    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"http://ca.example/{name.replace('_', '.')}": page for name, page in pages.items()}
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes | None:
        self.asked.append(url)
        return self.pages.get(url)


def test_a_chain_is_followed_to_its_end() -> None:
    web = Web(lower_cer=LOWER.der, upper_p7c=bundle(ROOT, UPPER), root_cer=ROOT.der)
    assert missing_issuers([LEAF.der], web) == (LOWER.der, UPPER.der, ROOT.der)
    assert len(web.asked) == 3


def test_what_is_there_is_not_asked_for() -> None:
    web = Web()
    assert missing_issuers([LEAF.der, LOWER.der, UPPER.der, ROOT.der], web) == ()
    assert web.asked == []


def test_who_did_not_sign_is_not_taken() -> None:
    """A namesake of the issuer with another key, a stranger, the certificate itself."""
    for page in (ROOT.der, LEAF.der, bundle(ROOT, UPPER), b"", b"rubbish", b"\x30\x80\x00\x00"):
        assert missing_issuers([LEAF.der], Web(lower_cer=page)) == ()


def test_a_host_that_leads_in_circles_comes_to_an_end() -> None:
    one = certificate("circle one", None, ca=True, extra=at("http://ca.example/two.cer"))
    two = certificate("circle two", one, ca=True, extra=at("http://ca.example/one.cer"))
    back = certificate("circle one", two, ca=True, extra=at("http://ca.example/two.cer"))
    web = Web(one_cer=back.der, two_cer=two.der)
    assert len(missing_issuers([two.der], web)) <= 2
    assert len(web.asked) <= 10


def test_only_http_addresses_are_asked_and_four_at_most() -> None:
    many = [f"http://ca.example/{number}.cer" for number in range(9)]
    leaf = certificate("issuers many", LOWER, extra=at("ldap://ca.example/x", "file:///etc/passwd", *many))
    assert issuer_addresses(load_certificate(leaf.der)) == many[:4]
    assert issuer_addresses(load_certificate(ROOT.der)) == []


def test_bundles_are_bounded() -> None:
    assert certificates_in(bundle(ROOT, UPPER)) == [ROOT.der, UPPER.der] or certificates_in(bundle(ROOT, UPPER)) == [
        UPPER.der,
        ROOT.der,
    ]
    assert certificates_in(ROOT.der + b"after") == [ROOT.der]
    with pytest.raises(FormatError):
        certificates_in(bytes(2 * 1024 * 1024))
    with pytest.raises(FormatError):
        certificates_in(bundle(*[ROOT, UPPER] * 60))
    assert missing_issuers([LEAF.der], Web(lower_cer=bundle(*[ROOT, LOWER] * 60))) == ()


def test_rubbish_is_passed_over() -> None:
    assert missing_issuers([b"", b"rubbish", LEAF.der], Web(lower_cer=LOWER.der))[:1] == (LOWER.der,)
