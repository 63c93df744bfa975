"""The ASiC manifest (EN 319 162-1 V1.1.1 clause A.4): every file of the package with its SHA-256.

There is one byte form; a reader rebuilds it from what it read and refuses any other.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from zdda.packaging.errors import ManifestInvalid, MetadataBroken
from zdda.packaging.xml_reader import parse_xml
from zdda.packaging.xml_writer import attribute, document, element

MANIFEST_NAME = "META-INF/ASiCManifest001.xml"
SEAL_NAME = "META-INF/signature001.p7s"
LIMIT = 32 * 1024 * 1024

_ASIC = "http://uri.etsi.org/02918/v1.2.1#"
_DS = "http://www.w3.org/2000/09/xmldsig#"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_SEAL_TYPE = "application/pkcs7-signature"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file: its name in the container, media type, SHA-256 (32 bytes)."""

    name: str
    media_type: str
    sha256: bytes


def encode_manifest(entries: Sequence[ManifestEntry]) -> bytes:
    """The manifest over ``entries`` in ascending order of names (bytes)."""
    references = [
        f'<asic:DataObjectReference URI="{attribute(entry.name)}" MimeType="{attribute(entry.media_type)}">\n'
        f'<ds:DigestMethod Algorithm="{_SHA256}"/>\n'
        f"<ds:DigestValue>{b64encode(entry.sha256).decode('ascii')}</ds:DigestValue>\n</asic:DataObjectReference>"
        for entry in sorted(entries, key=lambda entry: entry.name)
    ]
    reference = element("asic:SigReference", {"URI": SEAL_NAME, "MimeType": _SEAL_TYPE})
    return document(element("asic:ASiCManifest", {"xmlns:asic": _ASIC, "xmlns:ds": _DS}, [reference, *references]))


def decode_manifest(data: bytes) -> tuple[ManifestEntry, ...]:
    """Raises :class:`ManifestInvalid` for anything but the one form, or a name listed twice."""
    try:
        root = parse_xml(data, MANIFEST_NAME, LIMIT)
        entries = []
        for reference in list(root)[1:]:
            digest = reference.findtext(f"{{{_DS}}}DigestValue") or ""
            entries.append(
                ManifestEntry(reference.get("URI", ""), reference.get("MimeType", ""), b64decode(digest, validate=True))
            )
        canonical = encode_manifest(entries) == data
    except (MetadataBroken, ValueError):
        raise ManifestInvalid("is not an ASiC manifest", MANIFEST_NAME) from None
    if not canonical:
        raise ManifestInvalid("is not in the canonical form", MANIFEST_NAME)
    if len({entry.name for entry in entries}) != len(entries):
        raise ManifestInvalid("lists a file twice", MANIFEST_NAME)
    if any(len(entry.sha256) != 32 for entry in entries):
        raise ManifestInvalid("holds a digest of the wrong length", MANIFEST_NAME)
    return tuple(entries)
