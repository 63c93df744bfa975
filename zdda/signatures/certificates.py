"""Certificates as facts: names, keys, extensions, each parsed once per process.

The cache is bounded and keyed by the certificate's very bytes, so nothing an attacker sends can change
what another document sees.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.utils import CryptographyDeprecationWarning

from zdda.model.byte_cache import remembered
from zdda.signatures.der import children, in_utc, read
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signed_structure import split_signed

# What is odd in somebody's certificate is a finding at most, never a line on standard error.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module=__name__)
MAXIMUM_LENGTH = 256 * 1024
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
OCSP_NO_CHECK = "1.3.6.1.5.5.7.48.1.5"
NO_REV_AVAIL = "2.5.29.56"
VALIDITY_ASSURED_SHORT_TERM = "0.4.0.194121.2.1"
KNOWN_CRITICAL = frozenset(
    {
        "2.5.29.15",
        "2.5.29.32",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.36",
        "2.5.29.37",
        "2.5.29.31",
        "2.5.29.54",
        "1.3.6.1.5.5.7.1.3",
    }
)
"""Extensions that the archive understands where they are critical (RFC 5280 clause 4.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """What the archive asks of a certificate (RFC 5280). ``public_key`` is a key object of ``cryptography``,
    or None where the key's kind is unknown. ``issuer`` and ``subject`` are DER names, ``public_key_info`` is
    the DER SubjectPublicKeyInfo, ``signature`` the algorithm its issuer signed it with; ``key_size``: bits of the
    modulus or of the curve."""

    der: bytes
    sha256: bytes
    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    public_key: Any
    public_key_info: bytes
    key_identifier: bytes | None
    authority_key_identifier: bytes | None
    is_ca: bool
    path_length: int | None
    key_usage: frozenset[str] | None
    extended_key_usage: frozenset[str] | None
    critical_extensions: frozenset[str]
    extensions: frozenset[str]
    signature: SignatureAlgorithm
    key_size: int | None = None

    @property
    def self_issued(self) -> bool:
        return self.issuer == self.subject


@remembered(64 * 1024 * 1024)
def load_certificate(der: bytes) -> Certificate:
    """Raises ``FormatError`` where the bytes are no certificate."""
    if len(der) > MAXIMUM_LENGTH:
        raise FormatError("a certificate is too long")
    try:
        return _load(der)
    except FormatError:
        raise
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception as error:  # two parsers of hostile bytes raise whatever they like
        raise FormatError("a certificate cannot be read") from error


def _load(der: bytes) -> Certificate:
    issuer, subject, serial, key_info = _names(der)
    if serial <= 0:
        return _load_leniently(der)
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        return _load_leniently(der)
    try:
        public_key: Any = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    try:
        extensions = {extension.oid.dotted_string: extension for extension in certificate.extensions}
    except (ValueError, x509.DuplicateExtension):
        return _load_leniently(der)
    value = {oid: extension.value for oid, extension in extensions.items()}
    basic: Any = value.get("2.5.29.19")
    usage: Any = value.get("2.5.29.15")
    extended: Any = value.get("2.5.29.37")
    key_identifier: Any = value.get("2.5.29.14")
    authority: Any = value.get("2.5.29.35")
    return Certificate(
        der=der,
        sha256=hashlib.sha256(der).digest(),
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        public_key=public_key,
        public_key_info=key_info,
        key_identifier=key_identifier.digest if key_identifier else None,
        authority_key_identifier=authority.key_identifier if authority else None,
        is_ca=bool(basic and basic.ca),
        path_length=basic.path_length if basic else None,
        key_usage=frozenset(name for name in _USAGES if getattr(usage, name)) if usage else None,
        extended_key_usage=frozenset(oid.dotted_string for oid in extended) if extended else None,
        critical_extensions=frozenset(oid for oid, extension in extensions.items() if extension.critical),
        extensions=frozenset(extensions),
        signature=split_signed(der).algorithm,
        key_size=_key_size(public_key),
    )


def _key_size(public_key: Any) -> int | None:
    if isinstance(public_key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey):
        return public_key.key_size
    return None


@remembered(8 * 1024 * 1024, times=3)
def _hashable_name(name: bytes) -> str:
    return str(asn1_x509.Name.load(name).hashable)


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two DER names are equal after RFC 5280 clause 7.1: string types and case do not count."""
    if one == other:
        return True
    try:
        return _hashable_name(one) == _hashable_name(other)
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - of hostile bytes; a name that cannot be read is equal to itself only
        return False


def _names(der: bytes) -> tuple[bytes, bytes, int, bytes]:
    """Issuer, subject, serial number and key exactly as they stand (RFC 5280 clause 4.1)."""
    _, start, end, _ = read(der)
    _, start, end, _ = read(der, start, end)
    fields = list(children(der, start, end, 16))
    if fields and fields[0][0] == 0xA0:
        fields = fields[1:]
    if len(fields) < 6:
        raise FormatError("a certificate lacks fields")
    _, serial_start, serial_end, _ = read(der, fields[0][1], fields[0][2])
    serial = int.from_bytes(der[serial_start:serial_end], signed=True)
    issuer, subject, key_info = (der[fields[i][1] : fields[i][2]] for i in (2, 4, 5))
    return issuer, subject, serial, key_info


def _load_leniently(der: bytes) -> Certificate:
    """Old certificates that the strict parser refuses (negative serial numbers, odd encodings)."""
    certificate = asn1_x509.Certificate.load(der, strict=True)
    tbs = certificate["tbs_certificate"]
    try:
        public_key: Any = load_der_public_key(tbs["subject_public_key_info"].dump())
    except (ValueError, UnsupportedAlgorithm):
        public_key = None
    basic, usage, extended = (
        certificate.basic_constraints_value,
        certificate.key_usage_value,
        certificate.extended_key_usage_value,
    )
    names = {"non_repudiation": "content_commitment"}
    authority = certificate.authority_key_identifier_value
    listed = [(item["extn_id"].dotted, item["critical"].native) for item in tbs["extensions"] or ()]
    return Certificate(
        der=der,
        sha256=hashlib.sha256(der).digest(),
        serial=certificate.serial_number,
        issuer=certificate.issuer.dump(),
        subject=certificate.subject.dump(),
        not_before=in_utc(tbs["validity"]["not_before"].native),
        not_after=in_utc(tbs["validity"]["not_after"].native),
        public_key=public_key,
        public_key_info=tbs["subject_public_key_info"].dump(),
        key_identifier=certificate.key_identifier,
        authority_key_identifier=authority["key_identifier"].native if authority else None,
        is_ca=bool(basic and basic["ca"].native),
        path_length=basic["path_len_constraint"].native if basic else None,
        key_usage=frozenset(names.get(name, name) for name in usage.native) if usage else None,
        extended_key_usage=frozenset(item.dotted for item in extended) if extended else None,
        critical_extensions=frozenset(oid for oid, critical in listed if critical),
        extensions=frozenset(oid for oid, _ in listed),
        signature=split_signed(der).algorithm,
        key_size=_key_size(public_key),
    )
