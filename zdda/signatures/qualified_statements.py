"""What a certificate says of its own qualification: QCStatements (ETSI EN 319 412-5, RFC 3739), certificate policies.

Statements are read leniently: one that cannot be read claims nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import x509 as asn1_x509

from zdda.model.byte_cache import remembered
from zdda.signatures import der as tlv
from zdda.signatures.cms_plain import NotPlain, plain_items
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import dotted

_STATEMENTS, _POLICIES = "1.3.6.1.5.5.7.1.3", "2.5.29.32"
_COMPLIANCE, _SECURE_DEVICE, _TYPES = "0.4.0.1862.1.1", "0.4.0.1862.1.4", "0.4.0.1862.1.6"
_ITEMS = 200
_BOOLEAN = 0x01
# Tags of a certificate of version 3 without unique identifiers, of what is signed in it, and of an extension.
_CERTIFICATE = (0x30, 0x30, 0x30, 0x03)
_TO_BE_SIGNED = (0xA0, 0x02, 0x30, 0x30, 0x30, 0x30, 0x30, 0xA3)
_EXTENSION = (0x30, 0x06, 0x04)
# The tag of an extension's value, where asn1crypto knows what it is: another one it refuses with all extensions.
_TAGS = {
    asn1_x509.ExtensionId(name).dotted: value.class_ << 6 | value.method << 5 | value.tag
    for name, value in asn1_x509.Extension._oid_specs.items()
}


@dataclass(frozen=True, slots=True)
class QualifiedStatements:
    """QcCompliance, QcSSCD, the identifiers in QcType, the certificate policies."""

    compliance: bool = False
    secure_device: bool = False
    types: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()


@remembered(16 * 1024 * 1024, times=2)
def qualified_statements(certificate: bytes) -> QualifiedStatements:
    """Of a DER certificate; an unreadable one states nothing."""
    try:
        values = _plain_extensions(certificate)
    except (NotPlain, FormatError, IndexError, ValueError):
        values = _irregular_extensions(certificate)
    stated = dict(_sequences(values.get(_STATEMENTS, b"")))
    policies = frozenset(name for name, _ in _sequences(values.get(_POLICIES, b"")))
    types = frozenset(_identifiers(stated[_TYPES])) if _TYPES in stated else frozenset()
    return QualifiedStatements(_COMPLIANCE in stated, _SECURE_DEVICE in stated, types, policies)


def _plain_extensions(certificate: bytes) -> dict[str, bytes]:
    """The values of a certificate's extensions by lengths alone, where all is as usual. Raises ``NotPlain``,
    ``FormatError``, ``IndexError`` and ``ValueError`` where asn1crypto has to read it (a test compares)."""
    (whole,) = plain_items(certificate, 0, len(certificate))
    tbs, algorithm, signature = plain_items(certificate, whole[2], whole[3])
    if (whole[0], tbs[0], algorithm[0], signature[0]) != _CERTIFICATE:
        raise NotPlain
    parts = plain_items(certificate, tbs[2], tbs[3])
    if tuple(part[0] for part in parts) != _TO_BE_SIGNED:
        raise NotPlain
    (listed,) = plain_items(certificate, parts[-1][2], parts[-1][3])
    if listed[0] != tlv.SEQUENCE:
        raise NotPlain
    found: dict[str, bytes] = {}
    for each in plain_items(certificate, listed[2], listed[3]):
        name, *critical, value = plain_items(certificate, each[2], each[3])
        if (each[0], name[0], value[0]) != _EXTENSION or [item[0] for item in critical] not in ([], [_BOOLEAN]):
            raise NotPlain
        identifier = dotted(certificate[name[1] : name[3]])
        if identifier in _TAGS:
            (held,) = plain_items(certificate, value[2], value[3])
            if held[0] != _TAGS[identifier]:
                raise NotPlain
        found[identifier] = certificate[value[2] : value[3]]
    return found


def _irregular_extensions(certificate: bytes) -> dict[str, bytes]:
    try:
        extensions = asn1_x509.Certificate.load(certificate)["tbs_certificate"]["extensions"]
        return {item["extn_id"].dotted: bytes(item["extn_value"]) for item in extensions or ()}
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - a parser of hostile bytes raises whatever it likes
        return {}


def _sequences(value: bytes) -> Iterator[tuple[str, bytes]]:
    """(first identifier, what follows it) of each SEQUENCE in a SEQUENCE; ends at what cannot be read."""
    try:
        if not value:
            return
        _, start, end, _ = tlv.read(value)
        for tag, first, last in tlv.children(value, start, end, _ITEMS):
            if tag != tlv.SEQUENCE:
                continue
            _, inner, stop, _ = tlv.read(value, first, last)
            name, _, _, after = tlv.read(value, inner, stop)
            if name == tlv.OBJECT_IDENTIFIER:
                yield dotted(value[inner:after]), value[after:stop]
    except (FormatError, ValueError, TypeError):
        return


def _identifiers(value: bytes) -> Iterator[str]:
    try:
        _, start, end, _ = tlv.read(value)
        for tag, first, last in tlv.children(value, start, end, _ITEMS):
            if tag == tlv.OBJECT_IDENTIFIER:
                yield dotted(value[first:last])
    except (FormatError, ValueError, TypeError):
        return
