"""The identifiers of ETSI TS 119 102-2 V1.4.1, and our own where it leaves the choice open (``urn:zdda:…``)."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from zdda.model.canonical_xml import as_xml_text, element

NAMESPACES = {
    "xmlns": "http://uri.etsi.org/19102/v1.4.1#",
    "xmlns:ds": "http://www.w3.org/2000/09/xmldsig#",
    "xmlns:tsl": "http://uri.etsi.org/02231/v2#",
    "xmlns:xades": "http://uri.etsi.org/01903/v1.3.2#",
    "xmlns:z": "urn:zdda:validation-report:1",
}
_ETSI = "urn:etsi:019102"

MAIN_INDICATION = {
    "TOTAL_PASSED": f"{_ETSI}:mainindication:total-passed",
    "TOTAL_FAILED": f"{_ETSI}:mainindication:total-failed",
    "INDETERMINATE": f"{_ETSI}:mainindication:indeterminate",
    "PASSED": f"{_ETSI}:mainindication:passed",
    "FAILED": f"{_ETSI}:mainindication:failed",
}
"""Clause 4.3.4.2."""

NO_SIGNATURE = "urn:zdda:mainindication:no-signature"
"""A report has to be about a signature; of a document without one it says so by a word of our own."""

REFUSED = "urn:zdda:subindication:refused"
NOT_VALIDATED = "urn:zdda:subindication:not-validated"

APPLIED = f"{_ETSI}:constraintStatus:applied"
DISABLED = f"{_ETSI}:constraintStatus:disabled"
"""Clause 4.3.5.4.2."""

POE_VALIDATION = f"{_ETSI}:poetype:validation"
"""Clause 4.4.6.2: derived during validation. No other kind is given to the engine yet."""

OBJECT_TYPE = {
    "certificate": f"{_ETSI}:validationObject:certificate",
    "crl": f"{_ETSI}:validationObject:CRL",
    "ocsp": f"{_ETSI}:validationObject:OCSPResponse",
    "timestamp": f"{_ETSI}:validationObject:timestamp",
    "document": f"{_ETSI}:validationObject:signedData",
    "other": f"{_ETSI}:validationObject:other",
}
"""Clause 4.4.4."""

PROCESS = {
    "basic-signature-validation": f"{_ETSI}:validationprocess:Basic",
    "validation-with-time": f"{_ETSI}:validationprocess:LTVM",
    "validation-with-archival-data": f"{_ETSI}:validationprocess:LTA",
}
"""Clause 4.3.11.1, by the last process that was carried out."""

TIMESTAMP_ATTRIBUTE = {
    "CONTENT_TIMESTAMP": "AllDataObjectsTimeStamp",
    "SIGNATURE_TIMESTAMP": "SignatureTimeStamp",
    "VALIDATION_DATA_TIMESTAMP": "SigAndRefsTimeStamp",
    "VALIDATION_DATA_REFSONLY_TIMESTAMP": "RefsOnlyTimeStamp",
    "ARCHIVE_TIMESTAMP": "ArchiveTimeStamp",
    "DOCUMENT_TIMESTAMP": "DocTimeStamp",
}
"""Annex A."""

SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_LATER = "http://www.w3.org/2007/05/xmldsig-more#"
_ALGORITHMS = {
    ("rsassa_pkcs1v15", "md5"): f"{_MORE}rsa-md5",
    ("rsassa_pkcs1v15", "sha1"): "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    ("rsassa_pkcs1v15", "sha224"): f"{_MORE}rsa-sha224",
    ("rsassa_pkcs1v15", "sha256"): f"{_MORE}rsa-sha256",
    ("rsassa_pkcs1v15", "sha384"): f"{_MORE}rsa-sha384",
    ("rsassa_pkcs1v15", "sha512"): f"{_MORE}rsa-sha512",
    ("rsassa_pss", "sha256"): f"{_LATER}sha256-rsa-MGF1",
    ("rsassa_pss", "sha384"): f"{_LATER}sha384-rsa-MGF1",
    ("rsassa_pss", "sha512"): f"{_LATER}sha512-rsa-MGF1",
    ("ecdsa", "sha1"): f"{_MORE}ecdsa-sha1",
    ("ecdsa", "sha224"): f"{_MORE}ecdsa-sha224",
    ("ecdsa", "sha256"): f"{_MORE}ecdsa-sha256",
    ("ecdsa", "sha384"): f"{_MORE}ecdsa-sha384",
    ("ecdsa", "sha512"): f"{_MORE}ecdsa-sha512",
}


def algorithm(mechanism: str, hash_name: str | None) -> str:
    """The identifier of a signature algorithm (RFC 9231), or one of ours where there is none."""
    known = _ALGORITHMS.get((mechanism, hash_name or ""))
    return known or uri(f"urn:zdda:algorithm:{mechanism}:{hash_name or 'none'}")


def sub_indication(name: str) -> str:
    """Clause 4.3.4.3."""
    return uri(f"{_ETSI}:subindication:{name}")


def uri(text: str) -> str:
    """``text`` with what a URI cannot hold as it stands percent-encoded (RFC 3987 is not relied on)."""
    return "".join(
        each if each.isascii() and (each.isalnum() or each in "-._~:/#") else _percent(each) for each in text
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def digest(hexadecimal: str, name: str = "DigestAlgAndValue") -> str:
    """An element of the type DigestAlgAndValueType, of SHA-256."""
    value = base64.b64encode(bytes.fromhex(hexadecimal)).decode("ascii")
    method = element("ds:DigestMethod", {"Algorithm": SHA256})
    return element(name, None, [method, element("ds:DigestValue", None, value)])


def reference(name: str, *identifiers: str) -> str:
    """A VOReferenceType of that name."""
    return element(name, {"VOReference": " ".join(identifiers)})


def text(name: str, value: object, attributes: dict[str, str | None] | None = None) -> str:
    """An element of plain text, whatever the text holds."""
    return element(name, attributes, as_xml_text(str(value)))


def parent(name: str, children: Iterable[str | None], attributes: dict[str, str | None] | None = None) -> str:
    """An element of those ``children`` that are there."""
    return element(name, attributes, [child for child in children if child is not None])
