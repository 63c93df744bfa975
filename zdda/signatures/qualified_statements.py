"""What a certificate says of its own qualification: QCStatements (ETSI EN 319 412-5, RFC 3739), certificate policies.

Statements are read leniently: one that cannot be read claims nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import core
from asn1crypto import x509 as asn1_x509

from zdda.model.byte_cache import remembered
from zdda.signatures import der as tlv
from zdda.signatures.errors import FormatError

_STATEMENTS, _POLICIES = "1.3.6.1.5.5.7.1.3", "2.5.29.32"
_COMPLIANCE, _SECURE_DEVICE, _TYPES = "0.4.0.1862.1.1", "0.4.0.1862.1.4", "0.4.0.1862.1.6"
_ITEMS = 200


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
        extensions = asn1_x509.Certificate.load(certificate)["tbs_certificate"]["extensions"]
        values = {item["extn_id"].dotted: bytes(item["extn_value"]) for item in extensions or ()}
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - a parser of hostile bytes raises whatever it likes
        return QualifiedStatements()
    stated = dict(_sequences(values.get(_STATEMENTS, b"")))
    policies = frozenset(name for name, _ in _sequences(values.get(_POLICIES, b"")))
    types = frozenset(_identifiers(stated[_TYPES])) if _TYPES in stated else frozenset()
    return QualifiedStatements(_COMPLIANCE in stated, _SECURE_DEVICE in stated, types, policies)


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
                yield core.ObjectIdentifier.load(value[inner:after]).dotted, value[after:stop]
    except (FormatError, ValueError, TypeError):
        return


def _identifiers(value: bytes) -> Iterator[str]:
    try:
        _, start, end, _ = tlv.read(value)
        for tag, first, last in tlv.children(value, start, end, _ITEMS):
            if tag == tlv.OBJECT_IDENTIFIER:
                yield core.ObjectIdentifier.load(value[first:last]).dotted
    except (FormatError, ValueError, TypeError):
        return
