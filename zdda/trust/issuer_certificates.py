"""Certificates of issuers that a document does not carry, found where a certificate says they are (RFC 5280 clause
4.2.2.1, caIssuers): one DER certificate, or a bundle of certificates after PKCS #7 (RFC 5751 "certs-only").

What is taken was signed: a candidate counts only if its key verifies the certificate that pointed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from zdda.signatures import der as tlv
from zdda.signatures.certificates import Certificate, load_certificate, same_name
from zdda.signatures.errors import FormatError
from zdda.signatures.signed_structure import is_signed_by

MAXIMUM_BUNDLE = 1024 * 1024
_MOST_IN_A_BUNDLE = 100
_MOST_ADDRESSES = 4
_LONGEST_CHAIN = 10
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


def missing_issuers(certificates: Sequence[bytes], fetch: Callable[[str], bytes | None]) -> tuple[bytes, ...]:
    """DER certificates that lead on from those of ``certificates`` whose issuer is not among them.

    ``fetch`` gives what is at an address, or None. At most ten steps; nothing is raised for what cannot be read.
    """
    pool = [each for each in map(_loaded, certificates) if each is not None]
    found: list[bytes] = []
    waiting = [each for each in pool if not _has_issuer(each, pool)]
    for _ in range(_LONGEST_CHAIN):
        following: list[Certificate] = []
        for certificate in waiting:
            for url in issuer_addresses(certificate):
                answer = fetch(url)
                issuers = [] if answer is None else _issuers_in(answer, certificate)
                if issuers:
                    fresh = [each for each in issuers if each.der not in found]
                    found += [each.der for each in fresh]
                    pool += fresh
                    following += fresh
                    break
        waiting = [each for each in following if not _has_issuer(each, pool)]
        if not waiting:
            break
    return tuple(found)


def issuer_addresses(certificate: Certificate) -> list[str]:
    """Where the certificate says its issuer's is, http and https only, four at most."""
    try:
        extensions = x509.load_der_x509_certificate(certificate.der).extensions
        access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    names = [item.access_location for item in access if item.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [url for url in urls if url.lower().startswith(("http://", "https://"))][:_MOST_ADDRESSES]


def certificates_in(answer: bytes) -> list[bytes]:
    """The certificates of one answer, as they stand; raises ``FormatError`` where it is neither form."""
    if len(answer) > MAXIMUM_BUNDLE:
        raise FormatError("a bundle of certificates is too long")
    _, start, end, _ = tlv.read(answer)
    if answer[start : start + len(_SIGNED_DATA)] != _SIGNED_DATA:
        return [answer[:end]]
    _, content, content_end, _ = tlv.read(answer, start + len(_SIGNED_DATA), end)
    _, signed, signed_end, _ = tlv.read(answer, content, content_end)
    for tag, first, last in tlv.children(answer, signed, signed_end, 6):
        if tag == 0xA0:
            _, inner, inner_end, _ = tlv.read(answer, first, last)
            listed = tlv.children(answer, inner, inner_end, _MOST_IN_A_BUNDLE)
            return [answer[a:b] for kind, a, b in listed if kind == tlv.SEQUENCE]
    return []


def _issuers_in(answer: bytes, certificate: Certificate) -> list[Certificate]:
    try:
        listed = certificates_in(answer)
    except FormatError:
        return []
    loaded = [each for each in map(_loaded, listed) if each is not None]
    return [each for each in loaded if _issued(each, certificate)]


def _has_issuer(certificate: Certificate, pool: Sequence[Certificate]) -> bool:
    return certificate.self_issued or any(_issued(each, certificate) for each in pool)


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    return same_name(issuer.subject, certificate.issuer) and is_signed_by(
        certificate.der, certificate.sha256, issuer.public_key, issuer.public_key_info
    )


def _loaded(der: bytes) -> Certificate | None:
    try:
        return load_certificate(der)
    except FormatError:
        return None
