"""Whose certificate it is, in words a person can read. Names are claims of an issuer, and hostile text until shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from asn1crypto import x509 as asn1_x509

from zdda.model.byte_cache import remembered
from zdda.signatures.certificates import load_certificate
from zdda.signatures.cms_plain import NotPlain, plain_items
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import dotted

_LONGEST_VALUE = 256
_MOST_ATTRIBUTES = 32
_LABELS = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "email",
}
# Of these asn1crypto reads a DirectoryString (RFC 5280 annex A), whose values are mostly of two types.
_OTHER_STRINGS = frozenset({"0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"})
_SEQUENCE, _SET, _OID, _UTF8, _PRINTABLE = 0x30, 0x31, 0x06, 0x0C, 0x13
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPECIAL = set(',+"\\<>;=')


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """``subject`` and ``issuer`` in the manner of RFC 4514, in the order of the certificate; ``name`` the shortest
    text that names the subject; ``serial`` in hexadecimal; ``pseudonym``: the subject is named by a pseudonym
    (RFC 3739 clause 3.1.2)."""

    name: str
    organization: str | None
    subject: str
    issuer_name: str
    issuer: str
    serial: str
    pseudonym: bool


@remembered(16 * 1024 * 1024)
def names_of(der: bytes) -> CertificateNames | None:
    """The names in a certificate (DER); None where it cannot be read. Control and direction characters become
    U+FFFD: a name must not rewrite the text around it."""
    try:
        certificate = load_certificate(der)
    except FormatError:
        return None
    subject, issuer = _attributes(certificate.subject), _attributes(certificate.issuer)
    found = dict(reversed(subject))
    return CertificateNames(
        name=_short(subject),
        organization=found.get("O"),
        subject=_text(subject),
        issuer_name=_short(issuer),
        issuer=_text(issuer),
        serial=f"{certificate.serial:x}",
        pseudonym="pseudonym" in found,
    )


def name_text(name: bytes) -> str:
    """A Name (DER) in the manner of RFC 4514, made as harmless as ``names_of`` makes it."""
    return _text(_attributes(name))


@remembered(4 * 1024 * 1024)
def _attributes(name: bytes) -> tuple[tuple[str, str], ...]:
    """(Label, value) of each attribute of a Name (DER), in its order, as far as they can be read."""
    try:
        return _plain_attributes(name)
    except (NotPlain, FormatError, IndexError, ValueError):
        return tuple(_irregular_attributes(name))


def _plain_attributes(name: bytes) -> tuple[tuple[str, str], ...]:
    """The same by lengths alone, where all is as usual. Raises ``NotPlain``, ``FormatError``, ``IndexError`` and
    ``ValueError`` where asn1crypto has to read it (a test compares)."""
    found: list[tuple[str, str]] = []
    ((tag, _, start, end),) = plain_items(name, 0, len(name))
    if tag != _SEQUENCE:
        raise NotPlain
    for relative in plain_items(name, start, end):
        if relative[0] != _SET:
            raise NotPlain
        for attribute in plain_items(name, relative[2], relative[3]):
            kind, value = plain_items(name, attribute[2], attribute[3])
            if attribute[0] != _SEQUENCE or kind[0] != _OID or kind[2] == kind[3]:
                raise NotPlain
            identifier, text = dotted(name[kind[1] : kind[3]]), name[value[2] : value[3]]
            if identifier not in _LABELS or identifier in _OTHER_STRINGS or value[0] not in (_UTF8, _PRINTABLE):
                raise NotPlain
            found.append((_LABELS[identifier], shown(text.decode("utf-8" if value[0] == _UTF8 else "latin-1"))))
            if len(found) == _MOST_ATTRIBUTES:
                return tuple(found)
    return tuple(found)


def _irregular_attributes(name: bytes) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    try:
        for relative in asn1_x509.Name.load(name).chosen:
            for attribute in relative:
                kind = attribute["type"].dotted
                found.append((_LABELS.get(kind, kind), shown(str(attribute["value"].native))))
                if len(found) == _MOST_ATTRIBUTES:
                    return found
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - names are hostile bytes, their parser raises whatever it likes
        return found
    return found


def shown(value: str) -> str:
    """A text of foreign origin made fit to be shown: bounded, without control and direction characters."""
    if len(value) > _LONGEST_VALUE:
        value = value[: _LONGEST_VALUE - 1] + "…"
    if value.isascii() and value.isprintable():
        return value
    return "".join("\ufffd" if unicodedata.category(each) in _UNSEEN else each for each in value)


def _short(attributes: Sequence[tuple[str, str]]) -> str:
    found = dict(reversed(attributes))
    person = " ".join(found[label] for label in ("GN", "SN") if label in found)
    return found.get("CN") or person or found.get("pseudonym") or found.get("O") or _text(attributes)


def _text(attributes: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{label}={_quoted(value)}" for label, value in attributes)


def _quoted(value: str) -> str:
    if _SPECIAL.isdisjoint(value):
        return value
    return "".join(f"\\{each}" if each in _SPECIAL else each for each in value)
