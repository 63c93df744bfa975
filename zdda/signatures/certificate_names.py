"""Whose certificate it is, in words a person can read. Names are claims of an issuer, and hostile text until shown."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from asn1crypto import x509 as asn1_x509

from zdda.model.byte_cache import remembered
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import FormatError

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


def _attributes(name: bytes) -> list[tuple[str, str]]:
    found = []
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
    return "".join("\ufffd" if unicodedata.category(each) in _UNSEEN else each for each in value)


def _short(attributes: list[tuple[str, str]]) -> str:
    found = dict(reversed(attributes))
    person = " ".join(found[label] for label in ("GN", "SN") if label in found)
    return found.get("CN") or person or found.get("pseudonym") or found.get("O") or _text(attributes)


def _text(attributes: list[tuple[str, str]]) -> str:
    return ", ".join(f"{label}={_quoted(value)}" for label, value in attributes)


def _quoted(value: str) -> str:
    return "".join(f"\\{each}" if each in _SPECIAL else each for each in value)
