"""Whether a CRL is meant for a certificate (RFC 5280 clause 6.3.3 b): issuing distribution point against the
certificate's distribution points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509

from zdda.model.byte_cache import remembered
from zdda.signatures.certificates import Certificate, same_name

_DISTRIBUTION_POINTS = "2.5.29.31"
_MOST_POINTS = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """``all_reasons``: whoever is not listed is not revoked for any reason (onlySomeReasons, reasons)."""

    all_reasons: bool


def scope_of(point: x509.IssuingDistributionPoint | None, certificate: Certificate, crl_issuer: bytes) -> Scope | None:
    """The part of the CRL that holds the certificate; None where it is meant for others.

    ``point``: the CRL's extension. ``crl_issuer``: its issuer's DER name; whether its signature is good is not asked.
    """
    by_issuer = same_name(crl_issuer, certificate.issuer)
    if point is None:
        return Scope(True) if by_issuer else None
    if point.only_contains_attribute_certs:
        return None
    if point.only_contains_user_certs and certificate.is_ca:
        return None
    if point.only_contains_ca_certs and not certificate.is_ca:
        return None
    names = _names(point.full_name, point.relative_name, crl_issuer)
    matching = [
        item.reasons is None
        for item in _points(certificate)
        if _is_issued_by(item, point, by_issuer, crl_issuer)
        and (names is None or names & _names_of(item, certificate.issuer))
    ]
    if by_issuer and (names is None or (not _points(certificate) and names & _directory(certificate.issuer))):
        matching.append(True)
    return Scope(point.only_some_reasons is None and any(matching)) if matching else None


def names_issuer_of_list(certificate: Certificate, crl_issuer: bytes) -> bool:
    """Whether a distribution point of the certificate names this issuer of indirect CRLs (cRLIssuer)."""
    return any(_is_named(item.crl_issuer, crl_issuer) for item in _points(certificate))


def _is_issued_by(
    item: x509.DistributionPoint, point: x509.IssuingDistributionPoint, by_issuer: bool, crl_issuer: bytes
) -> bool:
    if item.crl_issuer:
        return point.indirect_crl and _is_named(item.crl_issuer, crl_issuer)
    return by_issuer


def _is_named(names: Iterable[x509.GeneralName] | None, wanted: bytes) -> bool:
    return any(
        isinstance(name, x509.DirectoryName) and same_name(name.value.public_bytes(), wanted) for name in names or ()
    )


def _names_of(item: x509.DistributionPoint, certificate_issuer: bytes) -> frozenset[x509.GeneralName]:
    if item.full_name is None and item.relative_name is None:
        return frozenset(item.crl_issuer or ())
    named = next((n for n in item.crl_issuer or () if isinstance(n, x509.DirectoryName)), None)
    base = named.value.public_bytes() if named is not None else certificate_issuer
    return _names(item.full_name, item.relative_name, base) or frozenset()


def _names(
    full: list[x509.GeneralName] | None, relative: x509.RelativeDistinguishedName | None, base: bytes
) -> frozenset[x509.GeneralName] | None:
    """DistributionPointName as full names (clause 4.2.1.13: a relative one is below the CRL issuer's)."""
    if full is not None:
        return frozenset(full)
    if relative is None:
        return None
    parent = _name(base)
    return frozenset() if parent is None else frozenset({x509.DirectoryName(x509.Name([*parent.rdns, relative]))})


def _directory(name: bytes) -> frozenset[x509.GeneralName]:
    parsed = _name(name)
    return frozenset() if parsed is None else frozenset({x509.DirectoryName(parsed)})


def _name(der: bytes) -> x509.Name | None:
    try:
        return x509.Name.from_bytes(der)
    except ValueError:
        return None


@remembered(16 * 1024 * 1024)
def _points_of(der: bytes) -> tuple[x509.DistributionPoint, ...]:
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    return tuple(points)[:_MOST_POINTS]


def _points(certificate: Certificate) -> tuple[x509.DistributionPoint, ...]:
    return _points_of(certificate.der) if _DISTRIBUTION_POINTS in certificate.extensions else ()
