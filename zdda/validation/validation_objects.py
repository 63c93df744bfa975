"""What a piece of validation data is, in a line of the report: whose, by whom, valid from when until when.

For people and for the catalog that watches each piece by itself; no verdict rests on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509 import ocsp

from zdda.model.byte_cache import ByteCache
from zdda.model.clock import format_time
from zdda.signatures.certificate_names import name_text, names_of
from zdda.signatures.certificates import load_certificate
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.validation.report import ValidationDatum

_NOTHING: dict[str, Any] = dict.fromkeys(("subject", "issuer", "serialNumber", "validFrom", "validUntil"))


_known: ByteCache[tuple[str, str], dict[str, Any]] = ByteCache(16 * 1024 * 1024)


def facts_of(datum: ValidationDatum) -> dict[str, Any]:
    """``subject``, ``issuer`` (RFC 4514), ``serialNumber`` (hexadecimal), ``validFrom``, ``validUntil``; null where
    there is none or it cannot be read.

    A certificate: its validity. A CRL or an OCSP answer: thisUpdate and nextUpdate, ``issuer`` the signer's name. A
    timestamp: genTime, and until when its authority's certificate is valid, whose names these are.
    """
    return _known.get((datum.role, datum.sha256), lambda: _read(datum), lambda facts: 500 + len(str(facts)))


def _read(datum: ValidationDatum) -> dict[str, Any]:
    read = {"certificate": _certificate, "crl": _crl, "ocsp": _ocsp, "timestamp": _timestamp}[datum.role]
    try:
        return {**_NOTHING, **read(datum.data)}
    except MemoryError:
        raise  # the machine is at fault, not the bytes
    except Exception:  # noqa: BLE001 - of hostile bytes; what it is stays unsaid, what it is worth is said elsewhere
        return _NOTHING


def _certificate(der: bytes) -> dict[str, Any]:
    certificate, names = load_certificate(der), names_of(der)
    return {
        "subject": names.subject if names is not None else None,
        "issuer": names.issuer if names is not None else None,
        "serialNumber": f"{certificate.serial:x}",
        "validFrom": format_time(certificate.not_before),
        "validUntil": format_time(certificate.not_after),
    }


def _crl(der: bytes) -> dict[str, Any]:
    crl = x509.load_der_x509_crl(der)
    return {
        "issuer": name_text(crl.issuer.public_bytes()),
        "validFrom": format_time(crl.last_update_utc),
        "validUntil": _time(crl.next_update_utc),
    }


def _ocsp(der: bytes) -> dict[str, Any]:
    answer = ocsp.load_der_ocsp_response(der)
    single = next(iter(answer.responses))
    responder = answer.responder_name
    return {
        "issuer": name_text(responder.public_bytes()) if responder is not None else None,
        "serialNumber": f"{single.serial_number:x}",
        "validFrom": format_time(single.this_update_utc),
        "validUntil": _time(single.next_update_utc),
    }


def _timestamp(der: bytes) -> dict[str, Any]:
    token = parse_timestamp_token(der)
    authority = _certificate(token.signer_certificate) if token.signer_certificate is not None else _NOTHING
    return {**authority, "serialNumber": f"{token.serial:x}", "validFrom": format_time(token.gen_time)}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
